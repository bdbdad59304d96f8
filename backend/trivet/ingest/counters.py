"""Prometheus counters of ingest. Label values come from fixed lists, never from what a sender wrote."""

from prometheus_client import Counter

spans = Counter("trivet_ingest_spans", "Spans by what came of them: stored, duplicate, not_a_request.", ["result"])
refused = Counter("trivet_ingest_refused", "Spans and readings refused one by one, by reason.", ["reason"])
readings = Counter("trivet_ingest_readings", "GPU readings by what came of them.", ["result"])
exports = Counter(
    "trivet_ingest_exports",
    "Exports by signal, what brought them (http, grpc), answer in HTTP's numbers and why it was not 200.",
    ["signal", "transport", "status", "reason"],
)
