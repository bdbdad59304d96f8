"""GET /api/v1/signals: what engines, gateways, caches and health say beside the requests. Reading only."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, requires
from trivet.kit.answer import answers
from trivet.kit.body import Asked, Instant
from trivet.kit.clock import rfc3339, when
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.page import Kind, from_cursor, to_cursor
from trivet.report import limits, names
from trivet.report.answers import Signals
from trivet.report.limits import Place
from trivet.report.query import Filtered, Names
from trivet.report.usage import grain_seconds
from trivet.rollup import signals
from trivet.rollup.read import QUANTILES
from trivet.rollup.signals import Signal
from trivet_collectors import semconv as sc

METRIC, DETAIL = "metric", "detail"
BY = ("tenant", "scenario", "model", "provider", "backend", "pool", DETAIL)
METRICS = {metric.name: metric for metric in sc.SIGNAL_METRICS}

router = APIRouter(tags=["report"])
Read = Annotated[Principal, Depends(requires("read"))]


class SignalsQuery(Filtered):
    """Signals are always by metric: amounts of different units are not added."""

    from_: Instant = Field(alias="from")
    to: Instant
    metric: Annotated[list[Asked], Field(max_length=100)] = Field(default_factory=list)
    detail: Annotated[list[Asked], Field(max_length=100)] = Field(default_factory=list)
    backend: Names = Field(default_factory=list)
    group_by: str = Field("", max_length=200)
    grain: str | None = Field(None, max_length=10)


@router.get("/signals", response_model=None, responses=answers(Signals))
def get_signals(principal: Read, _: Place, query: Annotated[SignalsQuery, Query()]) -> dict[str, Any]:
    """Signals by metric and group, and by bucket where a grain (10s, 1m, 1h, 1d) is given.

    Of a gauge `mean` and `last` say how it is, of a counter `total` how much more there was, of a histogram `latency_ms`
    how long it took. A key bound to a tenant sees that one's. The ends fall on whole 10 seconds.
    """
    by = [METRIC, *names.parse(query.group_by, BY)]
    for metric in query.metric:
        if metric not in METRICS:
            raise Invalid(f"There is no signal {metric!r}; there are {', '.join(METRICS)}.", field="metric")
    interval, after = Interval(query.from_, query.to), _after(query, by)
    with db.transaction() as session:
        found = _read(session, interval, by, query, principal)
        rows = _labelled(session, by, found)
    shown = [(key, signal) for key, signal in rows if after is None or [*key] > after]
    last = shown[query.limit - 1][0] if len(shown) > query.limit else None
    return {
        "items": [_item(by, key, signal) for key, signal in shown[: query.limit]],
        "next_cursor": to_cursor([*last]) if last else None,
    }


def _after(query: SignalsQuery, by: Sequence[str]) -> list[Any] | None:
    """The key after which a page begins."""
    if query.cursor is None:
        return None
    kinds: list[Kind] = [str] * (len(by) + bool(query.grain))
    return from_cursor(query.cursor, *kinds)


def _read(
    session: Session, interval: Interval, by: Sequence[str], query: SignalsQuery, principal: Principal
) -> list[tuple[dict[str, Any], Signal]]:
    """Signals by ids; `TooManyGroups` above `limits.GROUPS_MAX`."""
    given = {name: values for name, values in query.given().items() if name not in (METRIC, DETAIL)}
    where: dict[str, list[Any]] = dict(names.where(session, given))
    if principal.tenant_id is not None:  # it sees its own, whatever it asks for
        asked = where.get("tenant_id", [principal.tenant_id])
        where["tenant_id"] = [row_id for row_id in asked if row_id == principal.tenant_id]
    where |= {name: values for name, values in ((METRIC, query.metric), (DETAIL, query.detail)) if values}
    grain_s = grain_seconds(interval, query.grain)
    columns = [*names.columns(by), *([names.BUCKET] if grain_s else [])]
    found = signals.read(session, interval, columns, where, grain_s=grain_s, limit=limits.GROUPS_MAX + 1)
    limits.check(found, limits.GROUPS_MAX)
    return [(dict(zip(columns, key, strict=True)), each) for key, each in found.items()]


def _labelled(
    session: Session, by: Sequence[str], rows: Sequence[tuple[dict[str, Any], Signal]]
) -> list[tuple[tuple[str, ...], Signal]]:
    """By names, in their order; ids that go by one name are one row."""
    labels = names.labels(session, by, [ids for ids, _ in rows])
    found: dict[tuple[str, ...], Signal] = {}
    for ids, each in rows:
        key = labels.key(by, ids) + ((rfc3339(ids[names.BUCKET]),) if names.BUCKET in ids else ())
        found[key] = found[key] + each if key in found else each
    return sorted(found.items())


def _item(by: Sequence[str], key: Sequence[str], signal: Signal) -> dict[str, Any]:
    metric = METRICS.get(key[0])
    said: dict[str, Any] = {
        "unit": metric.unit if metric else None,
        "kind": metric.kind if metric else None,
        "samples": signal.samples,
        "total": signal.total,
        "mean": signal.mean,
        "least": signal.least,
        "most": signal.most,
        "last": signal.last,
        "last_at": when(signal.last_at),
    }
    if signal.histogram:
        said["latency_ms"] = dict(zip(QUANTILES, signal.quantiles_ms(), strict=True))
    return dict(zip([*by, names.BUCKET], key, strict=False)) | said
