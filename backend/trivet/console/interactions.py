"""Conversations and traces: what a user did once and what it took, and the requests behind it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse

from trivet import db
from trivet.console import format as say
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.console.views import InteractionPage, InteractionRow, InteractionsPage, Range, Reader, RequestRow
from trivet.kit.body import Asked
from trivet.kit.interval import Interval
from trivet.kit.money import from_picos
from trivet.kit.page import to_cursor
from trivet.report import interactions, names
from trivet.report.interactions import Interaction, KindOf

router = APIRouter()
LOOK_BACK, AHEAD = timedelta(days=1), timedelta(minutes=15)
SHOWN = 25
IDS_SHOWN = 3


@router.get("/interactions")
def listed(
    looking: Looking,
    kind: Literal["conversation", "trace"] = "conversation",
    scenario: Annotated[Asked, Query()] = "",
    before: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """The newest of the last day."""
    end = interactions.end_of(before) if before else looking.now + AHEAD
    with db.transaction() as session:
        where = names.where(session, {"scenario": [scenario] if scenario else []})
        found, older = interactions.newest(session, kind, Interval(looking.now - LOOK_BACK, end), where, SHOWN)
        shown = [_row(each, said) for each, said in zip(found, interactions.told(session, found), strict=True)]
    page = InteractionsPage(
        reader=looking,
        sentence=sentence_of_list(kind, scenario, shown),
        kinds=tuple(Range(_query(each, scenario), f"{each.title()}s", each == kind) for each in interactions.COLUMN),
        scenario=scenario,
        rows=tuple(shown),
        older_url=f"/interactions?{_query(kind, scenario)}&{urlencode({'before': to_cursor([older.isoformat()])})}"
        if older
        else None,
    )
    return show("interactions/list.html", page)


@router.get("/interactions/{kind}/{id:path}")
def one(
    looking: Looking,
    kind: Literal["conversation", "trace"],
    id_: Annotated[Asked, Path(alias="id")],
    tenant: Annotated[Asked, Query()] = "",
) -> HTMLResponse:
    """One of them, request by request."""
    with db.transaction() as session:
        where = names.where(session, {"tenant": [tenant] if tenant else []})
        found = interactions.one(session, kind, id_, where.get("tenant_id"))
        (said,) = interactions.told(session, [found], whole=True)
    return show("interactions/one.html", _page(looking, found, said))


def _page(looking: Reader, found: Interaction, said: dict[str, Any]) -> InteractionPage:
    requests = tuple(_request(row, item) for row, item in zip(found.rows, said["items"], strict=True))
    return InteractionPage(looking, found.kind, found.id, sentence_of_one(found), requests)


def sentence_of_one(found: Interaction) -> str:
    """What it took, in a sentence."""
    calls = "1 request" if found.requests == 1 else f"{say.count(found.requests)} requests"
    models = len({row["model_id"] for row in found.rows})
    of = f" to {models} models" if models > 1 else ""
    lasted = say.duration((found.ended - found.started).total_seconds() * 1000)
    words = f"This {found.kind} took {calls}{of} in {lasted} and cost {_cost(found)}"
    failed = _failed(found)
    if failed:
        words += f"; {failed} of them failed"
    if found.unpriced:
        words += f"; {found.unpriced} {'has' if found.unpriced == 1 else 'have'} no price"
    if found.repeats:
        words += f"; {found.repeats} more {'span tells' if found.repeats == 1 else 'spans tell'} of the same calls"
    if found.left_out:
        words += ". There are more: these are the newest"
    return words + "."


def sentence_of_list(kind: KindOf, scenario: str, shown: Sequence[InteractionRow]) -> str:
    """What the list is."""
    of = f" of {say.title(scenario)}" if scenario else ""
    if not shown:
        return f"No {kind}{of} has begun in the last day."
    return f"The newest {kind}s{of} of the last day, each with all it took."


def _row(found: Interaction, said: dict[str, Any]) -> InteractionRow:
    owners = said["tenants"]
    query = f"?{urlencode({'tenant': owners[0]})}" if found.kind == "conversation" and len(owners) == 1 else ""
    if owners == [names.NONE["tenant"]]:
        query = ""
    return InteractionRow(
        id=found.id,
        url=f"/interactions/{found.kind}/{quote(found.id, safe='')}{query}",
        tenants=_some(owners),
        models=_some(said["models"]),
        requests=say.count(found.requests) + ("+" if found.left_out else ""),
        failed=_failed(found),
        tokens=found.tokens.total(),
        cost=_cost(found),
        lasted=say.duration((found.ended - found.started).total_seconds() * 1000),
        at=found.newest,
    )


def _request(row: interactions.Row, said: dict[str, Any]) -> RequestRow:
    picos = row["cost_picos"]
    return RequestRow(
        id=said["span_id"],
        at=row["started_at"],
        model=said["model"],
        outcome=said["outcome"],
        tokens=sum(said["tokens"].values()),
        latency=say.duration(said["duration_ms"]),
        level=row["degrade_level"],
        cost="no price" if picos is None else say.watched(from_picos(picos), row["currency"]),
        repeats=row["repeats"] is not None,
    )


def _failed(found: Interaction) -> int:
    """Requests that ended otherwise than well; what admission turned away is among them."""
    return found.requests - found.outcomes[0]


def _cost(found: Interaction) -> str:
    amounts = [say.watched(from_picos(picos), currency) for currency, picos in sorted(found.picos.items())]
    return " and ".join(amounts) or ("nothing" if not found.unpriced else say.DASH)


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - IDS_SHOWN} more" if len(words) > IDS_SHOWN else ""
    return ", ".join(words[:IDS_SHOWN]) + more


def _query(kind: KindOf, scenario: str) -> str:
    return urlencode({"kind": kind} | ({"scenario": scenario} if scenario else {}))
