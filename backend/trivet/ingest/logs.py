"""Logs: understood well enough to say how many there were, and not stored yet."""

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from trivet.ingest.decode import parse
from trivet.ingest.decode_json import load, objects
from trivet.ingest.wire import LOG_RECORDS, check_count


def count_protobuf(body: bytes, limit: int) -> int:
    """Log records of an `ExportLogsServiceRequest`; `TooManyItems` over `limit`."""
    check_count(body, LOG_RECORDS, limit, "log records")
    export: Any = parse(ExportLogsServiceRequest(), body)
    return sum(len(scope.log_records) for resource in export.resource_logs for scope in resource.scope_logs)


def count_json(body: bytes) -> int:
    """Log records of an `ExportLogsServiceRequest` in JSON."""
    return sum(
        len(objects(in_scope, "logRecords"))
        for in_resource in objects(load(body), "resourceLogs")
        for in_scope in objects(in_resource, "scopeLogs")
    )
