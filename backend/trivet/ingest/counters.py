"""Prometheus counters of ingest. Label values come from fixed lists, never from what a sender wrote."""

from prometheus_client import Counter, Histogram

spans = Counter("trivet_ingest_spans", "Spans by what came of them: stored, duplicate, not_a_request.", ["result"])
refused = Counter("trivet_ingest_refused", "Spans, points and log records refused one by one, by reason.", ["reason"])
overflowed = Counter(
    "trivet_ingest_overflowed", "Spans counted under `overflow`, by the kind of name its key had too many of.", ["kind"]
)
unpriced = Counter("trivet_ingest_unpriced", "Requests stored without a cost, by why.", ["reason"])
taken_back = Counter("trivet_ingest_taken_back", "Counted requests that turned out to repeat another span's call.")
groups = Histogram(
    "trivet_ingest_group_exports", "Exports of spans committed together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
retried = Counter("trivet_ingest_retried_exports", "Exports tried one by one because their group had failed.")
readings = Counter(
    "trivet_ingest_readings", "Points of metrics by what came of them: stored, duplicate, empty, not_kept.", ["result"]
)
exports = Counter(
    "trivet_ingest_exports",
    "Exports by signal, what brought them (http, grpc), answer in HTTP's numbers and why it was not 200.",
    ["signal", "transport", "status", "reason"],
)
wakes = Counter(
    "trivet_guard_wakes", "Hints to judge guards after a commit: sent, or dropped with the broker away.", ["result"]
)
