"""Requests as rows of a table and as columns of a file. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from trivet.console import format as say
from trivet.console.requests.views import RequestRow
from trivet.report.files.table import Column

Item = Mapping[str, Any]
TOKENS: Final = ("input", "output", "cache_read", "cache_write", "reasoning")
TEXTS: Final = (
    "started_at", "tenant", "scenario", "model", "provider", "backend", "pool", "outcome", "cause", "trace_id", "span_id",
    "conversation_id", "response_id", "unpriced_reason", "repeats",
)  # fmt: skip
NUMBERS: Final = ("duration_ms", "ttft_ms")
POLICY: Final = ("level", "revision", "generation")
COLUMNS: Final = (
    *(Column(name) for name in TEXTS),
    *(Column(name, "number") for name in NUMBERS),
    *(Column(f"{kind}_tokens", "count") for kind in TOKENS),
    *(Column(name, "count") for name in POLICY),
    Column("cost", "money"), Column("currency"),
)  # fmt: skip


def row(item: Item) -> RequestRow:
    """One request as `report.rows` says it."""
    cost = item["cost"]
    return RequestRow(
        url=url(item),
        at=datetime.fromisoformat(item["started_at"]),
        tenant=item["tenant"],
        scenario=item["scenario"],
        model=item["model"],
        outcome=item["outcome"],
        tokens=sum(item["tokens"].values()),
        latency_ms=item["duration_ms"],
        ttft_ms=item["ttft_ms"],
        cost=Decimal(cost["amount"]) if cost else None,
        currency=cost["currency"] if cost else "",
        unpriced=item["unpriced_reason"] or "",
        level=item["level"],
        repeats=item["repeats"] is not None,
    )


def url(item: Item) -> str:
    """Where one request is shown."""
    return f"/requests/{item['trace_id']}-{item['span_id']}"


def values(item: Item) -> Sequence[Any]:
    """The same for a file, in the order of `COLUMNS`."""
    cost = item["cost"]
    return (
        *("" if item[name] is None else item[name] for name in TEXTS), *(item[name] for name in NUMBERS),
        *(item["tokens"][kind] for kind in TOKENS), *(item[name] for name in POLICY),
        Decimal(cost["amount"]) if cost else None, cost["currency"] if cost else "",
    )  # fmt: skip


def one_currency(rows: Iterable[RequestRow]) -> str:
    """The currency of all of them; empty where there are several."""
    found = {each.currency for each in rows if each.currency}
    return found.pop() if len(found) == 1 else ""


def places(rows: Iterable[RequestRow]) -> int:
    """Of the whole column."""
    return say.watched_places([each.cost for each in rows if each.cost is not None])
