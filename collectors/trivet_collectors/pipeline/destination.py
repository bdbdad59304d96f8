"""Where exports go: an address, its headers, and one POST with an answer."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit

PATH: Final = "/v1/metrics"
TIMEOUT_S: Final = 10.0
TIMEOUT_MAX_S: Final = 300.0
ANSWER_MAX: Final = 64 * 1024
TIMEOUT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
HEADERS_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
CERTIFICATE_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")
RESOURCE_VARIABLE: Final = "OTEL_RESOURCE_ATTRIBUTES"


@dataclass(frozen=True)
class Answer:
    """What came of a POST. `status` 0: no answer, or none of Trivet's, `problem` says why. `retry_after_s` as the server asked."""

    status: int
    problem: str = ""
    retry_after_s: float = 0.0
    body: bytes = b""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: a key is shown to the address it was given for, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Destination:
    """Takes OTLP metrics over HTTP, protobuf compressed with gzip."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float = TIMEOUT_S
    certificate: str | None = None  # of the authority to trust, a PEM file

    def post(self, body: bytes) -> Answer:
        """One try. Never raises for what a network or a server can do."""
        request = urllib.request.Request(self.url, data=body, headers=dict(self.headers), method="POST")  # noqa: S310 - http(s) only, see `destination`
        try:
            with self._opener().open(request, timeout=self.timeout_s) as response:
                if response.headers.get_content_type() == "text/html":  # a page to sign in, or of somebody else
                    return Answer(0, "a web page answers there: is this Trivet's address?")
                return Answer(response.status, body=response.read(ANSWER_MAX))
        except urllib.error.HTTPError as error:
            with error:
                retry_after_s = seconds(error.headers.get("Retry-After"), datetime.now(UTC))
                return Answer(error.code, f"HTTP {error.code} {error.reason}".strip(), retry_after_s)
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            return Answer(0, str(reason) or type(error).__name__)

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self.certificate) if self.url.startswith("https:") else None
        return urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))


def destination(endpoint: str | None, api_key: str | None, environment: Mapping[str, str]) -> Destination:
    """`endpoint`/v1/metrics with the key. What is None comes from OTEL_EXPORTER_OTLP_*, whose headers are sent in any case.
    ValueError, one line, when there is no address or it is not one.
    """
    url = f"{endpoint.rstrip('/').removesuffix(PATH)}{PATH}" if endpoint else _url_of(environment)
    if not is_address(url):
        raise ValueError(
            f"{'it' if '@' in url else repr(url)} is no address: it begins with http:// or https://, without a user"
        )
    if api_key and not _sendable(api_key):
        raise ValueError("the API key holds signs that no key has: copy it again")
    headers = {name.lower(): value for name, value in pairs(_first(environment, HEADERS_VARIABLES)).items()}
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    headers |= {"content-type": "application/x-protobuf", "content-encoding": "gzip", "user-agent": "trivet-collector"}
    certificate = _first(environment, CERTIFICATE_VARIABLES) or None
    return Destination(url, headers, _timeout_s(_first(environment, TIMEOUT_VARIABLES)), certificate)


def is_address(url: str) -> bool:
    """Whether a request could go there: http or https, a host, no user, and nothing that no URL holds."""
    try:
        split = urlsplit(url)
        right = bool(split.hostname) and split.username is None and split.port != 0
    except ValueError:
        return False
    return right and split.scheme in ("http", "https") and _sendable(url)


def _sendable(text: str) -> bool:
    """Whether it can stand in the head of a request."""
    return text.isascii() and text.isprintable() and " " not in text


def _timeout_s(text: str) -> float:
    """OpenTelemetry's variable is in milliseconds by its specification and in seconds for its Python SDK: told by its size."""
    try:
        said = float(text or TIMEOUT_S)
    except ValueError:
        said = 0.0
    if not 0 < said < float("inf"):
        raise ValueError(f"OTEL_EXPORTER_OTLP_TIMEOUT: {text!r} is no time")
    return said / 1000 if said > TIMEOUT_MAX_S else said


def pairs(text: str) -> dict[str, str]:
    """`a=1,b=two%20words` as OTEL_* variables hold it."""
    split = (item.partition("=") for item in text.split(","))
    return {unquote(key.strip()): unquote(value.strip()) for key, equals, value in split if equals and key.strip()}


def seconds(retry_after: str | None, now: datetime) -> float:
    """A Retry-After header, seconds or a date, as seconds from `now`; 0 for none, and for what is none."""
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _url_of(environment: Mapping[str, str]) -> str:
    whole, base = (environment.get(name, "") for name in ENDPOINT_VARIABLES)
    if not (whole or base):
        raise ValueError("say where to send: endpoint, TRIVET_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT")
    return whole or f"{base.rstrip('/')}{PATH}"


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")
