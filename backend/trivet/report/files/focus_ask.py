"""Read what FOCUS rows are made of, a charge period's day at a time. Amounts by `costs`, tokens by `usage`, nowhere else."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet import service as fleet
from trivet.fleet.capacity import held
from trivet.fleet.models import Pool
from trivet.kit.interval import Interval
from trivet.ledger.pool_models import PoolHourSplit
from trivet.pricing.service import book
from trivet.report import costs as costing
from trivet.report import names
from trivet.report import usage as using
from trivet.report.files import focus_units
from trivet.report.files.ask import Question, pieces
from trivet.report.files.focus_model import TOKENS, USE, Capacity, Facts, Group, Of, Sum, Unit, Used

BY = ("cost_centre", "tenant", "provider", "model", "pool", "purchase", "account", "period")
USED_BY = ("tenant", "provider", "model", "pool")
USED_WHERE = ("tenant_id", "scenario_id", "model_id", "pool_id")
LENGTHS = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}


def facts(session: Session, asked: Question) -> Iterator[tuple[Facts, costing.Costs]]:
    """Piece by piece: what rows are made of, and the cost report they must add up to."""
    grain = asked.grain or "1d"
    for piece in pieces(asked):
        found = costing.costs(session, piece, BY, asked.where, grain=grain, as_of=asked.as_of)
        sums = _sums(found, LENGTHS[grain])
        of_units = focus_units.posted(session, piece, asked.where, grain, asked.as_of)
        for group, amount in of_units.items():
            sums[replace(group, account="")].add(amount.copy_negate(), Decimal(0))
            sums[group] = Sum(amount)
        counted = focus_units.quantities(session, piece, grain) if of_units else {}
        own = {name: values for name, values in asked.where.items() if name in USED_WHERE}
        keys = {(g.start, g.provider, g.model, names_pool(g.pool)) for g in sums}
        pools = {(g.start, g.end, g.pool) for g in sums if g.pool != "none"}
        yield (
            Facts(sums, _used(session, piece, own, grain), _units(session, keys), _capacities(session, pools), counted),
            found,
        )


def names_pool(pool: str) -> str:
    return "" if pool == "none" else pool


def _sums(found: costing.Costs, length: timedelta) -> dict[Group, Sum]:
    sums: dict[Group, Sum] = {}
    for row in found.rows:
        group = _group(row.key, row.currency, length)
        sums.setdefault(group, Sum()).add(row.amount, row.provisional)
    for apart in found.apart:
        _, _, *rest = apart.key  # nobody's: neither cost centre nor tenant
        group = _group(("", "", *rest), apart.currency, length, apart.account)
        sums.setdefault(group, Sum()).add(apart.amount, Decimal(0))
    return sums


def _group(key: tuple[Any, ...], currency: str, length: timedelta, apart: str = "") -> Group:
    centre, tenant, provider, model, pool, purchase, account, period, bucket = key
    start = datetime.fromisoformat(bucket)
    kind = apart or ("" if account in USE else account)
    tenant = "" if tenant == names.NO_TENANT else tenant
    return Group(
        start, start + length, period, centre, tenant, provider, model, pool, purchase, kind, currency
    )  # fmt: skip


def _used(session: Session, piece: Interval, where: Mapping[str, Collection[Any]], grain: str) -> dict[Of, Used]:
    found = {}
    for row in using.usage(session, piece, USED_BY, where, grain):
        tenant, provider, model, pool, bucket = row.key
        tokens = {kind: getattr(row.usage, f"{kind}_tokens") for kind in TOKENS}
        of = Of(datetime.fromisoformat(bucket), tenant, provider, model, pool, row.currency)
        found[of] = Used(row.usage.requests, tokens)
    return found


def _units(session: Session, keys: set[tuple[datetime, str, str, str]]) -> dict[tuple[datetime, str, str, str], Unit]:
    """Prices of a million tokens as they held at the start of each charge period; the first step of those with steps."""
    prices, found = book(session), {}
    for key in keys:
        start, provider, model, pool = key
        line = prices.price_at("" if provider == "none" else provider, model, pool, start)
        if line is not None:
            listed, contracted = (
                {kind: getattr(rates, kind)[0][1] for kind in TOKENS} for rates in (line.list_rates, line.rates)
            )
            found[key] = Unit(line.currency, listed, contracted)
    return found


def _capacities(session: Session, pools: set[tuple[datetime, datetime, str]]) -> dict[tuple[datetime, str], Capacity]:
    """What each pool had in each charge period."""
    if not pools:
        return {}
    ids = dict(session.execute(select(Pool.name, Pool.id).where(Pool.name.in_({name for _, _, name in pools}))).all())
    terms, found = fleet.terms(session), {}
    for start, end, name in pools:
        pool_id = ids.get(name)
        parts = held(terms.get(pool_id, []), Interval(start, end)) if pool_id else []
        if not parts:
            continue
        prices = {(term.price_per_unit_hour if term.units else term.price_per_gpu_hour) for term, _, _ in parts}
        last = parts[-1][0]
        found[start, name] = Capacity(
            "Unit-Hours" if last.units else "GPU-Hours",
            prices.pop() if len(prices) == 1 else None, last.currency, last.gpu_type or "GPU", last.size,
            _method(session, pool_id, start, end),
        )  # fmt: skip
    return found


def _method(session: Session, pool_id: int | None, start: datetime, end: datetime) -> str:
    query = select(PoolHourSplit.method).where(
        PoolHourSplit.pool_id == pool_id, PoolHourSplit.hour >= start, PoolHourSplit.hour < end
    )
    return session.scalar(query.order_by(PoolHourSplit.hour.desc()).limit(1)) or ""
