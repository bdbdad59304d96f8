"""Changes as the page shows them, and how many there were when."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import files
from trivet.console import format as say
from trivet.console.address import Address, Link, Times, number_after, settle
from trivet.console.people import people_words as words
from trivet.console.people.people_views import AuditPage, Bar, ChangeRow, Difference
from trivet.console.tongue import _, _n
from trivet.console.views import Reader
from trivet.identity import answers, chain, reading
from trivet.identity.models import Audit
from trivet.kit.body import Asked
from trivet.kit.page import to_cursor

PATH: Final = "/audit"
SHOWN: Final = 50
BARS: Final = 48
DIFFERENCES_SHOWN: Final = 12
VALUE_LENGTH_MAX: Final = 160


class Query(Times):
    """The address of /audit: by whom, what was done, to what."""

    actor: Annotated[Asked, Field(max_length=256)] = ""
    action: Annotated[Asked, Field(max_length=256)] = ""
    subject: Annotated[Asked, Field(max_length=300)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


def page(session: Session, looking: Reader, query: Query) -> AuditPage:
    """`SHOWN` changes, the bars of the whole range, and what is known of the chain."""
    address = settle(PATH, query, looking.now, looking.zone, default="7d")
    asked = wanted(query, address)
    found = reading.changes(session, asked, SHOWN + 1, number_after(query.cursor) or 0)
    standing = chain.standing(session)  # a page that is only looked at verifies nothing
    drawn = bars(counted(session, asked, address), address, looking)
    more = len(found) > SHOWN
    filters = {"actor": query.actor, "action": query.action, "subject": query.subject}
    return AuditPage(
        reader=looking, address=address, sentence=words.changes(min(len(found), SHOWN), more, any(filters.values())),
        chain=words.chain(standing, looking.zone), is_broken=standing.broken_id is not None,
        chips=tuple(Link(value, address.url(**{name: ""}, cursor="")) for name, value in filters.items() if value),
        asked=filters, bars=drawn, picture=picture(drawn),
        changes=tuple(_row(each, address, standing.broken_id) for each in found[:SHOWN]),
        next_url=address.url(cursor=to_cursor([found[SHOWN - 1].id])) if more else "",
    )  # fmt: skip


def lines(session: Session, looking: Reader, query: Query) -> list[list[Any]]:
    """Every change that an address asks for, for a file."""
    address = settle(PATH, query, looking.now, looking.zone, default="7d")
    found = reading.changes(session, wanted(query, address), files.ROWS_MAX)
    told = map(answers.change, found)
    return [
        [
            each["id"], each["at"], each["actor"], each["action"], each["subject"], _json(each["before"]),
            _json(each["after"]), each["reason"], each["hash"],
        ]
        for each in told
    ]  # fmt: skip


def wanted(query: Query, address: Address) -> reading.Asked:
    """What an address asks for."""
    return reading.Asked(query.actor, query.action, query.subject, address.interval)


def counted(session: Session, asked: reading.Asked, address: Address) -> Mapping[int, int]:
    """How many changes each of `BARS` stretches of the range had."""
    start, width_s = address.interval.start, _width_s(address)
    number = func.floor(func.extract("epoch", Audit.at - start) / width_s)
    query = reading.narrowed(select(number, func.count()), asked).group_by(number)
    return {int(each): count for each, count in session.execute(query)}


def bars(counts: Mapping[int, int], address: Address, looking: Reader) -> tuple[Bar, ...]:
    """One a stretch, its height a share of the highest; each leads to its own stretch. Pure."""
    highest, width_s = max(counts.values(), default=0), _width_s(address)
    made = []
    for number, count in sorted(counts.items()):
        since = address.interval.start + timedelta(seconds=number * width_s)
        until = since + timedelta(seconds=width_s)
        when = say.day_clock(since, looking.now, looking.zone)
        made.append(
            Bar(
                f"{number * 100 / BARS:.3f}", f"{100 / BARS - 0.3:.3f}", f"{count / highest * 100:.2f}",
                _n("{n} change from {when}", "{n} changes from {when}", count, when=when),
                address.url(range="between", since=_iso(since), until=_iso(until), cursor=""),
            )
        )  # fmt: skip
    return tuple(made)


def picture(drawn: Sequence[Bar]) -> str:
    """The bars in words."""
    most = max(drawn, key=lambda bar: float(bar.height), default=None)
    return _("Changes over time; the most: {most}", most=most.words) if most else _("No changes in this time")


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """Field by field what was and what is; what stayed is left out. Nested fields by their way. Pure."""
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    fields = list(dict.fromkeys([*old, *new]))
    return [
        Difference(each, old.get(each, ""), new.get(each, ""))
        for each in fields
        if old.get(each, "") != new.get(each, "")
    ]


def _row(row: Audit, address: Address, broken: int | None) -> ChangeRow:
    found = differences(row.before, row.after)
    return ChangeRow(
        id=row.id, at=row.at, actor=row.actor, action=row.action, subject=row.subject,
        differences=tuple(found[:DIFFERENCES_SHOWN]), more=max(len(found) - DIFFERENCES_SHOWN, 0),
        reason=row.reason or "", broken=row.id == broken, actor_url=address.url(actor=row.actor, cursor=""),
        action_url=address.url(action=row.action, cursor=""), subject_url=address.url(subject=row.subject, cursor=""),
    )  # fmt: skip


def _flat(value: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    for name, one in value.items():
        way = f"{path}{name}"
        if isinstance(one, Mapping) and one:
            made += _flat(one, f"{way}.")
        else:
            said = one if isinstance(one, str) else _json(one)
            made.append((way, said if len(said) <= VALUE_LENGTH_MAX else f"{said[:VALUE_LENGTH_MAX]}…"))
    return made


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _width_s(address: Address) -> float:
    return max((address.interval.end - address.interval.start).total_seconds() / BARS, 1.0)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
