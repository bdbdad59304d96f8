"""The page of GPUs: a cell a card, utilisation beside what shows capacity, silent cards marked, a file of it."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from trivet import db
from trivet.console.fleet.heat import Card, groups
from trivet.console.fleet.multiples import HEIGHT, WIDTH, multiples
from trivet.console.fleet.read import buckets
from trivet.console.fleet.words import sentence
from trivet.fleet.models import Gpu, GpuRollup, Pool
from trivet.fleet.signal_models import SignalRollup
from trivet.kit.clock import floor, utc_now
from trivet.kit.interval import Interval

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)


def card(id_, *, used=0.5, parent="", pool="h200", seen_s=5):
    return Card(id_, f"GPU-{id_}", "node", parent, pool, NOW - timedelta(seconds=seen_s), used)


class TestTheCells:
    def test_are_shaded_and_numbered_by_how_busy_a_card_reads(self):
        (group,) = groups([card(1, used=0.0), card(2, used=0.994), card(3, used=1.0), card(4, used=None)], NOW)
        assert [(cell.number, cell.shade) for cell in group.cells] == [("0", 0), ("99", 9), ("100", 9), ("–", -1)]
        assert group.used == pytest.approx(0.6647, abs=1e-3)

    def test_instances_stand_inside_their_card_and_are_no_cards(self):
        (group,) = groups([card(1, used=None), card(2, parent="GPU-1", used=0.3), card(3, parent="GPU-9")], NOW)
        assert [(cell.anchor, len(cell.parts)) for cell in group.cells] == [("gpu-GPU-1", 1), ("gpu-GPU-3", 0)]

    def test_a_silent_card_says_so(self):
        (group,) = groups([card(1, seen_s=121)], NOW)
        assert group.cells[0].silent and group.cells[0].words == "GPU-1, node: silent"
        assert sentence((group,)) == "1 card in 1 pool, 50 % utilised on average. 1 is silent."

    def test_cards_without_a_pool_come_last(self):
        assert [group.pool for group in groups([card(1, pool=""), card(2, pool="b"), card(3, pool="a")], NOW)] == [
            "a",
            "b",
            "",
        ]


class TestTheThreeCharts:
    over = Interval(NOW, NOW + timedelta(minutes=4))

    def drawn(self, **found):
        return multiples(found, ["a"], self.over, 60, UTC)

    def test_share_one_axis_and_stand_on_zero(self):
        series = {NOW: 0.0, NOW + timedelta(minutes=2): 8.0}
        used, kv, waiting = self.drawn(waiting={"a": series}, used={"a": {NOW: 1.0}}).charts
        assert waiting.lines[0].paths == (
            f"0.0,{HEIGHT:.1f} 0.0,{HEIGHT:.1f}",
            f"{WIDTH / 2:.1f},0.0 {WIDTH / 2:.1f},0.0",
        )
        assert waiting.top == "8" and used.top == "100 %" and kv.lines == ()

    def test_a_line_says_its_exact_spread(self):
        (line,) = self.drawn(kv={"a": {NOW: 0.2, NOW + timedelta(minutes=1): 0.95}}).charts[1].lines
        assert line.words == "a: 20 %–95 %, now 95 %" and len(line.paths) == 1

    def test_a_thousand_cards_are_read_by_the_hour(self):
        hour, week = Interval(NOW - timedelta(hours=1), NOW), Interval(NOW - timedelta(days=7), NOW)
        assert (buckets(hour, 1_000)[1], buckets(hour, 5_000)[1], buckets(week, 8)[1]) == (60, 3600, 3600)


class TestThePage:
    @pytest.fixture
    def fleet(self, database):
        now = utc_now()
        with db.transaction() as session:
            session.add_all(pools := [Pool(name="h200"), Pool(name="l4")])
            session.flush()
            cards = [
                Gpu(uuid=f"GPU-{n}", host="a", pool_id=pools[n % 2].id, seen_at=now - timedelta(hours=n // 3))
                for n in range(4)
            ]
            session.add_all(cards)
            session.flush()
            minute = floor(now, 60) - timedelta(minutes=2)
            session.add_all(
                GpuRollup(grain_s=60, gpu_id=each.id, metric="hw.gpu.utilization", bucket=minute, samples=2, total=2 * 0.91, least=0.9, most=0.92)
                for each in cards
            )  # fmt: skip
            session.add_all(
                SignalRollup(
                    grain_s=60, metric=metric, bucket=minute, tenant_id=0, scenario_id=0, model_id=0, backend_id=backend,
                    pool_id=pools[0].id, detail="", samples=1, total=value, least=value, most=value, last=value, last_at=minute, histogram=b"",
                )
                for backend, metric, value in (
                    (1, "trivet.kv_cache.usage", 0.4), (2, "trivet.kv_cache.usage", 0.97), (1, "trivet.requests.waiting", 3.0),
                    (2, "trivet.requests.waiting", 4.0),
                )
            )  # fmt: skip

    def test_shows_each_card_once_and_the_fullest_engine_and_the_whole_queue(self, sign_in, fleet):
        page = sign_in("sre").get("/gpus").text
        assert len(re.findall(r'<a class="cell cell--9', page)) == 4 and "cell--silent" in page
        assert "h200: 97 %–97 %, now 97 %" in page and "h200: 7–7, now 7" in page
        assert "4 cards in 2 pools, 91\N{NO-BREAK SPACE}% utilised on average. 1 is silent." in page

    def test_can_be_of_one_pool_and_its_file_has_the_same_cards(self, sign_in, fleet):
        client = sign_in("sre")
        assert len(re.findall(r'<a class="cell ', client.get("/gpus?pool=l4").text)) == 2
        rows = list(csv.DictReader(io.StringIO(client.get("/gpus.csv?pool=l4").text)))
        assert [(row["card"], row["pool"], row["mean_utilization"]) for row in rows] == [
            ("GPU-1", "l4", "0.91"),
            ("GPU-3", "l4", "0.91"),
        ]

    def test_without_cards_it_teaches_how_they_are_told(self, sign_in):
        assert "trivet connect --what node" in sign_in("sre").get("/gpus?cursor=x&range=never").text
