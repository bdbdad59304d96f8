"""Unit costs day by day: what a line over time is drawn from, of the same amounts and counts as `unit.units`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.report import centres, costs, tokens
from trivet.report.gathered import CENTRE
from trivet.report.kept import Rows
from trivet.report.provisional import begins
from trivet.report.tokens import Counts
from trivet.report.unit import UnitCost
from trivet.tenant.models import TenantCostCentre
from trivet.tenant.service import cost_centres_at


def unit_days(
    session: Session, interval: Interval, where: Mapping[str, Collection[Any]], *, basis: str = "allocation"
) -> list[UnitCost]:
    """Each UTC day's borne cost over what was served on it, by day and currency; the key is the day (`date`)."""
    found = costs.rows(session, interval, [], where, basis=basis, grain="1d")
    served = counts(session, interval, centres.with_descendants(session, where, interval.end))
    rows = [(datetime.fromisoformat(row.key[-1]).date(), row) for row in found]
    return [UnitCost((day,), row.currency, row.amount, served.get(day, Counts())) for day, row in rows]


def counts(session: Session, interval: Interval, where: Mapping[str, Collection[Any]]) -> dict[date, Counts]:
    """Requests and tokens by UTC day."""
    own = {name: values for name, values in where.items() if name != CENTRE}
    by = ["tenant_id"] if CENTRE in where else []
    mapped = _Mapped(session, interval, where) if CENTRE in where else None
    found: dict[date, Counts] = {}
    for part, grain_s in _parts(interval, by_hour=mapped is not None):
        for bucket, *rest in _rows(session, part, by, own, grain_s):
            sums = rest[len(by) :]
            if mapped is None or mapped.wants(rest[0], bucket):
                day = bucket.date()
                found[day] = found.get(day, Counts()) + Counts(*map(int, sums))
    return found


def _rows(
    session: Session, part: Interval, by: Sequence[str], where: Mapping[str, Collection[Any]], grain_s: int
) -> Rows:
    """Rows of (bucket, values of `by`, measures); of grain 0 the part is one bucket, read as coarsely as it may be."""
    if grain_s:
        return tokens.by_bucket(session, part, by, where, grain_s)
    return [(part.start, *key, *sums) for key, *sums in tokens.counted(session, part, by, where)]


def _parts(interval: Interval, *, by_hour: bool) -> Iterator[tuple[Interval, int]]:
    """The whole days (or hours) of an interval, and what is left at its end as one (0)."""
    width = timedelta(hours=1) if by_hour else timedelta(days=1)
    last = interval.start + (interval.end - interval.start) // width * width
    if last > interval.start:
        yield Interval(interval.start, last), int(width.total_seconds())
    if last < interval.end:
        yield Interval(last, interval.end), 0


class _Mapped:
    """Whose tenants are asked for, as they were mapped at the time; mappings begin on whole hours."""

    def __init__(self, session: Session, interval: Interval, where: Mapping[str, Collection[Any]]) -> None:
        at = sorted({interval.start, *begins(session, TenantCostCentre.effective_from, interval)})
        self._from = [(start, cost_centres_at(session, start)) for start in at]
        self._wanted = set(where[CENTRE])

    def wants(self, tenant_id: int, bucket: datetime) -> bool:
        """Whether a tenant's usage of a bucket is charged to one of the cost centres."""
        held = next(mapping for start, mapping in reversed(self._from) if start <= bucket)
        return held.get(tenant_id, 0) in self._wanted
