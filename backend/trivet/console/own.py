"""The overview of somebody of one tenant: their requests, their latency and their spend by scenario, and nothing of others."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import format as say
from trivet.console.address import Address, settle
from trivet.console.overview_asked import OverviewQuery
from trivet.console.queries import today
from trivet.console.tongue import _, _n
from trivet.console.views import Money, OwnPage, OwnRow, Reader
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.report import costs
from trivet.report.files.table import Column
from trivet.rollup import read
from trivet.rollup.read import Usage
from trivet.tenant.models import Scenario

ROWS_MAX: Final = 100
GRAIN_S: Final = 10
COLUMNS: Final = (
    Column("scenario"), Column("requests", "count"), Column("errors", "number"), Column("p50"), Column("p95"),
    Column("currency"), Column("cost_today", "money"),
)  # fmt: skip


def page(reader: Reader, asked: OverviewQuery) -> OwnPage:
    """What one tenant did and spent, read in one transaction."""
    address = settle("/", asked, reader.now, reader.zone, "24h")
    assert reader.tenant_id is not None
    with db.transaction() as session:
        used = _used(session, reader.tenant_id, address)
        spent = _spent(session, reader)
    rows = made(used, spent, asked.q)
    return OwnPage(reader, address, words(rows, reader.tenant), tuple(rows[:ROWS_MAX]), max(len(rows) - ROWS_MAX, 0), address.url("/live"))  # fmt: skip


def _used(session: Session, tenant_id: int, address: Address) -> dict[str, Usage]:
    within = address.interval
    whole = Interval(floor(within.start, GRAIN_S), floor(within.end, GRAIN_S) + timedelta(seconds=GRAIN_S))
    found = read.usage(session, whole, ["scenario_id"], {"tenant_id": [tenant_id]})
    ids = [id_ for (id_,) in found]
    names = dict(session.execute(select(Scenario.id, Scenario.name).where(Scenario.id.in_(ids))).all())
    return {names[id_]: usage for (id_,), usage in found.items() if id_ in names}


def _spent(session: Session, reader: Reader) -> dict[str, tuple[Money, ...]]:
    found: dict[str, tuple[Money, ...]] = {}
    for row in costs.rows(session, today(reader.now), ["scenario"], {"tenant_id": [reader.tenant_id]}):
        found[row.key[0]] = (*found.get(row.key[0], ()), Money(row.amount, row.currency))
    return found


def made(used: dict[str, Usage], spent: dict[str, tuple[Money, ...]], wanted: str = "") -> list[OwnRow]:
    """One row a scenario that was used or paid for, the most used first. Pure."""
    names = [name for name in sorted(used.keys() | spent.keys()) if wanted.casefold().strip() in name.casefold()]
    most = max((used[name].requests for name in names if name in used), default=0)
    rows = [_row(name, used.get(name, Usage()), spent.get(name, ()), most) for name in names]
    return sorted(rows, key=lambda row: (-row.requests, row.name))


def _row(name: str, usage: Usage, today_: tuple[Money, ...], most: int) -> OwnRow:
    failed = usage.errors + usage.timeouts
    return OwnRow(
        name=name,
        title=say.title(name),
        requests=usage.requests,
        errors=failed / usage.served if usage.served > 0 else None,
        p50=say.duration(usage.quantile_ms("latency", 0.5)),
        p95=say.duration(usage.quantile_ms("latency", 0.95)),
        today=today_,
        bar=f"{100 * usage.requests / most:.2f}" if most else "0",
    )


def words(rows: Sequence[OwnRow], tenant: str) -> str:
    """`acme sent 1,204 requests to 3 scenarios; today has cost $12.30.`"""
    sent = sum(row.requests for row in rows)
    if not rows:
        return _("{tenant} sent no request in this time.", tenant=tenant)
    money: dict[str, Any] = {}
    for each in (m for row in rows for m in row.today):
        money[each.currency] = money.get(each.currency, 0) + each.amount
    cost = _(", ").join(say.watched(amount, currency) for currency, amount in sorted(money.items()))
    many = _n("{n} scenario", "{n} scenarios", len(rows))
    if not cost:
        return _("{tenant} sent {n} requests to {many}.", tenant=tenant, n=say.count(sent), many=many)
    return _(
        "{tenant} sent {n} requests to {many}; today has cost {cost}.", tenant=tenant, n=say.count(sent), many=many,
        cost=cost,
    )  # fmt: skip


def lines(page_: OwnPage) -> Iterator[list[Any]]:
    """The table as a file, each currency of a row's spend a line."""
    for row in page_.rows:
        today: list[tuple[str, Decimal | None]] = [(m.currency, m.amount) for m in row.today]
        for currency, cost in today or [("", None)]:
            yield [row.name, row.requests, row.errors, row.p50, row.p95, currency, cost]
