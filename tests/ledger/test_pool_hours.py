"""Pools' hours in the database: what engines, cards, streamed requests and the price book say of them.

The pool h100: 2 GPUs at 3.00, 6.00 an hour, from seven o'clock on; `books.a_morning` keeps it busy from 07:10 to 07:30.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, func, select, text
from tests.support import books, pools
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet import interruptions
from trivet.fleet import service as fleet
from trivet.fleet.models import SignalSample
from trivet.kit.interval import Interval
from trivet.ledger import pool_due, pool_evidence, reading
from trivet.ledger import service as ledger
from trivet.ledger.models import Entry, Posting
from trivet.ledger.pool_capacity import plans
from trivet.ledger.pool_models import PoolHourSplit
from trivet.pricing import gpu
from trivet.tenant.models import Tenant
from trivet_collectors import semconv as sc

pytestmark = pytest.mark.usefixtures("database")
ONE = {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T08:00:00Z"}
HOUR = Interval(books.SEVEN, books.EIGHT)


class TestStates:
    def test_by_engines_an_hour_is_used_idle_and_down(self):
        # calls from 07:00 to 07:20, none until 07:40, then silence: down from 07:40:50 on, but for its last minute's word
        books.company()
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 0, 20, 2)
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 20, 40, 0)
        books.post()
        row = pools.split()
        assert row.evidence == "counters"
        assert (row.used_us, row.idle_us, row.down_us) == (1_200_000_000, 1_250_000_000, 1_150_000_000)
        assert row.cost == sum(pools.parts(row).values()) == Decimal(6)

    def test_requests_make_silent_time_awake(self):
        books.company()
        books.a_morning()
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 0, 5, 0)
        books.post()
        row = pools.split()
        assert (row.used_us, row.idle_us, row.down_us) == (1_200_000_000, 350_000_000, 2_050_000_000)

    def test_more_readings_than_are_read_leave_the_hour_to_its_spans(self, monkeypatch):
        monkeypatch.setattr(pool_evidence, "READINGS_MAX", 5)
        books.company()
        books.a_morning()
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 0, 20, 2)
        books.post()
        assert (pools.split().evidence, pools.split().used_us) == ("spans", 1_200_000_000)

    def test_a_failure_to_load_a_model_is_down(self):
        books.company()
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 0, 60, 0)
        signal(books.clock("07:30"), sc.TRIVET_HEALTH, 1, detail="model_load", pool_id=pools.pool_id())
        books.post()
        assert (pools.split().idle_us, pools.split().down_us) == (3_540_000_000, 60_000_000)

    def test_what_was_found_by_counters_stays_when_they_are_dropped(self):
        books.company()
        books.a_morning()
        pools.engine(sc.TRIVET_REQUESTS_RUNNING, 0, 30, 1)
        books.post()
        before = pools.split()
        drop_samples()
        with db.transaction() as session:
            assert ledger.post_hour(session, books.SEVEN) == []
        after = pools.split()
        assert pools.parts(after) == pools.parts(before)
        assert (after.method, after.evidence) == (before.method, "counters")

    def test_what_was_found_by_requests_is_found_anew_as_long_as_they_are_there(self):
        """Ten more minutes told late, and an interruption: not those that counters alone could have told of."""
        books.company()
        books.a_morning()
        books.post()
        drop_samples()
        books.a_late_request()
        with db.transaction() as session:
            interruptions.record(
                session, name="h100", interrupted_at=books.clock("07:25"), restored_at=books.clock("07:35"), gpus=None,
                cause="c", actor="t", now=books.NINE,
            )  # fmt: skip
        books.post()
        assert (pools.split().used_us, pools.split().down_us) == (1_800_000_000, 300_000_000)


def drop_samples():
    """As retention does with the day's."""
    with db.transaction() as session:
        session.execute(delete(SignalSample))
        session.execute(
            text(
                "INSERT INTO archive (table_name, day, url, files, rows, bytes, picos, closed_at, failure) "
                "VALUES ('signal_sample', '2026-11-20', '', 0, 0, 0, 0, now(), '')"
            )
        )


class TestPhases:
    def test_engines_split_prefill_from_decode(self):
        # used 2.00; 30 s of first tokens less 10 s in the queue, 60 s of decode: 0.50 and 1.50
        books.company()
        books.a_morning()
        for metric, value in ((sc.TRIVET_TTFT, 30.0), (sc.TRIVET_QUEUE_TIME, 10.0), (sc.TRIVET_INTER_TOKEN, 60.0)):
            signal(books.clock("07:20"), metric, value, pool_id=pools.pool_id())
        books.post()
        row = pools.split()
        assert (row.used, row.prefill, row.decode) == (Decimal(2), Decimal("0.5"), Decimal("1.5"))
        assert row.method.endswith("prefill-decode-1 by counters")

    def test_streamed_requests_do_where_engines_say_nothing_and_wall_time_counts_for_nobody(self):
        # two streams of 120 s whose first tokens came after 30 s: 60 s prefill, 180 s decode. 2 minutes busy: 0.20 used,
        # 0.05 prefill: 3 to 1 by uncached input; 0.15 decode: even, by output at the same context of 3,000.
        books.company()
        for who, end, ttft, into in (("acme", "07:12", 30, 3000), ("bolt", "07:12", 30, 1000)):
            books.ingest(
                books.call(
                    books.clock(end),
                    seconds=120,
                    ttft_ms=ttft * 1000,
                    tenant=who,
                    provider="house",
                    model="small",
                    pool="h100",
                    input_tokens=into,
                    cache_read_tokens=3000 - into,
                    output_tokens=500,
                )
            )
        books.rollup.fold()
        books.post()
        row = pools.split()
        assert (row.used, row.prefill, row.decode) == (Decimal("0.2"), Decimal("0.05"), Decimal("0.15"))
        with db.transaction() as session:
            found = dict(
                session.execute(
                    select(Entry.tenant_id, func.sum(Entry.amount))
                    .where(Entry.tenant_id > 0, Entry.pool_id > 0)
                    .group_by(Entry.tenant_id)
                ).all()
            )
        # 0.0375 + 0.075 and 0.0125 + 0.075
        assert sorted(found.values()) == [Decimal("0.0875"), Decimal("0.1125")]

    def test_a_decoded_token_weighs_more_the_longer_its_context(self):
        # 500 out; mean context of 32,518 + 250 = 32,768 doubles a token's weight; of 0 + 250 it adds 250 / 32,768
        for who, cached in (("acme", 32_518), ("bolt", 0)):
            books.ingest(
                books.call(
                    books.clock("07:20"),
                    seconds=20,
                    ttft_ms=1000,
                    tenant=who,
                    provider="house",
                    model="small",
                    pool="h100",
                    cache_read_tokens=cached,
                    output_tokens=500,
                )
            )
        with db.transaction() as session:
            own = reading.ran(session, books.SEVEN, [pools.pool_id()])[pools.pool_id()]
            ids = dict(session.execute(select(Tenant.name, Tenant.id)).all())
        weights = {user.tenant_id: weight for user, weight in own.decode.items()}
        assert weights == {ids["acme"]: 500 * 2 * 65_536, ids["bolt"]: 500 * (65_536 + 500)}
        assert set(own.prefill.values()) == {Decimal(0)}

    def test_of_a_stream_across_two_hours_each_has_the_time_that_lies_in_it(self):
        books.ingest(
            books.call(
                books.clock("08:10"),
                seconds=1200,
                ttft_ms=300_000,
                provider="house",
                model="small",
                pool="h100",
                output_tokens=500,
            )
        )
        found = []
        for hour in (books.SEVEN, books.EIGHT):
            with db.transaction() as session:
                own = reading.ran(session, hour, [pools.pool_id()])[pools.pool_id()]
            found.append((own.prefill_us, own.decode_us, own.request_us))
        assert found == [(300_000_000, 300_000_000, 600_000_000), (0, 600_000_000, 600_000_000)]


class TestOwned:
    def test_power_comes_from_what_the_cards_said(self):
        # 7,200 a month over November's 720 hours: 10; 2 cards, 3.6 MJ = 1 kWh x 1.5 x 0.20 = 0.30; operations 720: 1
        pools.prices()
        pools.term(
            purchase_price=Decimal(86_400), amortisation_months=12, spread_from=books.DAY.replace(day=1),
            power_price_per_kwh=Decimal("0.20"), pue=Decimal("1.5"), operations_per_month=Decimal(720),
        )  # fmt: skip
        pools.cards(1_800_000.0, 1_800_000.0)
        pools.cards(900_000.0, parent="GPU-0")  # an instance of the first: in its card's figure already
        books.post()
        row = pools.split()
        assert row.parts == {
            "amortisation": "10.000000000000", "power": "0.300000000000", "operations": "1.000000000000",
        }  # fmt: skip
        assert (row.cost, row.energy_kwh, row.gaps) == (Decimal("11.3"), Decimal(1), [])

    def test_a_card_without_a_reading_is_a_gap_that_the_reason_names(self):
        pools.prices()
        pools.term(purchase_price=Decimal(8640), amortisation_months=12, power_price_per_kwh=Decimal("0.20"))
        books.post()
        with db.transaction() as session:
            reason = session.scalar(select(Posting.reason).where(Posting.kind == "pool"))
        assert reason.endswith("Not in it: no energy of 2 of 2 GPUs, and no declared watts.")

    def test_readings_that_come_later_are_looked_at_again(self):
        pools.prices()
        pools.term(purchase_price=Decimal(8640), amortisation_months=12, power_price_per_kwh=Decimal("0.20"))
        books.post()
        pools.cards(1_800_000.0, 1_800_000.0)
        with db.transaction() as session:
            late = pool_due.unsettled(session, books.EIGHT + timedelta(minutes=31))
            assert late == [books.SEVEN]
            assert pool_due.unsettled(session, books.SEVEN + timedelta(hours=6)) == []
            assert ledger.hours_due(session, late) == 1
        books.post()
        row = pools.split()
        assert (row.parts["power"], row.gaps) == ("0.200000000000", [])


class TestPriceBook:
    def add(self, price, at):
        with db.transaction() as session:
            gpu.add(
                session, gpu_type="H100", purchase="spot", region="", effective_from=at, currency="USD",
                price_per_hour=Decimal(price), source="entered", actor="finance",
            )  # fmt: skip

    def test_a_term_without_a_price_takes_the_books_and_changes_with_it(self):
        self.add("2", books.DAY)
        self.add("4", books.clock("07:30"))
        pools.term(purchase="spot")
        books.post()
        with db.transaction() as session:
            rows = session.scalars(select(PoolHourSplit).order_by(PoolHourSplit.starts_at)).all()
            assert [(row.starts_at, row.cost) for row in rows] == [
                (books.SEVEN, Decimal(2)),
                (books.clock("07:30"), Decimal(4)),
            ]
            (own,) = plans(session, HOUR).values()
            assert [(plan.gpus, plan.price_per_gpu_hour) for plan in own] == [(2, Decimal(2)), (2, Decimal(4))]
            (bare,) = fleet.plans(session, HOUR).values()
            assert [plan.price_per_gpu_hour for plan in bare] == [None]

    def test_the_part_of_an_hour_before_the_first_price_is_a_gap_beside_the_rest(self):
        self.add("4", books.clock("07:30"))
        pools.term(purchase="spot")
        books.post()
        with db.transaction() as session:
            rows = session.scalars(select(PoolHourSplit).order_by(PoolHourSplit.starts_at)).all()
            assert [(row.starts_at, row.cost, len(row.gaps)) for row in rows] == [
                (books.SEVEN, Decimal(0), 1),
                (books.clock("07:30"), Decimal(4), 0),
            ]

    def test_until_there_is_one_requests_are_metered_and_the_gap_is_kept(self):
        pools.prices()
        pools.term(purchase="spot")
        books.a_morning()
        books.post()
        row = pools.split()
        assert (row.method, row.gaps, row.cost) == ("unpriced-1", ["no price of a H100 hour, spot"], 0)
        with db.transaction() as session:
            assert set(session.scalars(select(Posting.kind))) == {"metered"}
        self.add("3", books.DAY)
        with db.transaction() as session:
            ledger.post_hour(session, books.SEVEN)
        assert pools.split().cost == Decimal(6)
