"""One log record as decoded, whatever it came in: of its attributes only those that somebody reads."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from trivet.ingest.decode.span import Attributes
from trivet.ingest.decode.spans import attributes_of, parse
from trivet.ingest.decode.spans_json import id_of, integer, json_attributes, load, member, objects, text, uint64
from trivet.ingest.errors import TooManyItems
from trivet.ingest.line.wire import LOG_RECORDS, check_count

EVENT_NAME = "event.name"  # where emitters put it before records had a field for it
BODY_READ = 4_096  # characters of a text body that are looked at; none are kept
ERROR = 17  # severity numbers from here on are errors


@dataclass(slots=True)
class Record:
    """`at_ns` is when it happened, else when it was observed. `body` is empty where it is no text."""

    event: str
    at_ns: int
    severity: int
    body: str
    trace_id: bytes
    span_id: bytes
    attributes: Attributes
    resource: Attributes

    @property
    def is_error(self) -> bool:
        return self.severity >= ERROR


def records_of_protobuf(body: bytes, keys: Collection[str], limit: int) -> list[Record]:
    """Of an `ExportLogsServiceRequest`; `TooManyItems` over `limit` records."""
    check_count(body, LOG_RECORDS, limit, "log records")
    export: Any = parse(ExportLogsServiceRequest(), body)
    wanted = frozenset((*keys, EVENT_NAME))
    found = []
    for in_resource in export.resource_logs:
        resource = attributes_of(in_resource.resource.attributes, keys)
        for in_scope in in_resource.scope_logs:
            for record in in_scope.log_records:
                attributes = attributes_of(record.attributes, wanted)
                found.append(
                    Record(
                        event=record.event_name or _event(attributes),
                        at_ns=record.time_unix_nano or record.observed_time_unix_nano,
                        severity=record.severity_number,
                        body=record.body.string_value[:BODY_READ],
                        trace_id=record.trace_id,
                        span_id=record.span_id,
                        attributes=attributes,
                        resource=resource,
                    )
                )
    return found


def records_of_json(body: bytes, keys: Collection[str], limit: int) -> list[Record]:
    """Of an `ExportLogsServiceRequest` in JSON; `TooManyItems` over `limit` records."""
    wanted = frozenset((*keys, EVENT_NAME))
    found: list[Record] = []
    for in_resource in objects(load(body), "resourceLogs"):
        resource = json_attributes(member(in_resource, "resource"), keys)
        for in_scope in objects(in_resource, "scopeLogs"):
            records = objects(in_scope, "logRecords")
            if len(found) + len(records) > limit:
                raise TooManyItems(f"At most {limit} log records are taken at once. Send smaller batches.")
            found += [_of_json(record, wanted, resource) for record in records]
    return found


def _of_json(record: dict[str, Any], wanted: Collection[str], resource: Attributes) -> Record:
    attributes = json_attributes(record, wanted)
    body = member(record, "body").get("stringValue")
    return Record(
        event=text(record, "eventName") or _event(attributes),
        at_ns=uint64(record, "timeUnixNano") or uint64(record, "observedTimeUnixNano"),
        severity=_severity(record),
        body=body[:BODY_READ] if isinstance(body, str) else "",
        trace_id=id_of(record, "traceId"),
        span_id=id_of(record, "spanId"),
        attributes=attributes,
        resource=resource,
    )


def _severity(record: dict[str, Any]) -> int:
    """Enum names are taken too, as a kindness: all errors are alike."""
    said = record.get("severityNumber")
    if isinstance(said, str):
        return ERROR if "ERROR" in said or "FATAL" in said else 0
    return integer(record, "severityNumber")


def _event(attributes: Attributes) -> str:
    name = attributes.get(EVENT_NAME)
    return name if isinstance(name, str) else ""
