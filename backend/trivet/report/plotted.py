"""Quadrants of a dimension in an interval, by currency."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.report import unit
from trivet.report.quadrant import Point, Quadrants, quadrants
from trivet.report.unit import UnitCost


def plotted(
    session: Session, interval: Interval, of: str, where: Mapping[str, Collection[Any]]
) -> dict[str, Quadrants]:
    """Each currency's quadrants; a currency with fewer than two points has none."""
    return of_units(unit.units(session, interval, [of], where))


def of_units(rows: Iterable[UnitCost]) -> dict[str, Quadrants]:
    """The same of unit costs, allocated, by one dimension. Pure."""
    points: dict[str, list[Point]] = {}
    for row in rows:
        points.setdefault(row.currency, []).append(Point(row.key[0], row.counts.tokens, row.amount))
    found = {currency: quadrants(own) for currency, own in sorted(points.items())}
    return {currency: own for currency, own in found.items() if own is not None}
