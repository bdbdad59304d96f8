"""What a key has sent, as it was stored: the calls, the signals, the cards, the polls. Never what was meant to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.command.models import BackendHolding, BackendPoll
from trivet.console.connect.configs import Wish
from trivet.fleet.models import Backend, Gpu, Pool
from trivet.fleet.signal_models import SignalSeries
from trivet.identity.models import ApiKey
from trivet.ingest.models import Denial, KeyName
from trivet.ingest.store.names import KINDS as NAMES
from trivet.kit.clock import floor
from trivet.report import names, rows
from trivet.tenant import service as tenants
from trivet.tenant.models import Scenario

LOOKED_AT = 20  # newest calls of a key
TENANTS_MAX = 50  # of a key, whose calls are looked through
LONGEST_CALL = timedelta(hours=1)
DAY_S = 86_400
TEST_FINISH = "trivet_connect"  # how the test call says what it is

_OF_KEY = text("""
    SELECT r.*, coalesce(p.currency, 'USD') AS currency FROM unnest(CAST(:tenants AS int4[])) AS t(id)
    CROSS JOIN LATERAL (
        SELECT * FROM request
        WHERE tenant_id = t.id AND started_at >= :start AND started_at < :end AND received_at >= :since
          AND key_id = :key
        ORDER BY started_at DESC LIMIT :limit
    ) AS r
    LEFT JOIN price p ON p.id = r.price_id
    ORDER BY r.received_at DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Poll:
    """What a backend proved of the policy: when it asked last, and the newest generation that it holds."""

    at: datetime | None = None
    holds_etag: bool = False
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """All of it. `calls` newest first, as `report.rows` says them; `test` and `real` count them; `refused` by reason."""

    calls: Sequence[Mapping[str, Any]] = ()
    registered: frozenset[str] = frozenset()
    mapped: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    cards: int = 0
    poll: Poll = field(default_factory=Poll)
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def real(self) -> Sequence[Mapping[str, Any]]:
        """Calls that are no test of ours."""
        return [each for each in self.calls if each["finish_reason"] != TEST_FINISH]

    @property
    def judged(self) -> Sequence[Mapping[str, Any]]:
        """The calls to go by: those of the backend itself once there is one."""
        return self.real or self.calls

    @property
    def itself(self) -> bool:
        """Whether what is connected has been heard of by anything but our test."""
        return bool(self.real or self.metrics or self.cards)

    @property
    def anything(self) -> bool:
        """Whether anything at all has come."""
        return bool(self.calls or self.metrics or self.cards or self.poll.at)


def arrived(session: Session, key_id: int, wish: Wish, *, since: datetime, now: datetime) -> Arrived:
    """What came with a key since an instant. A handful of statements by keys, however much others send."""
    calls = _calls(session, key_id, since, now)
    scenarios = {each["scenario"] for each in calls}
    asked = select(Scenario.name).where(Scenario.name.in_(scenarios), Scenario.registered_at.is_not(None))
    charged = tenants.cost_centres_at(session, now) if calls else {}
    return Arrived(
        calls=calls,
        registered=frozenset(session.scalars(asked)) if calls else frozenset(),
        mapped=frozenset(each["tenant"] for each in calls if each["tenant_id"] in charged),
        metrics=frozenset(session.scalars(select(SignalSeries.metric).where(SignalSeries.key_id == key_id).distinct())),
        cards=_cards(session, wish.pool, since),
        poll=_poll(session, wish.backend, since),
        refused=_refused(session, key_id, since),
    )


def _calls(session: Session, key_id: int, since: datetime, now: datetime) -> list[dict[str, Any]]:
    bound = session.scalar(select(ApiKey.tenant_id).where(ApiKey.id == key_id))
    used = select(KeyName.name_id).where(KeyName.key_id == key_id, KeyName.kind == NAMES.index("tenant"))
    of = [bound] if bound is not None else [0, *session.scalars(used.limit(TENANTS_MAX))]
    values = {
        "tenants": of, "key": key_id, "since": since, "start": since - LONGEST_CALL,
        "end": now + timedelta(minutes=15), "limit": LOOKED_AT,
    }  # fmt: skip
    found = [dict(row) for row in session.execute(_OF_KEY, values).mappings()]
    labels = names.labels(session, rows.REQUEST_BY, found)
    return [rows.request_item(row, labels) for row in found]


def _cards(session: Session, pool: str, since: datetime) -> int:
    """Cards of the pool heard of since; `seen_at` is kept to the minute."""
    query = select(func.count()).select_from(Gpu).join(Pool, Pool.id == Gpu.pool_id)
    return session.scalar(query.where(Pool.name == pool, Gpu.seen_at >= floor(since, 60))) or 0 if pool else 0


def _poll(session: Session, backend: str, since: datetime) -> Poll:
    query = (
        select(BackendPoll.polled_at, BackendPoll.etag, func.max(BackendHolding.observed_generation))
        .join(Backend, Backend.id == BackendPoll.backend_id)
        .outerjoin(BackendHolding, BackendHolding.backend_id == Backend.id)
        .where(Backend.name == backend, BackendPoll.polled_at >= since)
        .group_by(BackendPoll.polled_at, BackendPoll.etag)
    )
    row = session.execute(query).first()
    return Poll(row[0], row[1] is not None, row[2]) if row else Poll()


def _refused(session: Session, key_id: int, since: datetime) -> dict[str, int]:
    query = select(Denial.reason, func.sum(Denial.items)).where(Denial.key_id == key_id)
    found = session.execute(query.where(Denial.day >= floor(since, DAY_S)).group_by(Denial.reason))
    return {reason: int(items) for reason, items in found}
