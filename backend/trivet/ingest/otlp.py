"""OTLP's answers: the same content type back, partial success, and google.rpc.Status for what failed as a whole."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import Request, Response
from fastapi.routing import APIRoute
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from trivet import problems
from trivet.ingest import counters
from trivet.ingest.errors import UnknownEncoding
from trivet.kit.errors import TrivetError, Unavailable, kebab

log = logging.getLogger("trivet.ingest")

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SAY_AGAIN_S = 30.0
REASONS_SHOWN = 10
RETRY_AFTER_S = 2

# The signal -> its answer, the field that counts what was refused, and what that is.
_ANSWERS: dict[str, tuple[Any, str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "data points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "log records"),
}
_JSON_NAMES = {
    "rejected_spans": "rejectedSpans",
    "rejected_data_points": "rejectedDataPoints",
    "rejected_log_records": "rejectedLogRecords",
}
# HTTP status -> google.rpc.Code
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 503: 14}


def content_type(request: Request) -> str:
    """`PROTOBUF` or `JSON`; `UnknownEncoding` for anything else."""
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named not in (PROTOBUF, JSON):
        raise UnknownEncoding(f"Content-Type {named[:40]!r} is not understood; use {PROTOBUF} or {JSON}.")
    return named


def accepted(signal: str, media_type: str, refused: Counter[str]) -> Response:
    """200: empty where all is well, else partial success with how many and why."""
    kind, field, items = _ANSWERS[signal]
    message = reasons(items, refused)
    if media_type == JSON:
        partial = {_JSON_NAMES[field]: str(refused.total()), "errorMessage": message}
        return Response(json.dumps({"partialSuccess": partial} if message else {}), 200, media_type=JSON)
    answer = kind()
    if message:
        setattr(answer.partial_success, field, refused.total())
        answer.partial_success.error_message = message
    return Response(answer.SerializeToString(), 200, media_type=PROTOBUF)


def reasons(items: str, counted: Counter[str]) -> str:
    """`3 spans refused: tokens_negative 2, too_old 1`; empty for none."""
    if not counted:
        return ""
    named = ", ".join(f"{reason} {count}" for reason, count in counted.most_common(REASONS_SHOWN))
    return f"{counted.total()} {items} refused: {named}"


def refused(request: Request, error: TrivetError) -> Response:
    """The protocol's answer to a refusal of the whole export: a Status in the request's encoding."""
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() != PROTOBUF
    status = Status(code=_CODES.get(error.status, 2), message=error.detail)
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="trivet"'
    if is_json:
        body = json.dumps({"code": status.code, "message": status.message})
        return Response(body, error.status, headers, media_type=JSON)
    return Response(status.SerializeToString(), error.status, headers, media_type=PROTOBUF)


_WRAPPED: Callable[..., Exception] = DBAPIError.instance  # typed more loosely there than it answers


def try_again(error: Exception) -> tuple[str, str] | None:
    """(reason, what to say) where sending the same again may help: the database is away, or others held it too long."""
    if isinstance(error, psycopg.Error):  # COPY speaks to the driver
        error = _WRAPPED(None, None, error, psycopg.Error)
    if problems.is_away(error):
        return "database-away", problems.AWAY
    return ("database-busy", problems.BUSY) if problems.is_busy(error) else None


_said_at = -SAY_AGAIN_S


def _say_away(error: Exception) -> None:
    """One line in the log, and not one for each export that is turned away."""
    global _said_at  # noqa: PLW0603  # when the process last said it
    if time.monotonic() - _said_at >= SAY_AGAIN_S:
        _said_at = time.monotonic()
        log.warning("exports are answered 503, the database is away or busy: %s", str(error).partition("\n")[0])


class OtlpRoute(APIRoute):
    """Speaks OTLP also where something fails, and counts every export by its answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        signal = self.path.rpartition("/")[2]

        async def speak(request: Request) -> Response:
            reason = ""
            try:
                response = await handle(request)
            except TrivetError as error:
                response, reason = refused(request, error), kebab(type(error).__name__)
            except (DBAPIError, PoolTimeout, psycopg.Error) as error:
                again = try_again(error)
                if again is None:
                    counters.exports.labels(signal, "500", "fault").inc()
                    raise
                reason, said = again
                _say_away(error)
                response = refused(request, Unavailable(said, retry_after_s=RETRY_AFTER_S))
            counters.exports.labels(signal, str(response.status_code), reason).inc()
            return response

        return speak
