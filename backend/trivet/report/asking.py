"""What endpoints of reports share: who may see which rows, pages of rows, the totals of a cost report."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends
from sqlalchemy.orm import Session

from trivet.identity.auth import Principal, requires
from trivet.kit.clock import rfc3339
from trivet.kit.money import EXACT, money, plain
from trivet.kit.page import Kind, from_cursor, to_cursor
from trivet.report import names
from trivet.report.costs import CostRow, Costs, Totals
from trivet.report.gathered import KEPT_APART

Read = Annotated[Principal, Depends(requires("read"))]
NO_CURRENCY = "USD"  # of a sum of nothing
SHARE_PLACES = 6


class Keyed(Protocol):
    """A row that pages can be cut from."""

    @property
    def key(self) -> tuple[Any, ...]: ...

    @property
    def currency(self) -> str: ...


Row = TypeVar("Row", bound=Keyed)


def where(session: Session, given: Mapping[str, Sequence[Any]], principal: Principal) -> dict[str, list[Any]]:
    """Filters as ids by column; a key bound to a tenant sees that one, whatever it asks for."""
    found = names.where(session, given)
    if principal.tenant_id is not None:
        asked = found.get("tenant_id", [principal.tenant_id])
        found["tenant_id"] = [row_id for row_id in asked if row_id == principal.tenant_id]
    return found


def page_of(shown: Sequence[Row], limit: int, item: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """The first of some rows, as items."""
    last = shown[limit - 1] if len(shown) > limit else None
    return {
        "items": [item(row) for row in shown[:limit]],
        "next_cursor": to_cursor([*last.key, last.currency]) if last else None,
    }


def after(cursor: str | None, by: Sequence[str], *, by_bucket: bool) -> list[Any] | None:
    """The key after which a page begins; `Invalid` where it is that of another question."""
    if cursor is None:
        return None
    kinds: list[Kind] = [int if name in names.NUMBERS else str for name in by]
    return from_cursor(cursor, *kinds, *([str] if by_bucket else []), str)


def behind(rows: Sequence[Row], key: list[Any] | None) -> list[Row]:
    """The rows behind a key."""
    return [row for row in rows if key is None or [*row.key, row.currency] > key]


def cost_item(by: Sequence[str], row: CostRow) -> dict[str, Any]:
    """A row of a cost report."""
    return {
        **dict(zip([*by, names.BUCKET], row.key, strict=False)),
        "amount": plain(row.amount),
        "list_amount": plain(row.list_amount),
        "provisional": plain(row.provisional),
        "currency": row.currency,
    }


def totals(found: Costs) -> dict[str, Any]:
    """One currency's totals on their own, and those of each in `by_currency`."""
    each = {currency: _said(of, currency) for currency, of in found.totals.items()}
    whole = each or {NO_CURRENCY: _said(Totals(), NO_CURRENCY)}
    single = next(iter(whole.values())) if len(whole) == 1 else dict.fromkeys(_said(Totals(), NO_CURRENCY))
    return single | {"by_currency": list(each.values()), "as_of": rfc3339(found.as_of), "close": found.close}


def _said(of: Totals, currency: str) -> dict[str, Any]:
    return {
        "total": money(of.total, currency),
        "list_total": money(of.list_total, currency),
        "unattributed": money(of.unattributed, currency),
        "unattributed_share": share(of.unattributed_share),
        "provisional": money(of.provisional, currency),
        **{account: money(getattr(of, account), currency) for account in KEPT_APART},
    }


def previous_item(amount: Decimal, before: Decimal | None) -> dict[str, Any]:
    """A row beside that of the interval before; `change_share` null where that was nothing."""
    was = before or Decimal(0)
    change = EXACT.subtract(amount, was)
    return {
        "previous": plain(was),
        "change": plain(change),
        "change_share": share(EXACT.divide(change, was)) if was > 0 else None,
    }


def budget_item(given: tuple[Decimal, Decimal | None]) -> dict[str, Any]:
    """A row beside its budget; null where it has none."""
    amount, budget = given
    if budget is None:
        return {"budget": None, "left": None, "used_share": None}
    return {
        "budget": plain(budget),
        "left": plain(EXACT.subtract(budget, amount)),
        "used_share": share(EXACT.divide(amount, budget)) if budget > 0 else None,
    }


def share(value: Decimal | None) -> float | None:
    """A share or a ratio as a number; never an amount of money."""
    return None if value is None else round(float(value), SHARE_PLACES)
