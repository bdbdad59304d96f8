"""Trivet: which leg of an LLM service may give way - quality, latency or cost - and what came of it."""

# The spine in reading order. Celery's includes, Alembic's imports and the routers are all made from this one tuple.
CONTEXTS = (
    "identity",
    "job",
    "tenant",
    "fleet",
    "pricing",
    "ingest",
    "archive",
    "rollup",
    "ledger",
    "card",
    "guard",
    "command",
    "notify",
    "budget",
    "bill",
    "report",
    "compare",
    "evidence",
    "invariant",
)
