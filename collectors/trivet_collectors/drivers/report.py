"""Tells Trivet what a driver brought about: one OTLP log event, `trivet.policy.applied`, which proves the generation.

A driver serves no request, so no span of its could say under which policy it ran. The event is told after the state stands,
and not before; told again, late or twice, it says the same.
"""

import logging
import time
from dataclasses import dataclass

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from trivet_collectors import semconv as sc
from trivet_collectors.drivers.driver import Applied
from trivet_collectors.drivers.plan import Plan
from trivet_collectors.drivers.rules import Flags

log = logging.getLogger("trivet.drive")

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Report:
    """What a driver did, or found done, under which state."""

    plan: Plan
    flags: Flags
    applied: Applied

    def attributes(self) -> dict[str, str | int | bool]:
        said: dict[str, str | int | bool] = {
            sc.TRIVET_SCENARIO: self.plan.scenario,
            sc.TRIVET_BACKEND: self.plan.backend,
            sc.TRIVET_TENANT: self.plan.tenant,
            sc.TRIVET_DRIVER: f"{self.plan.kind}/{self.plan.name}",
            sc.TRIVET_POLICY_REVISION: int(self.flags["policy.revision"]),
            sc.TRIVET_POLICY_GENERATION: int(self.flags["policy.generation"]),
            sc.TRIVET_DEGRADE_LEVEL: int(self.flags["degrade.level"]),
            sc.TRIVET_CHANGED: self.applied.changed,
            sc.TRIVET_REASON: self.applied.reason,
        }
        return {name: value for name, value in said.items() if value != ""}


class Reporter:
    """Sends reports to `endpoint`, with a key of scope `ingest`."""

    def __init__(self, endpoint: str, api_key: str) -> None:
        self._url = endpoint.rstrip("/") + "/v1/logs"
        self._http = httpx.Client(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/x-protobuf"},
        )

    def tell(self, report: Report) -> bool:
        """Whether Trivet took it. What it did not is told again by the next round."""
        try:
            answer = self._http.post(self._url, content=encoded(report, time.time_ns()))
        except httpx.HTTPError as error:
            log.warning("not told what %s did: %s", report.plan.name, error)
            return False
        if answer.status_code != httpx.codes.OK:
            log.warning("not told what %s did: HTTP %d", report.plan.name, answer.status_code)
        return answer.status_code == httpx.codes.OK

    def close(self) -> None:
        self._http.close()


def encoded(report: Report, now_ns: int) -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.append(_pair("service.name", "trivet-drive"))
    record = group.scope_logs.add().log_records.add(
        event_name=sc.EVENT_APPLIED, time_unix_nano=now_ns, observed_time_unix_nano=now_ns
    )
    record.body.string_value = report.applied.reason
    record.attributes.extend(_pair(name, value) for name, value in report.attributes().items())
    return bytes(request.SerializeToString())


def _pair(name: str, value: str | int | bool) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))
