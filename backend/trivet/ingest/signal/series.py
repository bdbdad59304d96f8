"""Signal series of the database: made within limits, and where a cumulative count stood last."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Integer, LargeBinary, any_, bindparam, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.fleet.models import SignalSeries
from trivet.fleet.signal_models import SIGNAL_DIMENSIONS
from trivet.ingest.signal.buckets import from_json
from trivet.ingest.signal.cumulative import Standing
from trivet.ingest.signal.deltas import Key
from trivet.ingest.store.row import EPOCH, instant
from trivet.kit.clock import floor
from trivet.kit.locks import Lock

DAY_S = 86_400
STATEMENT_ROWS = 5_000
TOO_MANY_NEW_SERIES = "too_many_new_series"  # in one export
TOO_MANY_SERIES = "too_many_series"  # of one key


def ids_of(
    session: Session,
    wanted: Mapping[bytes, Key],
    key_id: int,
    now: datetime,
    *,
    export_max: int,
    key_max: int,
) -> tuple[dict[bytes, int], dict[bytes, str]]:
    """Ids of series by their identity, and those refused with the reason.

    Series never met are made: at most `export_max` of them at once, and `key_max` of one key in all. Exports of one key
    that make series wait for each other here, so that its limit holds.
    """
    known = _known(session, wanted)
    missing = [identity for identity in wanted if identity not in known]
    refused: dict[bytes, str] = {}
    if missing:
        session.execute(text("SELECT pg_advisory_xact_lock(:what, :key)"), {"what": Lock.SERIES, "key": key_id})
        own = session.scalar(select(func.count()).select_from(SignalSeries).where(SignalSeries.key_id == key_id)) or 0
        room = max(0, key_max - own)
        made = missing[: min(room, export_max)]
        reason = TOO_MANY_SERIES if room < export_max else TOO_MANY_NEW_SERIES
        refused = dict.fromkeys(missing[len(made) :], reason)
        _make(session, {identity: wanted[identity] for identity in sorted(made)}, key_id, now)
        known |= _known(session, made)
    _seen(session, list(known.values()), now)
    return known, refused


def _known(session: Session, identities: Collection[bytes]) -> dict[bytes, int]:
    asked = literal(list(identities), ARRAY(LargeBinary))
    return dict(
        session.execute(
            select(SignalSeries.identity, SignalSeries.id).where(SignalSeries.identity == any_(asked))
        ).all()
    )


def _make(session: Session, wanted: Mapping[bytes, Key], key_id: int, now: datetime) -> None:
    """In the order given, so that writers do not wait in a circle."""
    rows = [
        {"identity": identity, "key_id": key_id, "seen_on": floor(now, DAY_S)}
        | dict(zip(SIGNAL_DIMENSIONS, key, strict=True))
        for identity, key in wanted.items()
    ]
    for start in range(0, len(rows), STATEMENT_ROWS):
        session.connection().execute(
            insert(SignalSeries).on_conflict_do_nothing(), rows[start : start + STATEMENT_ROWS]
        )


def _seen(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Note the day on which a series was last heard of, once a day."""
    today = floor(now, DAY_S)
    stale = session.scalars(
        select(SignalSeries.id)
        .where(SignalSeries.id == any_(literal(list(ids), ARRAY(Integer))), SignalSeries.seen_on < today)
        .order_by(SignalSeries.id)
        .with_for_update(skip_locked=True)  # who holds it notes the same
    ).all()
    if stale:
        own = SignalSeries.id == any_(literal(list(stale), ARRAY(Integer)))
        session.execute(update(SignalSeries).where(own).values(seen_on=today))


def standings(session: Session, ids: Collection[int]) -> dict[int, Standing]:
    """Where series stood at their newest points. Held until the transaction ends: their next points wait."""
    rows = session.execute(
        select(
            SignalSeries.id,
            SignalSeries.last_at,
            SignalSeries.last_total,
            SignalSeries.last_samples,
            SignalSeries.last_buckets,
        )
        .where(SignalSeries.id == any_(literal(sorted(ids), ARRAY(Integer))))
        .order_by(SignalSeries.id)
        .with_for_update()
    )
    return {row_id: _standing(*rest) for row_id, *rest in rows}


def _standing(at: datetime | None, total: float | None, samples: int | None, buckets: Any) -> Standing:
    if at is None or total is None:
        return Standing()
    since = at - EPOCH
    at_us = (since.days * DAY_S + since.seconds) * 1_000_000 + since.microseconds
    return Standing(at_us, total, samples or 0, from_json(buckets))


def stand(session: Session, by_id: Mapping[int, Standing]) -> None:
    """Keep where series stand now."""
    rows = [
        {
            "series": row_id,
            "last_at": instant(standing.at_us),
            "last_total": standing.total,
            "last_samples": standing.samples,
            "last_buckets": standing.buckets.as_json() if standing.buckets is not None else None,
        }
        for row_id, standing in sorted(by_id.items())
        if standing.at_us is not None
    ]
    if rows:
        table: Any = SignalSeries.__table__
        session.connection().execute(update(table).where(table.c.id == bindparam("series")), rows)


def forget(session: Session, before: datetime, limit: int) -> int:
    """Take away up to `limit` series not heard of since a day; how many. One that comes back begins anew."""
    old = select(SignalSeries.id).where(SignalSeries.seen_on < before).limit(limit).with_for_update(skip_locked=True)
    gone = session.execute(delete(SignalSeries).where(SignalSeries.id.in_(old)))
    return gone.rowcount  # type: ignore[attr-defined,no-any-return]  # a cursor result has it
