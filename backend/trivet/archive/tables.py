"""Which tables lose whole days, as data: how long each is kept, and what must be settled before a day of it may go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trivet.ingest.store.reprice import COVERED
from trivet.settings import Settings

# Each finds a row where something is not settled. `:start` and `:end` are the day, `:until` the newest instant that its
# rows count for. Tables of later contexts are named by string.
_UNFOLDED = "SELECT 1 FROM {deltas} WHERE bucket >= :start AND bucket <= :until LIMIT 1"
_DUE = "SELECT 1 FROM hour_due WHERE hour >= :start AND hour <= :until LIMIT 1"
# The ledger begins with the first hour that had usage or capacity: what it has not come to is not posted.
_UNPOSTED = """
    SELECT 1 FROM (SELECT max(posted_until) AS at FROM posted_hour) AS posted
    WHERE at IS NULL OR at <= :until
"""
# The price task takes these within a minute; afterwards their cost stands nowhere else.
_PRICED_SOON = f"SELECT 1 {COVERED} AND r.started_at >= :start AND r.started_at < :end LIMIT 1"
_POSTED = {"the ledger has not come so far": _UNPOSTED, "some of its hours are due for posting": _DUE}
# A request that still finds its day would not find a place for its blocks.
_WITH_REQUESTS = {
    "its requests go first": "SELECT 1 FROM request WHERE started_at >= :start AND started_at < :end LIMIT 1"
}


@dataclass(frozen=True, slots=True)
class DayTable:
    """A table that loses whole days. `at` is the column that says which day a row belongs to (UTC).

    `until`: the column with the newest instant that a row counts for. `cost`: a column of picos, summed to prove a copy.
    """

    name: str
    at: str
    setting: str
    until: str
    cost: str = ""
    unsettled: Mapping[str, str] = field(default_factory=dict)
    partitioned: bool = True

    def keep_days(self, settings: Settings) -> int:
        """Days a row is kept after its own; 0 for ever."""
        return int(getattr(settings, self.setting))


DAY_TABLES = (
    DayTable(
        "request",
        "started_at",
        "retention_days_requests",
        "ended_at",
        "cost_picos",
        {
            "usage of it is not folded yet": _UNFOLDED.format(deltas="usage_delta"),
            **_POSTED,
            "a price for some of its requests is about to be applied": _PRICED_SOON,
        },
    ),
    DayTable("cache_lookup", "started_at", "retention_days_requests", "ended_at"),
    DayTable("prompt_blocks", "started_at", "retention_days_requests", "started_at", unsettled=_WITH_REQUESTS),
    DayTable(
        "score",
        "scored_at",
        "retention_days_requests",
        "scored_at",
        unsettled={"scores of it are not folded yet": _UNFOLDED.format(deltas="usage_delta")},
        partitioned=False,
    ),
    DayTable(
        "gpu_sample",
        "sampled_at",
        "retention_days_samples",
        "sampled_at",
        unsettled={"readings of it are not folded yet": _UNFOLDED.format(deltas="gpu_delta")},
    ),
    DayTable(
        "signal_sample",
        "sampled_at",
        "retention_days_samples",
        "sampled_at",
        unsettled={"signals of it are not folded yet": _UNFOLDED.format(deltas="signal_delta")},
    ),
)
BY_NAME = {table.name: table for table in DAY_TABLES}


@dataclass(frozen=True, slots=True)
class Pruned:
    """A table whose rows go in batches once they are older than the rollups of a grain are kept."""

    name: str
    at: str
    grain_s: int
    by_column: bool  # rows of every grain stand in one table, told apart by `grain_s`


GRAINS = {10: "retention_days_rollup_10s", 60: "retention_days_rollup_1m", 3600: "retention_days_rollup_1h"}
PRUNED = (
    *(
        Pruned(f"rollup_{word}", "bucket", grain_s, by_column=False)
        for word, grain_s in (("10s", 10), ("1m", 60), ("1h", 3600))
    ),
    *(
        Pruned(name, "bucket", grain_s, by_column=True)
        for name in ("gpu_rollup", "signal_rollup")
        for grain_s in GRAINS
    ),
    Pruned("denial", "day", 3600, by_column=False),
)
