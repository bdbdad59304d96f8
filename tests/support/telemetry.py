"""Metrics sent and what became of them: for tests of what comes in at /v1/metrics."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from sqlalchemy import text
from tests.support.otlp import PROTOBUF

from trivet import db
from trivet.kit import histogram as kept


def post(sender, key, message):
    """What the answer says was refused."""
    answer = sender.post("/v1/metrics", content=message.SerializeToString(), headers=key | PROTOBUF)
    assert answer.status_code == 200, answer.text
    return ExportMetricsServiceResponse.FromString(answer.content).partial_success.error_message


def rows(query):
    with db.transaction() as session:
        return [dict(row) for row in session.execute(text(query)).mappings()]


def totals(metric):
    found = rows(f"SELECT total FROM signal_delta WHERE metric = '{metric}' ORDER BY id")
    return [row["total"] for row in found]


def signals():
    """(metric, detail) -> (samples, total), of everything stored."""
    found = rows("SELECT metric, detail, sum(samples)::int n, sum(total) total FROM signal_delta GROUP BY 1, 2")
    return {(row["metric"], row["detail"]): (row["n"], row["total"]) for row in found}


def quantiles():
    [row] = rows("SELECT string_agg(histogram, ''::bytea) AS bins FROM signal_delta")
    return kept.quantiles_ms(row["bins"])
