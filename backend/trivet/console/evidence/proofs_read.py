"""The pages of proofs: what each command did, out of the same proof that the API tells."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card.content import Card, parse
from trivet.card.models import CardRevision
from trivet.command import listing
from trivet.command.listing import Row, Wanted
from trivet.command.models import Command
from trivet.command.status import DRILL_PREFIX
from trivet.console import story, triangle
from trivet.console.address import Address, Times, number_after
from trivet.console.control import commands_words, filters
from trivet.console.control.commands_read import WHO, among
from trivet.console.evidence import proofs_words as words
from trivet.console.evidence.proofs_views import ProofPage, ProofRow, ProofsPage, Stretch
from trivet.console.tongue import _
from trivet.console.triangle import used_share
from trivet.console.views import Reader
from trivet.evidence import proof_read
from trivet.evidence.proof import Effect
from trivet.evidence.proof_read import Proof
from trivet.identity.models import User
from trivet.kit.body import Asked
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.kit.page import to_cursor
from trivet.tenant.models import Scenario

SHOWN, FILED, LOOKED = 8, 50, 200
PROVABLE = ("degrade", "restore", "rollback", "break", "activate")
CENTRE, RADIUS = (102.0, 101.0), 72.0


class Query(Times):
    """The address of the list of proofs."""

    scenario: Asked = ""
    kind: Annotated[Literal["", "degrade", "restore", "rollback", "break", "activate"], among(*PROVABLE)] = ""
    cursor: Annotated[str, Field(max_length=40)] = ""


def found(session: Session, query: Query, address: Address, limit: int) -> tuple[list[Row], str]:
    """Commands that moved everybody of their scope, newest first, and the cursor after them.

    Shares on trial are left out, and so is what was drilled: that served nobody.
    """
    wanted = Wanted(query.scenario, query.kind, interval=address.interval)
    rows = listing.newest(session, wanted, limit=LOOKED, before_id=number_after(query.cursor))
    whole = [row for row in rows if row[0].share is None and row[0].kind in PROVABLE and not _drilled(row)]
    more = len(whole) > limit or len(rows) == LOOKED
    shown = whole[:limit]
    last = shown[-1] if len(whole) > limit else rows[-1] if rows else None
    return shown, to_cursor([last[0].id]) if more and last else ""


def page(session: Session, looking: Reader, query: Query, address: Address) -> ProofsPage:
    """The list: each with its verdict in a sentence."""
    rows, cursor = found(session, query, address, SHOWN)
    proofs = [proof_read.of(session, row[0].id, looking.now) for row in rows]
    listed = [_row(row, each) for row, each in zip(rows, proofs, strict=True)]
    names = sorted(session.scalars(select(Scenario.name).limit(filters.LISTED_MAX)))
    called = {"scenario": _("scenario"), "kind": _("kind")}
    kinds = [(key, _(commands_words.KINDS[key])) for key in PROVABLE]
    told = [any(e.verdict != "not_enough" for e in each.effects) for each in proofs]
    return ProofsPage(
        reader=looking,
        address=address,
        sentence=words.of_list(len(rows), sum(told), sum(each.terms.running for each in proofs)),
        kept=filters.kept(address),
        fields=(
            filters.field("scenario", called["scenario"], [(name, name) for name in names], query.scenario),
            filters.field("kind", called["kind"], kinds, query.kind),
        ),
        chips=filters.chips(address, called),
        picture=tuple(
            (row, tuple(words.row(e, each.currency) for e in each.effects if e.measure in words.IN_SENTENCE))
            for row, each, is_told in zip(listed, proofs, told, strict=True)
            if is_told
        ),
        rows=tuple(listed),
        next_url=address.url(cursor=cursor) if cursor else "",
    )


def one(session: Session, looking: Reader, command_id: int) -> ProofPage:
    """`NotFound` where there is no such command."""
    row = session.execute(listing.query().where(Command.id == command_id)).first()
    if row is None:
        raise NotFound(f"There is no command {command_id}.")
    command: Command = row[0]
    proof = proof_read.of(session, command_id, looking.now)
    card = _card(session, command.scenario_id, proof.terms.revision_after)
    names = dict(session.execute(select(User.email, User.name).where(User.email == command.actor)).all())
    shares = [_shares(card, proof.effects, side) for side in ("before", "after")]
    what = commands_words.what(command)
    outline = triangle.draw(shares[0], centre=CENTRE, radius=RADIUS)
    measured = any(share is not None for share in shares[1])
    return ProofPage(
        reader=looking,
        id=command_id,
        what=what,
        status=command.status,
        by=_(WHO[command.actor]) if command.actor in WHO else story.person(command.actor, names),
        reason=command.reason,
        breach_id=command.breach_id,
        sentence=words.sentence(what, " · ".join(part for part in row[1:] if part), proof),
        terms=words.terms(proof) if proof.effects else "",
        missing=words.missing(proof),
        before=_stretch(proof.terms.before, proof.terms.level_before, proof.terms.revision_before),
        after=_stretch(proof.terms.after, proof.terms.level_after, proof.terms.revision_after),
        triangle=triangle.draw(shares[1], centre=CENTRE, radius=RADIUS) if measured else None,
        outline=triangle.svg_points(tuple(leg.tip for leg in outline.legs)),
        outline_words=outline.words,
        effects=tuple(words.row(each, proof.currency) for each in proof.effects),
        csv=f"/proofs/{command_id}.csv",
    )


def _drilled(row: Row) -> bool:
    return (row[3] or "").startswith(DRILL_PREFIX)


def _row(row: Row, proof: Proof) -> ProofRow:
    command, scope = row[0], tuple(part for part in row[1:] if part)
    what = commands_words.what(command)
    said = words.sentence(what, " · ".join(scope), proof)
    return ProofRow(command.id, what, scope, command.created_at, command.status, said, proof.terms.running)


def _stretch(interval: Interval | None, level: int, revision: int) -> Stretch | None:
    return Stretch(interval.start, interval.end, level, revision) if interval else None


def _card(session: Session, scenario_id: int, revision: int) -> Card | None:
    query = select(CardRevision.body).where(CardRevision.scenario_id == scenario_id, CardRevision.number == revision)
    body = session.scalar(query)
    try:
        return parse(body) if body else None
    except Invalid:  # written by a release that knew other fields
        return None


def _shares(card: Card | None, effects: Sequence[Effect], side: str) -> list[float | None]:
    """How much of each allowance one side used, by the card that governs after: quality, latency, cost."""
    if card is None:
        return [None, None, None]
    values = {each.measure: getattr(each, side) for each in effects}
    number = {name: float(value) if value is not None else None for name, value in values.items()}
    target = card.cost.per_request
    return [
        used_share(number.get("quality"), card.quality.floor, floor=True),
        used_share(number.get("p95_latency_ms"), card.latency.p95_ms),
        used_share(number.get("cost_per_request"), float(target) if target else None),
    ]
