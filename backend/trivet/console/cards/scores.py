"""The page of quality scores: over time against the floor, by metric and evaluator, and the newest low ones."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.console import files
from trivet.console import format as say
from trivet.console.address import Address, Link, Name, Times, settle
from trivet.console.cards import scores_picture, scores_read
from trivet.console.cards.scores_read import Asked, Stretch
from trivet.console.cards.scores_views import LowOne, OfMetric, ScoresPage
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.console.tongue import _, _n
from trivet.console.views import Reader
from trivet.ingest.models import Score
from trivet.kit.clock import rfc3339
from trivet.report.files.table import Column

router = APIRouter()
COLUMNS = (Column("at"), Column("scores", "count"), Column("mean", "number"), Column("p10", "number"), Column("p90", "number"))  # fmt: skip


class Scores(Times):
    """Which scores the address asks for."""

    scenario: Name = ""
    metric: Name = ""
    source: Name = ""


@router.get("/scores")
def page(looking: Looking, asked: Annotated[Scores, Query()]) -> HTMLResponse:
    """One scenario's scores; the one that was scored last where the address names none."""
    address = settle("/scores", asked, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        return show("scores/page.html", _page(session, looking, asked, address))


@router.get("/scores.csv")
def csv(looking: Looking, asked: Annotated[Scores, Query()]) -> StreamingResponse:
    """What the line is drawn from."""
    address = settle("/scores", asked, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        found = scores_read.scenarios(session, address.interval)
        chosen = _chosen(found, asked.scenario)
        rows = scores_read.stretches(session, _asked(chosen[0], asked, address)) if chosen else []
    return files.csv_answer("scores", COLUMNS, [(rfc3339(s.at), s.scores, s.mean, s.low, s.high) for s in rows])


def _chosen(found: list[tuple[int, str]], name: str) -> tuple[int, str] | None:
    return next((each for each in found if each[1] == name), None if name else next(iter(found), None))


def _asked(scenario_id: int, asked: Scores, address: Address) -> Asked:
    return Asked(scenario_id, address.interval, asked.metric, asked.source)


def _page(session: Session, looking: Reader, asked: Scores, address: Address) -> ScoresPage:
    found = scores_read.scenarios(session, address.interval)
    chosen = _chosen(found, asked.scenario)
    links = tuple(
        Link(name, address.url(scenario=name, metric="", source=""), chosen is not None and name == chosen[1])
        for _id, name in sorted(found, key=lambda each: each[1])
    )
    if chosen is None:
        return ScoresPage(looking, address, _nothing(asked.scenario), links, (), asked.scenario, None, (), False, (), None)  # fmt: skip
    wanted = _asked(chosen[0], asked, address)
    card = cards.active(session, [chosen[0]]).get(chosen[0])
    floor = card.card.quality.floor if card else None
    stretches = scores_read.stretches(session, wanted)
    rows = scores_read.metrics(session, wanted, floor)
    low = scores_read.lowest(session, wanted, floor) if floor is not None else []
    picture = scores_picture.draw(
        stretches, address.interval, scores_read.step_s(address.interval), floor, scores_read.revisions(session, wanted),
        looking.now, looking.zone,
    )  # fmt: skip
    return ScoresPage(
        reader=looking,
        address=address,
        sentence=sentence(chosen[1], stretches, floor),
        scenarios=links,
        chosen=_filters(asked, address),
        name=chosen[1],
        picture=picture,
        metrics=tuple(
            OfMetric(
                metric, source, mean, n, under, last, address.url(scenario=chosen[1], metric=metric, source=source)
            )
            for metric, source, n, mean, under, last in rows[: scores_read.METRICS_MAX]
        ),
        metrics_more=len(rows) > scores_read.METRICS_MAX,
        low=tuple(_low(score, tenant) for score, tenant in low),
        floor=floor,
    )


def sentence(name: str, stretches: list[Stretch], floor: float | None) -> str:
    """`Support chat scored 0.93 on average of 312 scores; its floor is 0.92.`"""
    n = sum(each.scores for each in stretches)
    if not n:
        return _("{name} was not scored by this metric and evaluator in this time.", name=say.title(name))
    mean = sum(each.mean * each.scores for each in stretches) / n
    low = sum(floor is not None and each.mean < floor for each in stretches)
    given = {"name": say.title(name), "mean": say.score(mean), "n": say.count(n)}
    if floor is None:
        return _("{name} scored {mean} on average of {n} scores; no card gives it a floor.", **given)
    given["floor"] = say.floor(floor)
    if not low:
        return _(
            "{name} scored {mean} on average of {n} scores; in no stretch was the mean below its floor of {floor}.",
            **given,
        )
    times = _n("{n} stretch", "{n} stretches", low)
    return _("{name} scored {mean} on average of {n} scores; in {times} the mean was below its floor of {floor}.", times=times, **given)  # fmt: skip


def _nothing(name: str) -> str:
    if name:
        return _("{name} was not scored in this time.", name=say.title(name))
    return _("Nothing was scored in this time, so nothing says whether quality holds.")


def _filters(asked: Scores, address: Address) -> tuple[Link, ...]:
    named = (("metric", asked.metric), ("source", asked.source))
    return tuple(Link(value, address.url(**{key: ""})) for key, value in named if value)


def _low(score: Score, tenant: str) -> LowOne:
    url = f"/interactions/trace/{score.trace_id.hex()}" if score.trace_id else ""
    return LowOne(
        score.scored_at, score.metric, score.value, score.source, tenant, score.revision, score.level, url
    )  # fmt: skip
