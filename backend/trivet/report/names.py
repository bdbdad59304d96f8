"""Dimensions by the names people use, and the ids that rows hold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, collate, func, literal, select, union_all
from sqlalchemy.orm import Session

from trivet.fleet.models import Backend, Pool, Region
from trivet.ingest.request.context import CLASSES
from trivet.kit.errors import Invalid
from trivet.pricing.models import Model, ModelVersion
from trivet.rollup.read import one_of
from trivet.tenant.models import CostCentre, Scenario, Tenant

TABLES: Mapping[str, tuple[str, Any]] = {
    "cost_centre": ("cost_centre_id", CostCentre),
    "tenant": ("tenant_id", Tenant),
    "scenario": ("scenario_id", Scenario),
    "model": ("model_id", Model),
    "provider": ("model_id", Model),
    "backend": ("backend_id", Backend),
    "pool": ("pool_id", Pool),
    "model_version": ("version_id", ModelVersion),
    "region": ("region_id", Region),
}
NUMBERS = ("level", "revision")
# Dimensions that are words of ours: columns hold their place in the list.
WORDS: Mapping[str, tuple[str, ...]] = {"context_class": CLASSES, "streamed": ("no", "yes")}
# Dimensions of the ledger that are texts: what stands for the empty one.
TEXTS: Mapping[str, str] = {"purchase": "metered", "account": "none", "period": "none"}
BUCKET = "bucket"
NONE = {"cost_centre": "unattributed", "tenant": "unattributed"}
# What a cost centre bears itself, as a shared cost that is charged to it: of no tenant, and yet not unattributed.
NO_TENANT, NO_TENANT_ID = "no tenant", -1
USAGE_BY = (
    "tenant", "model", "provider", "scenario", "backend", "pool", "level", "revision", "context_class", "model_version",
    "region", "streamed",
)  # fmt: skip
COSTS_BY = ("cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account", "period")


def parse(group_by: str, allowed: Sequence[str]) -> list[str]:
    """`tenant,model` as a list; `Invalid` names what cannot be grouped by."""
    names = [name.strip() for name in group_by.split(",") if name.strip()]
    for name in names:
        if name not in allowed:
            raise Invalid(f"Group by some of {', '.join(allowed)}; not by {name!r}.", field="group_by")
    if len(set(names)) != len(names):
        raise Invalid("Name each dimension once.", field="group_by")
    return names


def column(name: str) -> str:
    """The column behind a dimension: `provider` and `model` are both in `model_id`."""
    return TABLES[name][0] if name in TABLES else name


def columns(names: Iterable[str]) -> list[str]:
    """Columns behind some dimensions, each once."""
    return list(dict.fromkeys(column(name) for name in names))


def of_no_tenant(rows: Any) -> ColumnElement[bool]:
    """Whether a row of the ledger is what a cost centre bears itself."""
    return and_(rows.tenant_id == 0, rows.cost_centre_id != 0)


def tenants(rows: Any) -> ColumnElement[int]:
    """Tenants of rows of the ledger, with `NO_TENANT_ID` for what cost centres bear themselves."""
    return case((of_no_tenant(rows), NO_TENANT_ID), else_=rows.tenant_id)


def among(rows: Any, name: str, values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column of rows of the ledger has one of some values."""
    if name == "tenant_id" and min(values, default=1) <= 0:
        return one_of(tenants(rows), values)
    return one_of(getattr(rows, name), values)


def said(name: str, label: str | None) -> str:
    """A name as it is shown; nothing is shown blank."""
    return label or NONE.get(name, "none")


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the ids that some rows hold."""

    by_name: Mapping[str, Mapping[int, str]]

    def key(self, names: Sequence[str], ids: Mapping[str, Any]) -> tuple[Any, ...]:
        """What a row is called, in the order of `names`; `ids` are by column."""
        return tuple(self._said(name, ids[column(name)]) for name in names)

    def _said(self, name: str, value: Any) -> Any:
        if name == "tenant" and value == NO_TENANT_ID:
            return NO_TENANT
        if name in TABLES:
            return said(name, self.by_name[name].get(value))
        if name in TEXTS:
            return value or TEXTS[name]
        return WORDS[name][value] if name in WORDS else value


def labels(session: Session, names: Iterable[str], rows: Collection[Mapping[str, Any]]) -> Labels:
    """Names for the ids in some rows (by column)."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if name in TABLES:
            own, table = TABLES[name]
            wanted = {row[own] or 0 for row in rows}
            found[name] = dict(session.execute(select(table.id, _text(name)).where(one_of(table.id, wanted))).all())
    return Labels(found)


def _text(name: str) -> Any:
    _, table = TABLES[name]
    return table.provider if name == "provider" else table.name


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some neighbouring names of a dimension, the last of them, and the ids of all."""

    last: str
    ids: list[int]


def stretch(
    session: Session, name: str, count: int, *, start: str, after: bool, among: Collection[int] | None
) -> Stretch | None:
    """The next `count` names, as they are shown, from `start` on (`after` it, where so) in the order of code points.

    `among` leaves out what has other ids. None where there are no more names.
    """
    _, table = TABLES[name]
    shown = func.coalesce(func.nullif(_text(name), ""), said(name, None))
    here = select(shown.label("shown"), table.id.label("id"))
    nobody = select(literal(said(name, None)), literal(0))
    every = union_all(here, nobody).subquery()
    ordered = collate(every.c.shown, "C")
    found = select(every.c.shown, func.array_agg(every.c.id)).where(ordered > start if after else ordered >= start)
    if among is not None:
        found = found.where(one_of(every.c.id, among))
    rows = session.execute(found.group_by(every.c.shown).order_by(ordered).limit(count)).all()
    return Stretch(rows[-1][0], [row_id for _, ids in rows for row_id in ids]) if rows else None


def where(session: Session, given: Mapping[str, Sequence[Any] | None]) -> dict[str, list[Any]]:
    """{column: ids} out of {dimension: names}; a name nobody has matches nothing, `unattributed` and `none` match 0.

    `NO_TENANT` is an id of its own, which rows of the ledger have by `tenants` and nothing else has.
    """
    found: dict[str, list[Any]] = {}
    for name, values in given.items():
        if values:
            ids = _held(session, name, list(values))
            own = column(name)
            found[own] = [row_id for row_id in found[own] if row_id in ids] if own in found else ids
    return found


def _held(session: Session, name: str, values: list[Any]) -> list[Any]:
    """What a dimension's column holds for some values; a word that is none of ours matches nothing."""
    if name in NUMBERS:
        return list(map(int, values))
    if name in WORDS:
        return [WORDS[name].index(value) for value in values if value in WORDS[name]]
    if name in TEXTS:
        return ["" if value == TEXTS[name] else value for value in values]
    return _ids(session, name, values)


def _ids(session: Session, name: str, values: list[str]) -> list[int]:
    _, table = TABLES[name]
    ids = list(session.scalars(select(table.id).where(_text(name).in_(values))))
    ids += [0] if said(name, None) in values else []
    return ids + ([NO_TENANT_ID] if name == "tenant" and NO_TENANT in values else [])
