"""Quadrants of a dimension in an interval, by currency."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.report import unit
from trivet.report.quadrant import Point, Quadrants, quadrants


def plotted(
    session: Session, interval: Interval, of: str, where: Mapping[str, Collection[Any]]
) -> dict[str, Quadrants]:
    """Each currency's quadrants; a currency with fewer than two points has none."""
    points: dict[str, list[Point]] = {}
    for row in unit.units(session, interval, [of], where):
        points.setdefault(row.currency, []).append(Point(row.key[0], row.counts.tokens, row.amount))
    found = {currency: quadrants(own) for currency, own in sorted(points.items())}
    return {currency: own for currency, own in found.items() if own is not None}
