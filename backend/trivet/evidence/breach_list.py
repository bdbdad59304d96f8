"""Breaches as the page and its file list them, with what each caused, how grave it was and who carries it: a few statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.command.models import Command
from trivet.evidence import case, measured
from trivet.evidence.carriers import Carrier
from trivet.evidence.models import BreachTimes
from trivet.guard.models import Breach
from trivet.kit.interval import Interval
from trivet.notify.alert_models import Alert
from trivet.tenant.models import Scenario

CARRIERS_KEPT_MAX: Final = 5_000
OPEN_FOR: Final = timedelta(seconds=10)  # who carries one that is open is looked at again after so long
_carriers: dict[
    int, "tuple[datetime | None, First | None]"
] = {}  # until when that holds; None: for good, as it is over
db.caches.append(_carriers.clear)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; what is empty is not asked. `interval`: open at any time in it. `state`: open or closed."""

    scenario: str = ""
    guard: str = ""
    state: str = ""
    severity: str = ""
    shadow: bool = False
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class First:
    """The tenant that carries most of a breach: its share of the excess, beside its share of the traffic."""

    name: str
    excess: float
    traffic: float
    claimed: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """One breach of the list."""

    breach: Breach
    scenario: str
    severity: str
    command: Command | None
    times: BreachTimes | None


def newest(session: Session, wanted: Wanted, *, limit: int, after: tuple[bool, int] | None = None) -> Sequence[Listed]:
    """Open ones first, then the newest, at most `limit`; after the one with `(over, id)` where that is named."""
    over = Breach.closed_at.is_not(None)
    query = _asked(wanted).order_by(over, Breach.id.desc()).limit(limit)
    if after is not None:
        was_over, id_ = after
        later = Breach.id < id_
        query = query.where((over & later) if was_over else or_(over, later))
    rows = [(breach, name) for breach, name in session.execute(query)]
    ids = [breach.id for breach, _ in rows]
    since = min((breach.opened_at for breach, _ in rows), default=None)
    commands, severities, times = _caused(session, ids, since), _severities(session, ids), _times(session, ids)
    return [
        Listed(breach, name, severities.get(breach.id, ""), commands.get(breach.id), times.get(breach.id))
        for breach, name in rows
    ]


def counts(session: Session, wanted: Wanted) -> tuple[int, int]:
    """How many are open and how many are over, of those that are asked for."""
    asked = _asked(wanted).subquery()
    open_ = func.count().filter(asked.c.closed_at.is_(None))
    row = session.execute(select(open_, func.count()).select_from(asked)).one()
    return row[0], row[1] - row[0]


def drawn(session: Session, wanted: Wanted, limit: int) -> Sequence[tuple[Breach, str]]:
    """Breaches of the picture: the newest `limit`, without what belongs to them."""
    return [(breach, name) for breach, name in session.execute(_asked(wanted).order_by(Breach.id.desc()).limit(limit))]


def guards(session: Session, limit: int) -> list[str]:
    """Names of guards that broke lately, to choose from."""
    lately = select(Breach.guard).order_by(Breach.id.desc()).limit(2_000).subquery()
    return sorted(session.scalars(select(lately.c.guard).distinct().limit(limit)))


def known(breach_id: int, now: datetime) -> tuple[bool, First | None]:
    """Whether this process has looked already who carries a breach, and who."""
    until, first = _carriers.get(breach_id, (now, None))
    return until is None or until > now, first


def carrier(session: Session, breach_id: int, now: datetime) -> First | None:
    """The tenant that carries most; None where nobody can be said to. What is over is kept by this process."""
    is_known, first = known(breach_id, now)
    if is_known:
        return first
    found = case.read(session, breach_id)
    carried = measured.carried(session, found, now, dimensions=("tenant",))
    rows: tuple[Carrier, ...] = carried.by["tenant"].carry if carried.by else ()
    if rows and rows[0].key is not None:
        one = rows[0]
        first = First(carried.label("tenant", one.key), one.excess_share, one.traffic_share, one.claimed)
    else:
        first = None
    if len(_carriers) < CARRIERS_KEPT_MAX or breach_id in _carriers:
        _carriers[breach_id] = (None if found.breach.closed_at else now + OPEN_FOR, first)
    return first


def _asked(wanted: Wanted) -> Select[Breach, str]:
    query = select(Breach, Scenario.name.label("scenario")).join(Scenario, Scenario.id == Breach.scenario_id)
    return query.where(*_clauses(wanted))


def _clauses(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Breach.shadow.is_(wanted.shadow)]
    if wanted.scenario:
        found.append(Scenario.name == wanted.scenario)
    if wanted.guard:
        found.append(Breach.guard == wanted.guard)
    if wanted.state:
        found.append(Breach.closed_at.is_(None) if wanted.state == "open" else Breach.closed_at.is_not(None))
    if wanted.severity:
        grave = select(Alert.id).where(Alert.breach_id == Breach.id, Alert.severity == wanted.severity)
        found.append(grave.exists())
    if wanted.interval:
        lasted = or_(Breach.closed_at.is_(None), Breach.closed_at >= wanted.interval.start)
        found += [Breach.opened_at < wanted.interval.end, lasted]
    return found


def _caused(session: Session, ids: Collection[int], since: datetime | None) -> Mapping[int, Command]:
    """The first command that names each; none is older than the breach."""
    if since is None:
        return {}
    query = select(Command).where(Command.breach_id.in_(ids), Command.created_at >= since)
    query = query.order_by(Command.id.desc()).limit(len(ids) * 20)
    return {row.breach_id: row for row in session.scalars(query) if row.breach_id}


def _severities(session: Session, ids: Collection[int]) -> Mapping[int, str]:
    query = select(Alert.breach_id, Alert.severity).where(Alert.breach_id.in_(ids)).order_by(Alert.id.desc())
    return {id_: severity for id_, severity in session.execute(query.limit(len(ids) * 20)) if id_ is not None}


def _times(session: Session, ids: Collection[int]) -> Mapping[int, BreachTimes]:
    return {row.breach_id: row for row in session.scalars(select(BreachTimes).where(BreachTimes.breach_id.in_(ids)))}
