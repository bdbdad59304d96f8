"""How much of a card's allowances the last day used, with the outline of the newest baseline over it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from trivet.card.content import Card
from trivet.compare import measured as measures
from trivet.compare import service
from trivet.compare.measured import Measured
from trivet.console import format as say
from trivet.console.cards.baselines_words import written
from trivet.console.cards.cards_views import Used
from trivet.console.tongue import _
from trivet.console.triangle import Triangle, draw, svg_points, used_share
from trivet.kit.clock import floor
from trivet.kit.interval import Interval

HOUR_S = 3600
CENTRE, RADIUS = (102, 101), 72.0


def of_day(session: Session, scenario_id: int, card: Card, now: datetime) -> Used | None:
    """None where nothing ran and nothing is frozen."""
    end = floor(now, HOUR_S) + timedelta(hours=1)
    today = service.over(session, scenario_id, Interval(end - timedelta(days=1), end))
    frozen = service.newest(session, scenario_id)
    before = measures.read(frozen.measured) if frozen else None
    if not today.requests and before is None:
        return None
    return Used(
        triangle=_drawn(today, card),
        outline=_outline(_drawn(before, card)) if before else "",
        words=tuple(_words(today, card)),
        baseline=frozen.name if frozen else "",
        baseline_url=f"/baselines/{frozen.id}" if frozen else "",
    )


def shares(found: Measured, card: Card) -> Sequence[float | None]:
    """Of quality, latency and cost: how much of each allowance is used."""
    code = card.cost.currency
    value = {each.measure.key: each.value for each in measures.values(found, code)}
    return (
        used_share(value["quality"], card.quality.floor, floor=True),
        used_share(value["p95_latency_ms"], card.latency.p95_ms),
        used_share(value["cost_per_request"], float(card.cost.per_request)),
    )


def _drawn(found: Measured, card: Card) -> Triangle:
    return draw(shares(found, card), centre=CENTRE, radius=RADIUS)


def _outline(triangle: Triangle) -> str:
    return svg_points(tuple(leg.tip for leg in triangle.legs))


def _words(found: Measured, card: Card) -> Sequence[str]:
    value = {each.measure.key: each.value for each in measures.values(found, card.cost.currency)}
    return (
        _("Quality {value}, floor {floor}", value=say.score(value["quality"]), floor=say.floor(card.quality.floor)),
        _("P95 {value}, target {target}", value=say.duration(value["p95_latency_ms"]), target=say.limit(card.latency.p95_ms)),
        _(
            "A request costs {value} {currency}, target {target}", value=written(value["cost_per_request"], "money"),
            currency=card.cost.currency, target=card.cost.per_request,
        ),
    )  # fmt: skip
