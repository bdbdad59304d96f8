"""Channels: where alerts go. What is secret in an address is sealed when it is entered, and never shown whole again."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.settings import doing, parts
from trivet.console.settings.parts import Act, Cell, Entry, Listing, Query, Row, SettingsPage, Signed, Words
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Reader
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.notify.alert_models import Channel
from trivet.notify.channel import keep
from trivet.notify.channel.address import KINDS, URL_MAX, Given
from trivet.report.files.table import Column
from trivet.settings import get_settings

router = APIRouter()
ROLES = ("admin", "sre")
LISTED_MAX = 200
HEADS: Final = (
    N_("Channel"), N_("Kind"), N_("Where to"), N_("Last delivered"), N_("Last failure"), N_("Why"), N_("Made by"),
)  # fmt: skip
COLUMNS: Final = tuple(
    Column(name)
    for name in ("name", "kind", "shown", "succeeded_at", "failed_at", "failures", "last_error", "created_at", "created_by")
)  # fmt: skip
KIND_WORDS: Final = (
    ("webhook", N_("webhook, signed")), ("mail", N_("mail")), ("apprise", N_("Slack, Teams, PagerDuty … by an Apprise URL")),
    ("alertmanager", N_("Alertmanager")),
)  # fmt: skip


class GivenChannel(Signed):
    """A way out. `to` holds addresses of mail, `url` one or more addresses, apart by spaces or lines."""

    name: Words
    kind: Annotated[str, parts.Field(max_length=20)]
    url: Annotated[str, parts.Field(max_length=8 * URL_MAX, pattern=r"^[^\x00]*$")] = ""
    to: Annotated[str, parts.Field(max_length=4_000, pattern=r"^[^\x00]*$")] = ""


class GivenName(Signed):
    name: Words


@router.get("/channels")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All of them: there are at most a hundred."""
    return _show(looking, query)


@router.get("/channels.csv")
def file(_: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same, with addresses as they are shown."""
    with db.transaction() as session:
        found = [_values(row) for row in _read(session, query)]
    return csv_answer("channels", COLUMNS, found)


@router.post("/channels")
def make(looking: Looking, given: Annotated[GivenChannel, Form()]) -> Response:
    """A new channel. The secret that signs a webhook's messages is in this answer and nowhere else."""
    secrets: list[str] = []

    def work(session: Session) -> None:
        if given.kind not in KINDS:
            raise Invalid(f"A channel is one of {', '.join(KINDS)}.", field="kind")
        urls = tuple(given.url.split())
        at = Given(urls[0] if urls else "", tuple(given.to.replace(",", " ").split()), urls)
        made = keep.create(
            session, name=given.name.strip(), kind=given.kind, given=at, settings=get_settings(), actor=looking.email,
            now=looking.now,
        )  # fmt: skip
        secrets.append(made.secret)

    done = _change(looking, given, work, given)
    return _show(looking, Query(), secret=secrets[0]) if done.status_code == 303 and secrets and secrets[0] else done


@router.post("/channels/test")
def test(looking: Looking, given: Annotated[GivenName, Form()]) -> Response:
    """Send a message that shows whether it works."""
    return _change(
        looking, given, lambda session: keep.test(session, given.name, actor=looking.email, now=looking.now) and None
    )


@router.post("/channels/remove")
def remove(looking: Looking, given: Annotated[GivenName, Form()]) -> Response:
    """Take away a channel that no route names any more."""
    return _change(
        looking, given, lambda session: keep.remove(session, given.name, actor=looking.email, now=looking.now)
    )


def _change(looking: Reader, given: Signed, work: Any, filled: GivenChannel | None = None) -> Response:
    return doing.change(
        looking, given, ROLES, work, to="/channels",
        again=lambda said, status: _show(looking, Query(), filled, problem=said, status=status),
    )  # fmt: skip


def _show(
    looking: Reader, query: Query, given: GivenChannel | None = None, *, problem: str = "", status: int = 200, secret: str = ""
) -> HTMLResponse:  # fmt: skip
    with db.transaction() as session:
        found = _read(session, query)
    made = SettingsPage(
        reader=looking,
        sentence=sentence(found),
        address=settle("/channels", query, looking.now, looking.zone),
        q=query.q,
        filters=(),
        listing=Listing(HEADS, (), tuple(_row(row) for row in found)),
        forms=(_form(given, open_=bool(problem)),) if doing.may(looking, ROLES) else (),
        empty=_("Nobody is told of anything yet. A channel is a way out; a route says which alerts take it."),
        command="",
        problem=problem,
        secret=secret,
        log_url=parts.log_of(looking),
    )
    return show("settings/channels.html", made, status=status)


def sentence(found: Sequence[Channel]) -> str:
    """How many there are, and which do not get through."""
    if not found:
        return _("There is no channel, so no alert reaches anybody.")
    failing = [row.name for row in found if row.failures]
    many = _n("{n} channel", "{n} channels", len(found))
    if not failing:
        return _("{channels}; none is failing.", channels=many)
    return _("{channels}; {names} not getting through.", channels=many, names=", ".join(failing[:3]))


def _read(session: Session, query: Query) -> Sequence[Channel]:
    wanted = select(Channel).order_by(Channel.name).limit(LISTED_MAX)
    return session.scalars(wanted.where(Channel.name.icontains(query.q, autoescape=True)) if query.q else wanted).all()


def _row(row: Channel) -> Row:
    cells = (
        Cell(row.name, "strong"), Cell(row.kind), Cell(", ".join(row.shown), "mono"),
        Cell("", "time", row.succeeded_at) if row.succeeded_at else Cell(N_("never"), "soft", said=True),
        Cell("", "time", row.failed_at) if row.failed_at else Cell("–", "soft"),
        Cell(row.last_error or "–", "soft"), Cell(row.created_by, "soft"),
    )  # fmt: skip
    tries = () if row.kind == "alertmanager" else (Act("/channels/test", N_("Send a test"), row.name),)
    return Row(
        cells,
        (*tries, Act("/channels/remove", N_("Remove"), row.name, N_("It is taken away with what still waits for it."))),
    )


def _form(given: GivenChannel | None, *, open_: bool) -> parts.Form:
    said = given or GivenChannel(name="", kind="webhook", csrf_token="")
    return parts.Form(
        "new", "/channels", N_("A new channel"), N_("Make this channel"),
        (
            Entry("name", N_("Name"), "", said.name, required=True),
            Entry("kind", N_("Kind"), "", said.kind, KIND_WORDS),
            Entry("url", N_("Address"), N_("of a webhook, of a service, of each Alertmanager; sealed at once"), "", kind="textarea"),
            Entry("to", N_("Mail to"), N_("for mail alone"), said.to),
        ),
        open_,
    )  # fmt: skip


def _values(row: Channel) -> Sequence[Any]:
    return (
        row.name, row.kind, ", ".join(row.shown), rfc3339(row.succeeded_at) if row.succeeded_at else "",
        rfc3339(row.failed_at) if row.failed_at else "", str(row.failures), row.last_error, rfc3339(row.created_at), row.created_by,
    )  # fmt: skip
