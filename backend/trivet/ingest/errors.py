"""What an export can be refused for as a whole. Refusals of single spans are `request.fact.Refusal`."""

from trivet.kit.errors import TooLarge, TrivetError, Unavailable


class Malformed(TrivetError):
    """Not OTLP: the sender must not send it again."""

    status = 400


class NoMessage(Malformed):
    """A gRPC call that ended without its message: cancelled, or over the limit as sent, which the core has answered."""


class UnknownEncoding(TrivetError):
    status = 415


class BodyTooLarge(TooLarge):
    """Over the limit, raw or after decompression."""


class TooManyItems(TooLarge):
    """More spans, data points or elements in one export than the settings allow."""


class TooSlow(Unavailable):
    """The body did not arrive in time."""
