"""GPUs in words: how they are, what holds them back, what broke."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet import db
from trivet.console import gpus
from trivet.fleet.models import Gpu, GpuRollup, Pool

NOW = datetime(2026, 11, 21, 14, 0, 20, tzinfo=UTC)
GIB = 2**30


def reading(gpu, metric, value, *, grain_s=10, bucket=NOW - timedelta(seconds=20)):
    return GpuRollup(
        grain_s=grain_s, gpu_id=gpu.id, metric=metric, bucket=bucket, samples=1, total=value, least=value, most=value
    )


@pytest.mark.usefixtures("database")
class TestCards:
    def card(self, session, uuid, *, seen_at=NOW - timedelta(seconds=5), **said):
        made = Gpu(uuid=uuid, seen_at=seen_at, **said)
        session.add(made)
        session.flush()
        return made

    def shown(self):
        with db.transaction() as session:
            return gpus.gpus(session, NOW)

    def test_say_how_they_are_and_what_holds_them_back(self):
        with db.transaction() as session:
            session.add(pool := Pool(name="h200"))
            session.flush()
            card = self.card(session, "GPU-8f1c22ab-0001", model="NVIDIA H200", host="node-a", pool_id=pool.id)
            session.add_all([
                reading(card, "hw.gpu.utilization", 0.91),
                reading(card, "hw.gpu.memory.usage", 118 * GIB),
                reading(card, "hw.gpu.memory.limit", 141 * GIB),
                reading(card, "hw.power", 612.4),
                reading(card, "trivet.gpu.throttle:sw_power_cap", 1.0),
                reading(card, "trivet.gpu.throttle:hw_thermal", 0.0),
            ])  # fmt: skip
        (row,) = self.shown().rows
        assert (row.short, row.name, row.pool) == ("GPU-8f1c22ab…", "NVIDIA H200 · node-a", "h200")
        assert (row.utilization, row.memory, row.power) == ("91 %", "118 of 141 GiB", "612 W")
        assert (row.held_by, row.health, row.silent) == ("power cap", "", False)

    def test_say_what_broke_in_the_last_day(self):
        with db.transaction() as session:
            card = self.card(session, "GPU-1")
            hour = NOW.replace(minute=0, second=0)
            session.add_all([
                reading(card, "trivet.gpu.xid:79", 2.0, grain_s=3600, bucket=hour),
                reading(card, "hw.errors:uncorrected", 3.0, grain_s=3600, bucket=hour - timedelta(hours=2)),
                reading(card, "trivet.gpu.xid:13", 1.0, grain_s=3600, bucket=hour - timedelta(days=2)),
                reading(card, "trivet.gpu.row_remap:pending", 1.0),
            ])  # fmt: skip
        (row,) = self.shown().rows
        assert row.health == "2 × XID 79, ECC uncorrected 3, row remapping pending"

    def test_leave_out_what_nobody_read(self):
        with db.transaction() as session:
            self.card(session, "MIG-1", parent="GPU-1")
        (row,) = self.shown().rows
        assert (row.utilization, row.memory, row.power, row.part_of) == ("–", "–", "–", "GPU-1")

    def test_are_silent_after_two_minutes_and_gone_after_a_day(self):
        with db.transaction() as session:
            self.card(session, "GPU-1", seen_at=NOW - timedelta(minutes=3))
            self.card(session, "GPU-2", seen_at=NOW - timedelta(hours=25))
            self.card(session, "GPU-3", seen_at=None)
        (row,) = self.shown().rows
        assert (row.id, row.silent) == ("GPU-1", True)

    def test_beyond_the_room_there_is_are_counted(self):
        with db.transaction() as session:
            for n in range(gpus.CARDS_MAX + 3):
                self.card(session, f"GPU-{n:03d}")
        found = self.shown()
        assert (len(found.rows), found.left_out) == (gpus.CARDS_MAX, 3)
