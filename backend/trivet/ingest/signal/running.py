"""Calls still running: told again each second or so by their backends, kept while they are, and read by guards.

Latency is known when a call ends, which is late for a call that never does. What runs is kept beside the requests and
never counted with them: a call whose request row has come, or that was not told again for `running_seen_s`, is not running.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, delete, exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.ingest.models import Request
from trivet.ingest.request.fact import BAD_ID, ENDS_BEFORE_START, IN_THE_FUTURE, TOO_LONG, TOO_OLD
from trivet.ingest.signal.running_model import RunningCall as Kept
from trivet.ingest.store import names, persist
from trivet.ingest.store.row import instant
from trivet.kit.locks import Lock
from trivet.settings import get_settings

TOO_MANY_RUNNING = "too_many_running"  # of one key at once
RUNS_MAX_US = 2 * 86_400_000_000  # as long as a span may be
INT4_MAX, LEVEL_MAX = 2**31 - 1, 2**15 - 1
READ_MAX = 20_000  # running calls looked at by one evaluation, the oldest first
FORGET_MAX = 10_000  # rows forgotten in one transaction
FORGOTTEN_AFTER = timedelta(seconds=60)  # not told again for so long: the row goes


@dataclass(frozen=True, slots=True)
class RunningCall:
    """One call as its backend tells it. Times are microseconds since 1970 on the backend's clock; names may be empty.

    `start_us` is the span's start, to the microsecond; `told_us` is when the backend said that it still runs.
    """

    trace_id: bytes
    span_id: bytes
    start_us: int
    told_us: int
    tenant: str = ""
    scenario: str = ""
    backend: str = ""
    provider: str = ""
    model: str = ""
    revision: int = 0
    level: int = 0
    streamed: bool = False
    answering: bool = False  # a first token has come


@dataclass(frozen=True, slots=True)
class Overdue:
    """One running call as a guard sees it: under which revision and level, since when on our clock."""

    revision: int
    level: int
    since: datetime
    streamed: bool
    answering: bool


def refusal_of(call: RunningCall, now: datetime, skew_limit_s: int) -> str | None:
    """Why a call is not kept, or None. Pure."""
    if len(call.trace_id) != 16 or len(call.span_id) != 8 or not any(call.trace_id) or not any(call.span_id):
        return BAD_ID
    now_us = int(now.timestamp()) * 1_000_000
    if call.told_us > now_us + skew_limit_s * 1_000_000:
        return IN_THE_FUTURE
    if call.told_us < now_us - RUNS_MAX_US:
        return TOO_OLD
    if call.start_us > call.told_us:
        return ENDS_BEFORE_START
    return TOO_LONG if call.told_us - call.start_us > RUNS_MAX_US else None


def store(calls: Sequence[RunningCall], *, tenant_id: int | None, key_id: int, now: datetime) -> Counter[str]:
    """Keep the calls of one export, in a transaction of its own; those not kept, by reason.

    A key bound to a tenant (`tenant_id`) decides the tenant of all, and names have the limits that those of requests have:
    a call is found under the names that its request will have. Told again, a call is one row. One key has at most
    `running_calls_limit` at once; more are refused (`too_many_running`), those known before go on.
    """
    refused: Counter[str] = Counter()
    good: dict[tuple[str, bytes, bytes], RunningCall] = {}
    for call in calls:
        reason = refusal_of(call, now, get_settings().clock_skew_limit_s)
        if reason is None:
            good[call.tenant if tenant_id is None else "", call.trace_id, call.span_id] = call
        else:
            refused[reason] += 1
    if not good:
        return refused
    ids, overflowed = names.ids_of([_names(call) for call in good.values()], key_id, tenant_id)
    rows = sorted((_row(call, own, key_id, now) for call, own in zip(good.values(), ids, strict=True)), key=_key)
    with db.transaction() as session:
        refused[TOO_MANY_RUNNING] += len(rows) - _put(session, rows, key_id, now)
        persist.deny(session, persist.over_limits(overflowed), key_id, now)
    return +refused


def _names(call: RunningCall) -> names.Names:
    """What a call names, in the order of `names.KINDS`."""
    model = (call.provider, call.model) if call.model else ("", "")
    return call.tenant, call.scenario, model, call.backend, "", "", ""


def _row(call: RunningCall, ids: names.Ids, key_id: int, now: datetime) -> dict[str, Any]:
    tenant, scenario, model, backend, *_ = ids
    return {
        "tenant_id": tenant, "trace_id": call.trace_id, "span_id": call.span_id,
        "started_at": instant(call.start_us), "since": now - timedelta(microseconds=call.told_us - call.start_us),
        "seen_at": now, "scenario_id": scenario, "backend_id": backend, "model_id": model, "key_id": key_id,
        "revision": _within(call.revision, INT4_MAX), "level": _within(call.level, LEVEL_MAX),
        "streamed": call.streamed, "answering": call.answering,
    }  # fmt: skip


def _within(number: int, most: int) -> int:
    """A number that the column holds; 0, which says nothing, for any other."""
    return number if 0 <= number <= most else 0


def _key(row: dict[str, Any]) -> tuple[int, bytes, bytes]:
    return row["tenant_id"], row["trace_id"], row["span_id"]


def _put(session: Session, rows: Sequence[dict[str, Any]], key_id: int, now: datetime) -> int:
    """Write rows within the key's limit; how many. Exports of one key wait for each other here, so the limit holds."""
    if not rows:
        return 0
    session.execute(text("SELECT pg_advisory_xact_lock(:what, :key)"), {"what": Lock.RUNNING, "key": key_id})
    there = session.execute(
        select(Kept.tenant_id, Kept.trace_id, Kept.span_id).where(Kept.key_id == key_id, Kept.seen_at > _seen_from(now))
    )
    known = {tuple(row) for row in there}
    room = get_settings().running_calls_limit - len(known)
    new = [row for row in rows if _key(row) not in known][: max(0, room)]
    taken = sorted([*(row for row in rows if _key(row) in known), *new], key=_key)
    if not taken:
        return 0
    put = insert(Kept)
    changed: dict[str, Any] = {
        name: put.excluded[name] for name in taken[0] if name not in ("tenant_id", "trace_id", "span_id")
    }
    # Where two told of one call, the one heard last is right; `since` stays the earliest, whatever the network did.
    changed["since"] = func.least(Kept.since, put.excluded.since)
    session.connection().execute(
        put.on_conflict_do_update(index_elements=["tenant_id", "trace_id", "span_id"], set_=changed),
        taken,
    )
    return len(taken)


def _seen_from(now: datetime) -> datetime:
    return now - timedelta(seconds=get_settings().running_seen_s)


def read(session: Session, scenario_ids: Collection[int], now: datetime) -> dict[int, list[Overdue]]:
    """Calls running at `now`, by scenario, oldest first.

    Read requests before and not after this: a call that ends in between is then missed for one look, never counted twice.
    """
    ended = exists().where(
        Request.tenant_id == Kept.tenant_id,
        Request.started_at == Kept.started_at,
        Request.trace_id == Kept.trace_id,
        Request.span_id == Kept.span_id,
    )
    query = (
        select(Kept.scenario_id, Kept.revision, Kept.level, Kept.since, Kept.streamed, Kept.answering)
        .where(Kept.scenario_id == func.any(literal(list(scenario_ids), ARRAY(Kept.scenario_id.type))))
        .where(Kept.seen_at > _seen_from(now), ~ended)
        .order_by(Kept.since)
        .limit(READ_MAX)
    )
    found: dict[int, list[Overdue]] = {}
    for scenario_id, revision, level, since, streamed, answering in session.execute(query):
        found.setdefault(scenario_id, []).append(Overdue(revision, level, since, streamed, answering))
    return found


def forget(session: Session, now: datetime) -> int:
    """Take away rows that nobody tells any more; how many."""
    old = select(Kept.tenant_id, Kept.trace_id, Kept.span_id).where(Kept.seen_at < now - FORGOTTEN_AFTER)
    keys = old.limit(FORGET_MAX).with_for_update(skip_locked=True).subquery()
    gone = delete(Kept).where(
        Kept.tenant_id == keys.c.tenant_id, Kept.trace_id == keys.c.trace_id, Kept.span_id == keys.c.span_id
    )
    return session.execute(gone).rowcount  # type: ignore[attr-defined,no-any-return]  # a cursor result has it
