"""What the endpoints of bills answer, and how a bill becomes one."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.bill import telling
from trivet.bill.match import Parts
from trivet.bill.models import Bill, BillAlias, BillLine, BillMatch
from trivet.bill.telling import Told
from trivet.fleet.models import Pool
from trivet.kit.answer import Answer, Page
from trivet.kit.clock import rfc3339, when
from trivet.kit.money import EXACT, plain
from trivet.pricing.models import Model


class LeftOut(Answer):
    """Lines of services that are not compared, with their sum, and rows that could not be read."""

    other_services: dict[str, int | str]
    bad_rows: dict[str, int | list[str]]


class OneBill(Answer):
    """A bill. Amounts are in `currency`; `difference` is billed less measured, the sum of its causes."""

    id: int
    name: str
    provider: str
    format: str
    invoice_ids: list[str]
    currency: str
    zone: str
    starts_on: str
    ends_on: str
    compared: bool
    state: str
    spread: str
    total: str
    measured: str
    difference: str
    unexplained: str
    sentence: str
    lines: int
    left_out: LeftOut
    file_name: str
    sha256: str
    replaces: int | None
    author: str
    created_at: str
    matched_at: str | None
    posted_at: str | None
    posted_by: str | None


class Bills(Page):
    items: list[OneBill]


class Cause(Answer):
    """A part of the difference; `kind` of token, null where it is of none."""

    cause: str
    kind: str | None
    amount: str


class UnknownName(Answer):
    name: str
    amount: str


class Difference(Answer):
    """One day and model (or pool, or name on the bill; null for the bill as a whole)."""

    day: str
    model: str | None
    billed: str
    measured: str
    difference: str
    billed_tokens: str | None
    measured_tokens: int
    causes: list[Cause]


class WholeBill(OneBill):
    """A bill with its difference by cause, the names on it that nobody knows, and its days and models."""

    causes: list[Cause]
    unknown_names: list[UnknownName]
    differences: list[Difference]
    differences_cut: bool


class Line(Answer):
    """A row of the file as it was read."""

    file: int
    number: int
    part: int
    day: str
    days: int
    name: str | None
    model: str | None
    rule: str | None
    kind: str | None
    quantity: str | None
    unit: str
    tokens: str | None
    amount: str
    effective: str | None
    category: str
    correction: bool
    covered: bool
    service: str
    sku: str
    region: str
    invoice_id: str


class Lines(Page):
    items: list[Line]


class Alias(Answer):
    """What a name on a provider's bills is. `rule` of a guess, null where a person said it."""

    id: int
    provider: str
    name: str
    model: str | None
    pool: str | None
    rule: str | None
    author: str


class Aliases(Page):
    items: list[Alias]


DIFFERENCES_MAX = 2_000


def rows_of(session: Session, bill_id: int, limit: int | None = None) -> list[BillMatch]:
    """Rows of a comparison, in order."""
    query = select(BillMatch).where(BillMatch.bill_id == bill_id).order_by(BillMatch.number).limit(limit)
    return list(session.scalars(query))


def parts_of(rows: Iterable[BillMatch]) -> Parts:
    """The causes of some rows together."""
    found: Parts = {}
    for row in rows:
        for cause, kind, amount in row.parts:
            found[cause, kind] = EXACT.add(found.get((cause, kind), Decimal(0)), Decimal(amount))
    return {key: amount for key, amount in found.items() if amount}


def told(bill: Bill, rows: Iterable[BillMatch]) -> Told:
    """What the sentence is made of."""
    kept = list(rows)
    measured = Decimal(0)
    for row in kept:
        measured = EXACT.add(measured, row.measured)
    return Told(
        bill.provider, bill.starts_on, bill.ends_on, bill.currency, bill.total, measured, parts_of(kept), bill.state,
        bill.compared,
    )  # fmt: skip


def one(bill: Bill, of: Told) -> dict[str, Any]:
    """`OneBill`."""
    unexplained = sum((a for (cause, _), a in of.parts.items() if cause == "unexplained"), Decimal(0))
    return {
        "id": bill.id, "name": bill.name, "provider": bill.provider, "format": bill.format,
        "invoice_ids": bill.invoice_ids, "currency": bill.currency, "zone": bill.zone,
        "starts_on": bill.starts_on.isoformat(), "ends_on": bill.ends_on.isoformat(), "compared": bill.compared,
        "state": bill.state, "spread": bill.spread, "total": plain(bill.total), "measured": plain(of.measured),
        "difference": plain(EXACT.subtract(bill.total, of.measured)), "unexplained": plain(unexplained),
        "sentence": telling.sentence(of), "lines": bill.lines, "left_out": bill.left_out, "file_name": bill.file_name,
        "sha256": bill.sha256.hex(), "replaces": bill.replaces, "author": bill.author,
        "created_at": rfc3339(bill.created_at), "matched_at": when(bill.matched_at), "posted_at": when(bill.posted_at),
        "posted_by": bill.posted_by,
    }  # fmt: skip


def whole(session: Session, bill: Bill) -> dict[str, Any]:
    """`WholeBill`."""
    rows = rows_of(session, bill.id)
    of = told(bill, rows)
    return one(bill, of) | {
        "causes": [_cause(cause, kind, amount) for (cause, kind), amount in sorted(of.parts.items())],
        "unknown_names": [{"name": name, "amount": plain(amount)} for name, amount in unknown(session, bill.id)],
        "differences": [_difference(row) for row in rows[:DIFFERENCES_MAX]],
        "differences_cut": len(rows) > DIFFERENCES_MAX,
    }


def unknown(session: Session, bill_id: int) -> list[tuple[str, Decimal]]:
    """Names on a bill that are no model and no pool, so far as anybody knows, and what they bill."""
    query = (
        select(BillAlias.name, func.sum(BillLine.amount))
        .join(BillLine, BillLine.alias_id == BillAlias.id)
        .where(BillLine.bill_id == bill_id, BillAlias.model_id.is_(None), BillAlias.pool_id.is_(None))
        .group_by(BillAlias.name)
        .order_by(func.sum(BillLine.amount).desc(), BillAlias.name)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def line(row: BillLine, alias: BillAlias | None, target: str | None) -> dict[str, Any]:
    """`Line`."""
    return {
        "file": row.file, "number": row.number, "part": row.part, "day": row.day.isoformat(), "days": row.days,
        "name": alias.name if alias else None, "model": target, "rule": (alias.rule or None) if alias else None,
        "kind": row.kind or None, "quantity": _number(row.quantity), "unit": row.unit, "tokens": _number(row.tokens),
        "amount": plain(row.amount), "effective": None if row.effective is None else plain(row.effective),
        "category": row.category, "correction": row.correction, "covered": row.covered, "service": row.service,
        "sku": row.sku, "region": row.region, "invoice_id": row.invoice_id,
    }  # fmt: skip


def alias(row: BillAlias, model: str | None, pool: str | None) -> dict[str, Any]:
    """`Alias`."""
    return {
        "id": row.id, "provider": row.provider, "name": row.name, "model": model, "pool": pool,
        "rule": row.rule or None, "author": row.author,
    }  # fmt: skip


def targets(session: Session, aliases: Iterable[BillAlias]) -> dict[int, tuple[str | None, str | None]]:
    """Model and pool of each alias, by the alias's id."""
    kept = list(aliases)
    models = select(Model.id, Model.name).where(Model.id.in_({a.model_id for a in kept if a.model_id}))
    pools = select(Pool.id, Pool.name).where(Pool.id.in_({a.pool_id for a in kept if a.pool_id}))
    by_model, by_pool = dict(session.execute(models).all()), dict(session.execute(pools).all())
    return {a.id: (by_model.get(a.model_id or 0), by_pool.get(a.pool_id or 0)) for a in kept}


def _difference(row: BillMatch) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(), "model": row.name or None, "billed": plain(row.billed),
        "measured": plain(row.measured), "difference": plain(EXACT.subtract(row.billed, row.measured)),
        "billed_tokens": _number(row.billed_tokens), "measured_tokens": row.measured_tokens,
        "causes": [_cause(*part) for part in row.parts],
    }  # fmt: skip


def _cause(cause: str, kind: str, amount: Decimal | str) -> dict[str, Any]:
    return {"cause": cause, "kind": kind or None, "amount": plain(Decimal(amount))}


def _number(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
