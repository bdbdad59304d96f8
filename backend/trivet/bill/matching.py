"""Compare a bill with what was measured, and keep the result: load, decide (in `match`), save."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from trivet.bill import aliases, measured
from trivet.bill.match import KINDS, Group, Measured, Row, Target, Terms, match
from trivet.bill.measured import Cover
from trivet.bill.models import Bill, BillLine, BillMatch
from trivet.fleet.models import Pool
from trivet.kit.errors import TooLarge
from trivet.kit.money import EXACT, plain
from trivet.ledger.models import Posting
from trivet.pricing import service as pricing
from trivet.pricing.exchange import Exchange, NoRate, rates
from trivet.pricing.models import Model
from trivet.pricing.rate import Rates

ROWS_MAX = 50_000  # days × models of one bill
_ZERO = Decimal(0)
_GROUPS = text("""
    SELECT CASE WHEN :whole AND NOT outside THEN CAST(:starts_on AS date) ELSE day END AS day,
        coalesce(model_id, 0), coalesce(pool_id, 0), CASE WHEN model_id IS NULL AND pool_id IS NULL THEN name ELSE '' END,
        kind, category, outside, covered, tokens IS NOT NULL AS counted,
        sum(amount), coalesce(sum(tokens), 0), sum(CASE WHEN file = 0 THEN 0.5 * power(10::numeric, -places) ELSE 0 END)
    FROM (
        SELECT l.*, a.model_id, a.pool_id, coalesce(a.name, '') AS name,
            l.correction OR l.day < :starts_on OR l.day >= :ends_on AS outside
        FROM bill_line l LEFT JOIN bill_alias a ON a.id = l.alias_id WHERE l.bill_id = :bill
    ) AS line
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    LIMIT :limit
""")


def cover_of(bill: Bill) -> Cover:
    """The days that a bill covers."""
    return Cover(bill.starts_on, bill.ends_on, ZoneInfo(bill.zone), bill.by_period)


def newest_posting(session: Session) -> int:
    """Id of the newest posting there is."""
    return session.scalar(select(func.coalesce(func.max(Posting.id), 0))) or 0


def run(session: Session, bill: Bill, now: datetime) -> list[Row]:
    """Compare anew and keep the rows in place of those before."""
    seen = newest_posting(session)
    named = aliases.models_of(session, bill.measured_as)
    models = aliases.one_each(named)
    used = select(BillLine.alias_id).where(BillLine.bill_id == bill.id, BillLine.alias_id.is_not(None)).distinct()
    aliases.guess_again(session, [alias_id for alias_id in session.scalars(used) if alias_id], named)
    groups = [_under(models, group) for group in _groups(session, bill)]
    found = _measured(session, bill, models, groups)
    terms = _terms(session, bill, found)
    beside = any(g.counted and not g.amount for g in groups) and _has_tokens_beside(session, bill)
    rows = match(groups, found, terms, beside=beside, by_day=not bill.by_period)
    _save(session, bill, rows)
    bill.matched_at, bill.seen_posting = now, seen
    if bill.state == "imported":
        bill.state = "matched"
    session.flush()
    return rows


def _groups(session: Session, bill: Bill) -> list[Group]:
    given = {
        "bill": bill.id, "starts_on": bill.starts_on, "ends_on": bill.ends_on, "whole": bill.by_period,
        "limit": ROWS_MAX + 1,
    }  # fmt: skip
    rows = session.execute(_GROUPS, given).all()
    if len(rows) > ROWS_MAX:
        raise TooLarge(f"The bill has more than {ROWS_MAX} days × models × kinds: import it in parts.", field="file")
    return [Group((row[0], row[1], row[2], row[3]), *row[4:]) for row in rows]


def _under(models: dict[int, int], group: Group) -> Group:
    day, model_id, pool_id, name = group.target
    return replace(group, target=(day, models.get(model_id, model_id), pool_id, name))


def _has_tokens_beside(session: Session, bill: Bill) -> bool:
    query = select(BillLine.file).where(BillLine.bill_id == bill.id, BillLine.file == 1).limit(1)
    return session.scalar(query) is not None


def _measured(session: Session, bill: Bill, models: dict[int, int], groups: Iterable[Group]) -> dict[Target, Measured]:
    """Usage of the provider's models and of those that people say are on the bill; capacity of pools on it."""
    if not bill.compared:
        return {}
    cover = cover_of(bill)
    on_bill = {group.target[1] for group in groups} - {0}
    by_model = measured.usage(session, cover, {model_id: model_id for model_id in on_bill} | models)
    by_pool = measured.capacity(session, cover, {group.target[2] for group in groups} - {0})
    return {
        **{(day, model_id, 0, ""): each for (day, model_id), each in by_model.items()},
        **{(day, 0, pool_id, ""): each for (day, pool_id), each in by_pool.items()},
    }


def _terms(session: Session, bill: Bill, found: dict[Target, Measured]) -> dict[Target, Terms]:
    """Rates of the price book at noon, and measured costs, both in the bill's currency."""
    exchange, book = rates(session), pricing.book(session)
    wanted = {target[1] for target in found}
    named = select(Model.id, Model.provider, Model.name).where(Model.id.in_(wanted))
    names = {row[0]: (row[1], row[2]) for row in session.execute(named)}
    terms = {}
    for target, each in found.items():
        at = measured.first_hour(target[0], ZoneInfo(bill.zone)) + timedelta(hours=12)
        line = book.price_at(*names[target[1]], "", at) if target[1] in names else None
        per_token = _rates(line.rates, line.currency, bill.currency, exchange, at) if line else {}
        terms[target] = Terms(per_token, _converted(each, bill.currency, exchange, at))
    return terms


def _rates(of: Rates, from_currency: str, to_currency: str, exchange: Exchange, at: datetime) -> dict[str, Decimal]:
    """What a token of each kind costs; without a rate of exchange, nothing is known."""
    try:
        per_million = {
            kind: exchange.convert(getattr(of, kind)[0][1], from_currency, to_currency, at) for kind in KINDS
        }
    except NoRate:
        return {}
    return {kind: EXACT.scaleb(price, -6) for kind, price in per_million.items()}


def _converted(each: Measured, currency: str, exchange: Exchange, at: datetime) -> Decimal | None:
    total = _ZERO
    try:
        for own, amount in each.cost.items():
            total = EXACT.add(total, exchange.convert(amount, own, currency, at))
    except NoRate:
        return None
    return total


def _save(session: Session, bill: Bill, rows: list[Row]) -> None:
    session.execute(delete(BillMatch).where(BillMatch.bill_id == bill.id))
    named = _names(session, rows)
    values = [
        {
            "bill_id": bill.id, "number": number, "day": row.target[0], "model_id": row.target[1],
            "pool_id": row.target[2], "name": named.get(row.target[1:3], row.target[3]),
            "billed": row.billed, "measured": row.measured,
            "measured_in": {currency: plain(amount) for currency, amount in row.measured_in.items()},
            "billed_tokens": row.billed_tokens, "measured_tokens": row.measured_tokens,
            "parts": [[cause, kind, plain(amount)] for (cause, kind), amount in sorted(row.parts.items())],
        }
        for number, row in enumerate(rows)
    ]  # fmt: skip
    if values:
        session.execute(insert(BillMatch), values)


def _names(session: Session, rows: Iterable[Row]) -> dict[tuple[int, int], str]:
    targets = {row.target[1:3] for row in rows}
    models = select(Model.id, Model.name).where(Model.id.in_({model for model, _ in targets if model}))
    pools = select(Pool.id, Pool.name).where(Pool.id.in_({pool for _, pool in targets if pool}))
    found = {(model_id, 0): name for model_id, name in session.execute(models)}
    return found | {(0, pool_id): name for pool_id, name in session.execute(pools)}
