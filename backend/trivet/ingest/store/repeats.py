"""Calls told twice, in the database: what was counted before and turns out to repeat another is taken back.

Which of two spans of one call is billed is decided by `once`. A request is taken back by whoever sets its `repeats`,
which happens once, under its row's lock; the same transaction writes what this takes from the rollups.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from psycopg import Cursor

from trivet.ingest.request.fact import CACHED
from trivet.ingest.store import once
from trivet.ingest.store.ids import array_of, span_number
from trivet.ingest.store.read_back import COLUMNS, driver_row
from trivet.ingest.store.row import Row, RowKey, instant

NEAR = timedelta(hours=1)  # how far from a request's start another of its call is looked for while it is stored
TOLD_MAX = 50_000  # requests read for one transaction; what is beyond, the task settles
FAR = timedelta(days=2)  # how far apart two spans of one call may have started at all
_READ = f"SELECT {', '.join(f'r.{name}' for name in COLUMNS)}, p.currency, k.tenant_id IS NOT NULL"  # our own names
_BESIDE = "LEFT JOIN price p ON p.id = r.price_id LEFT JOIN api_key k ON k.id = r.key_id"

# By the index on traces, day by day: never a join that reads whole days.
_TOLD = f"""
    {_READ} FROM request r {_BESIDE}
    WHERE uuid_hash(r.trace_id) = ANY(ARRAY(SELECT uuid_hash(t) FROM unnest(%(traces)s::uuid[]) AS t))
      AND r.trace_id = ANY(%(traces)s::uuid[]) AND r.started_at >= %(start)s AND r.started_at <= %(end)s
      AND r.response_id = ANY(%(responses)s::text[]) AND r.repeats IS NULL
    LIMIT %(most)s
"""  # noqa: S608  # our own names
_THESE = """
    FROM unnest(%(tenants)s::int4[], %(starts)s::timestamptz[], %(traces)s::uuid[], %(spans)s::int8[])
        AS n (tenant_id, started_at, trace_id, span_id)
    JOIN request r USING (tenant_id, started_at, trace_id, span_id)
"""
# Locked first and read by a statement of its own: where a price was entered meanwhile, the one that waited for the lock
# would see the new cost beside the old currency.
_LOCK = f"SELECT {_THESE} ORDER BY r.tenant_id, r.started_at, r.trace_id, r.span_id FOR UPDATE OF r"
_LOCKED = f"{_READ} {_THESE} {_BESIDE} WHERE r.repeats IS NULL"
_SET = """
    UPDATE request r SET repeats = n.repeats
    FROM unnest(%(tenants)s::int4[], %(starts)s::timestamptz[], %(traces)s::uuid[], %(spans)s::int8[],
                %(repeats)s::int8[]) AS n (tenant_id, started_at, trace_id, span_id, repeats)
    WHERE r.tenant_id = n.tenant_id AND r.started_at = n.started_at AND r.trace_id = n.trace_id
      AND r.span_id = n.span_id
"""
# Who repeated what is now taken back repeats what is billed instead.
_FOLLOW = """
    UPDATE request r SET repeats = n.repeats
    FROM unnest(%(traces)s::uuid[], %(responses)s::text[], %(spans)s::int8[], %(repeats)s::int8[])
         AS n (trace_id, response_id, span_id, repeats)
    WHERE uuid_hash(r.trace_id) = uuid_hash(n.trace_id) AND r.trace_id = n.trace_id AND r.response_id = n.response_id AND r.repeats = n.span_id
      AND r.started_at >= %(start)s AND r.started_at <= %(end)s
"""


def told(cursor: Cursor[Any], rows: Iterable[Row], near: timedelta = NEAR) -> list[Row]:
    """The counted requests stored before that share a trace with some rows, and may be the same calls."""
    own = [row.fact for row in rows if row.fact.response_id]
    if not own:
        return []
    calls = {(fact.trace_id, fact.response_id) for fact in own}
    starts = [fact.start_us for fact in own]
    cursor.execute(
        _TOLD,
        {
            "traces": array_of({trace for trace, _ in calls}),
            "responses": list({response for _, response in calls}),
            "most": TOLD_MAX,
            "start": instant(min(starts)) - near,
            "end": instant(max(starts)) + near,
        },
    )
    found = map(driver_row, cursor.fetchall())
    return [row for row in found if (row.fact.trace_id, row.fact.response_id) in calls]


def settle(cursor: Cursor[Any], rows: Sequence[Row], before: Sequence[Row]) -> list[Row]:
    """Set `repeats` of new rows that repeat a call told before, or each other; of those `before`, which now repeat.

    `before` are counted requests (see `told`); what comes back is to be taken off the rollups.
    """
    if not before:
        once.settle(rows)
        return []
    own = {row.key for row in rows}
    lost = once.settle([*rows, *(row for row in before if row.key not in own)])
    return take_back(cursor, [row for row in lost if row.key not in own])


def take_back(cursor: Cursor[Any], lost: Sequence[Row]) -> list[Row]:
    """Set `repeats` of stored requests that are still counted; these, as they stood then."""
    if not lost:
        return []
    repeats = {row.key: row.repeats for row in lost}
    cursor.execute(_LOCK, _keys(repeats))
    cursor.execute(_LOCKED, _keys(repeats))
    taken = [driver_row(each) for each in cursor.fetchall()]
    if not taken:
        return []
    for row in taken:
        row.repeats = repeats[row.key]
    instead = [span_number(row.repeats or b"") for row in taken]
    keys = _keys([row.key for row in taken])
    cursor.execute(_SET, keys | {"repeats": instead})
    starts = [row.fact.start_us for row in taken]
    cursor.execute(
        _FOLLOW,
        {
            "traces": keys["traces"],
            "responses": [row.fact.response_id for row in taken],
            "spans": keys["spans"],
            "repeats": instead,
            "start": instant(min(starts)) - FAR,
            "end": instant(max(starts)) + FAR,
        },
    )
    return taken


def _keys(keys: Iterable[RowKey]) -> dict[str, Any]:
    tenants, starts, traces, spans = zip(*keys, strict=True)
    return {
        "tenants": list(tenants),
        "starts": [instant(start_us) for start_us in starts],
        "traces": array_of(traces),
        "spans": [span_number(span) for span in spans],
    }


# What the one who stores could not see: spans of a call that two transactions stored at once, or that started far apart.
SLICE = timedelta(seconds=60)  # of reception, looked at in one transaction
CALLS_MAX = 5_000  # told twice, settled in one transaction
FIRST_LOOK = timedelta(minutes=15)  # how far back the very first run looks
LAG_MAX = timedelta(minutes=10)  # a transaction older than this is not waited for
_SAFE = """
    SELECT now(), least(now(), min(xact_start) FILTER (WHERE xact_start > now() - %(lag)s))
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'trivet' AND pid <> pg_backend_pid()
"""
_SEEN = "SELECT received_until FROM once_seen WHERE id = 1 FOR UPDATE"
_SEE = """
    INSERT INTO once_seen (id, received_until) VALUES (1, %s)
    ON CONFLICT (id) DO UPDATE SET received_until = excluded.received_until
"""
_TWICE = """
    WITH new AS MATERIALIZED (
        SELECT tenant_id, started_at, ended_at, trace_id, span_id, response_id, shape FROM request
        WHERE received_at >= %(start)s AND received_at < %(end)s AND response_id IS NOT NULL AND repeats IS NULL)
    SELECT DISTINCT n.trace_id, n.response_id FROM new n WHERE EXISTS (
        SELECT FROM request r
        WHERE uuid_hash(r.trace_id) = uuid_hash(n.trace_id) AND r.trace_id = n.trace_id
          AND r.started_at >= n.started_at - %(far)s AND r.started_at <= n.started_at + %(far)s
          AND r.response_id = n.response_id AND r.repeats IS NULL
          AND (%(cached)s NOT IN (coalesce(r.shape, 0), coalesce(n.shape, 0))
               OR (r.started_at <= n.ended_at AND n.started_at <= r.ended_at))
          AND (r.tenant_id = n.tenant_id OR r.tenant_id = 0 OR n.tenant_id = 0)
          AND (r.tenant_id, r.started_at, r.span_id) <> (n.tenant_id, n.started_at, n.span_id))
    LIMIT %(calls)s
"""
_OF_CALLS = f"""
    {_READ} FROM request r {_BESIDE}
    WHERE uuid_hash(r.trace_id) = ANY(ARRAY(SELECT uuid_hash(t) FROM unnest(%(traces)s::uuid[]) AS t))
      AND r.trace_id = ANY(%(traces)s::uuid[]) AND r.response_id = ANY(%(responses)s::text[]) AND r.repeats IS NULL
"""  # noqa: S608  # our own names


def settle_received(cursor: Cursor[Any]) -> tuple[list[Row], bool]:
    """Look once more at what was received since the last look, a bounded part of it; what is to be taken off the
    rollups, and whether there is more to look at.

    Only what no transaction still at work can add to is settled for good: one may have begun before and commit later.
    """
    cursor.execute(_SAFE, {"lag": LAG_MAX})
    [(now, safe)] = cursor.fetchall()
    cursor.execute(_SEEN)
    seen = cursor.fetchone()
    start = seen[0] if seen else now - FIRST_LOOK
    end = min(start + SLICE, safe)
    if end <= start:
        return [], False
    # By the indexes, row by row: a join that hashes would read whole days.
    cursor.execute("SET LOCAL enable_hashjoin = off")
    cursor.execute("SET LOCAL enable_mergejoin = off")
    cursor.execute(_TWICE, {"start": start, "end": end, "far": FAR, "calls": CALLS_MAX, "cached": CACHED})
    calls = cursor.fetchall()
    taken: list[Row] = []
    if calls:
        cursor.execute(
            _OF_CALLS,
            {"traces": array_of({trace.bytes for trace, _ in calls}), "responses": list({said for _, said in calls})},
        )
        taken = take_back(cursor, once.settle([driver_row(each) for each in cursor.fetchall()]))
    more = len(calls) == CALLS_MAX and bool(taken)  # what none of the found could be settled of is left as it is
    if not more:
        cursor.execute(_SEE, (end,))
    return taken, more or end < safe
