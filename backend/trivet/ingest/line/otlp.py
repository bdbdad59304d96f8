"""OTLP's answers: the same content type back, partial success, and google.rpc.Status for what failed as a whole."""

import json
from collections import Counter
from http import HTTPStatus
from typing import Any

from google.protobuf.any_pb2 import Any as Detail
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from trivet.kit.errors import TrivetError

PROTOBUF, JSON = "application/x-protobuf", "application/json"
REASONS_SHOWN = 10

# The signal -> its answer, the field that counts what was refused, its name in JSON, and what that is.
_ANSWERS: dict[str, tuple[Any, str, str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans", "spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints", "data points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords", "log records"),
}
# HTTP status -> google.rpc.Code
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 500: 13, 503: 14}


def accepted(signal: str, media_type: str, refused: Counter[str]) -> bytes:
    """The answer to an export that was taken: empty where all is well, else how many items were not, and why."""
    if not refused:
        return b"{}" if media_type == JSON else b""
    kind, field, name, items = _ANSWERS[signal]
    message = reasons(items, refused)
    if media_type == JSON:
        return json.dumps({"partialSuccess": {name: str(refused.total()), "errorMessage": message}}).encode()
    answer = kind()
    setattr(answer.partial_success, field, refused.total())
    answer.partial_success.error_message = message
    encoded: bytes = answer.SerializeToString()
    return encoded


def reasons(items: str, counted: Counter[str]) -> str:
    """`3 spans refused: tokens_negative 2, too_old 1`; empty for none."""
    if not counted:
        return ""
    named = ", ".join(f"{reason} {count}" for reason, count in counted.most_common(REASONS_SHOWN))
    return f"{counted.total()} {items} refused: {named}"


def status_of(error: TrivetError) -> Status:
    """google.rpc.Status; with RetryInfo where the same may come again."""
    status = Status(code=_CODES.get(error.status, 2), message=error.detail)
    if error.retry_after_s is not None:
        again = Detail()
        again.Pack(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
        status.details.append(again)
    return status


def refused(media_type: str, error: TrivetError) -> tuple[bytes, dict[str, str]]:
    """(body, headers) of the answer to an export refused as a whole."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="trivet"'
    status = status_of(error)
    if media_type == JSON:
        return json.dumps({"code": status.code, "message": status.message}).encode(), headers
    return status.SerializeToString(), headers
