"""Pools' hours in the database: what engines, cards and interruptions say, and how each hour is explained over REST.

The pool h100: 2 GPUs at 3.00, 6.00 an hour, from seven o'clock on; `books.a_morning` keeps it busy from 07:10 to 07:30.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from tests.support import books
from tests.support.bound import bound_headers
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet import service as fleet
from trivet.fleet.models import Gpu, GpuDelta, GpuRollup, Pool, SignalSample, SignalSeries
from trivet.fleet.terms import Told
from trivet.ingest.request.fact import CAUSES, ERROR
from trivet.kit.interval import Interval
from trivet.ledger import energy, pool_due
from trivet.ledger import service as ledger
from trivet.ledger.models import Entry, Posting
from trivet.ledger.pool_capacity import plans
from trivet.ledger.pool_models import InterruptedRequest, PoolHourSplit
from trivet.pricing import gpu
from trivet.pricing.models import Model
from trivet_collectors import semconv as sc

pytestmark = pytest.mark.usefixtures("database")
ONE = {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T08:00:00Z"}
HOUR = Interval(books.SEVEN, books.EIGHT)


def pool_id(name="h100"):
    with db.transaction() as session:
        return db.named_ids(session, Pool, [name])[name]


def term(*, gpus=2, per_hour=None, purchase="owned", start=books.SEVEN, name="h100", **told):
    with db.transaction() as session:
        fleet.add_pool_term(
            session, name=name, gpu_type="H100", gpus=gpus, price_per_gpu_hour=per_hour, currency="USD",
            purchase=purchase, effective_from=start, actor="finance", now=books.NINE, told=Told(**told),
        )  # fmt: skip


def prices():
    books.price("openai", "gpt-4o", input="2.50", output="10")
    books.price("house", "small", "h100", input="1", output="4", cache_read="0.1")


def engine(metric, first, last, value):
    """An engine's word every ten seconds from one minute of the hour to another."""
    signal(books.SEVEN + timedelta(minutes=first), metric, value, pool_id=pool_id())
    with db.transaction() as session:
        series = session.scalar(select(SignalSeries.id).where(SignalSeries.metric == metric.name))
        said = {"series_id": series, "samples": 1, "total": value, "least": value, "most": value, "histogram": b""}
        more = range(first * 60 + 10, last * 60, 10)
        session.execute(
            insert(SignalSample), [said | {"sampled_at": books.SEVEN + timedelta(seconds=second)} for second in more]
        )


def cards(*joules, parent=""):
    """Cards of the pool, each with what it used between seven and eight."""
    with db.transaction() as session:
        pool = db.named_ids(session, Pool, ["h100"])["h100"]
        for n, used in enumerate(joules):
            row = Gpu(uuid=f"GPU-{parent}{n}", pool_id=pool, parent=parent)
            session.add(row)
            session.flush()
            session.add(
                GpuDelta(
                    bucket=books.clock("07:30"),
                    gpu_id=row.id,
                    metric=sc.HW_ENERGY.name,
                    samples=1,
                    total=used,
                    least=used,
                    most=used,
                )
            )


def split():
    with db.transaction() as session:
        row = session.scalars(select(PoolHourSplit).where(PoolHourSplit.hour == books.SEVEN)).one()
        session.expunge(row)
        return row


def parts(row):
    return {name: getattr(row, name) for name in ("used", "headroom", "idle", "down")}


def balances():
    """{line: amount} of all that is posted."""
    with db.transaction() as session:
        names = ("account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "currency", "purchase")
        by = [Posting.hour, *(getattr(Entry, name) for name in names)]
        rows = session.execute(select(*by, func.sum(Entry.amount)).join(Posting).group_by(*by)).all()
        return {tuple(row[:-1]): row[-1] for row in rows if row[-1]}


class TestStates:
    def test_by_engines_an_hour_is_used_idle_and_down(self):
        # calls from 07:00 to 07:20, none until 07:40, then silence: down from 07:40:50 on, but for its last minute's word
        books.company()
        engine(sc.TRIVET_REQUESTS_RUNNING, 0, 20, 2)
        engine(sc.TRIVET_REQUESTS_RUNNING, 20, 40, 0)
        books.post()
        row = split()
        assert row.evidence == "counters"
        assert (row.used_us, row.idle_us, row.down_us) == (1_200_000_000, 1_250_000_000, 1_150_000_000)
        assert row.cost == sum(parts(row).values()) == Decimal(6)

    def test_requests_make_silent_time_awake(self):
        books.company()
        books.a_morning()
        engine(sc.TRIVET_REQUESTS_RUNNING, 0, 5, 0)
        books.post()
        row = split()
        assert (row.used_us, row.idle_us, row.down_us) == (1_200_000_000, 350_000_000, 2_050_000_000)

    def test_a_failure_to_load_a_model_is_down(self):
        books.company()
        engine(sc.TRIVET_REQUESTS_RUNNING, 0, 60, 0)
        signal(books.clock("07:30"), sc.TRIVET_HEALTH, 1, detail="model_load", pool_id=pool_id())
        books.post()
        assert (split().idle_us, split().down_us) == (3_540_000_000, 60_000_000)

    def test_what_was_found_by_counters_stays_when_they_are_dropped(self):
        books.company()
        books.a_morning()
        engine(sc.TRIVET_REQUESTS_RUNNING, 0, 30, 1)
        books.post()
        before = split()
        with db.transaction() as session:
            session.execute(delete(SignalSample))
            session.execute(
                text(
                    "INSERT INTO archive (table_name, day, url, files, rows, bytes, picos, closed_at, failure) "
                    "VALUES ('signal_sample', '2026-11-20', '', 0, 0, 0, 0, now(), '')"
                )
            )
            assert ledger.post_hour(session, books.SEVEN) == []
        after = split()
        assert parts(after) == parts(before)
        assert (after.method, after.evidence) == (before.method, "counters")


class TestPhases:
    def test_engines_split_prefill_from_decode(self):
        # used 2.00; 30 s of first tokens less 10 s in the queue, 60 s of decode: 0.50 and 1.50
        books.company()
        books.a_morning()
        for metric, value in ((sc.TRIVET_TTFT, 30.0), (sc.TRIVET_QUEUE_TIME, 10.0), (sc.TRIVET_INTER_TOKEN, 60.0)):
            signal(books.clock("07:20"), metric, value, pool_id=pool_id())
        books.post()
        row = split()
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
        row = split()
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


class TestOwned:
    def test_power_comes_from_what_the_cards_said(self):
        # 7,200 a month over November's 720 hours: 10; 2 cards, 3.6 MJ = 1 kWh x 1.5 x 0.20 = 0.30; operations 720: 1
        prices()
        term(
            purchase_price=Decimal(86_400), amortisation_months=12, spread_from=books.DAY.replace(day=1),
            power_price_per_kwh=Decimal("0.20"), pue=Decimal("1.5"), operations_per_month=Decimal(720),
        )  # fmt: skip
        cards(1_800_000.0, 1_800_000.0)
        cards(900_000.0, parent="GPU-0")  # an instance of the first: in its card's figure already
        books.post()
        row = split()
        assert row.parts == {
            "amortisation": "10.000000000000", "power": "0.300000000000", "operations": "1.000000000000",
        }  # fmt: skip
        assert (row.cost, row.energy_kwh, row.gaps) == (Decimal("11.3"), Decimal(1), [])

    def test_a_card_without_a_reading_is_a_gap_that_the_reason_names(self):
        prices()
        term(purchase_price=Decimal(8640), amortisation_months=12, power_price_per_kwh=Decimal("0.20"))
        books.post()
        with db.transaction() as session:
            reason = session.scalar(select(Posting.reason).where(Posting.kind == "pool"))
        assert reason.endswith("Not in it: no energy of 2 of 2 GPUs, and no declared watts.")

    def test_readings_that_come_later_are_looked_at_again(self):
        prices()
        term(purchase_price=Decimal(8640), amortisation_months=12, power_price_per_kwh=Decimal("0.20"))
        books.post()
        cards(1_800_000.0, 1_800_000.0)
        with db.transaction() as session:
            late = pool_due.unsettled(session, books.EIGHT + timedelta(minutes=31))
            assert late == [books.SEVEN]
            assert pool_due.unsettled(session, books.SEVEN + timedelta(hours=6)) == []
            assert ledger.hours_due(session, late) == 1
        books.post()
        row = split()
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
        term(purchase="spot")
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
        term(purchase="spot")
        books.post()
        with db.transaction() as session:
            rows = session.scalars(select(PoolHourSplit).order_by(PoolHourSplit.starts_at)).all()
            assert [(row.starts_at, row.cost, len(row.gaps)) for row in rows] == [
                (books.SEVEN, Decimal(0), 1),
                (books.clock("07:30"), Decimal(4), 0),
            ]

    def test_until_there_is_one_requests_are_metered_and_the_gap_is_kept(self):
        prices()
        term(purchase="spot")
        books.a_morning()
        books.post()
        row = split()
        assert (row.method, row.gaps, row.cost) == ("unpriced-1", ["no price of a H100 hour, spot"], 0)
        with db.transaction() as session:
            assert set(session.scalars(select(Posting.kind))) == {"metered"}
        self.add("3", books.DAY)
        with db.transaction() as session:
            ledger.post_hour(session, books.SEVEN)
        assert split().cost == Decimal(6)


class TestInterruptions:
    def lose(self, client, admin, **more):
        body = {"interrupted_at": "2026-11-20T07:25:00Z", "cause": "spot capacity taken back"} | more
        return client.post("/api/v1/pools/h100/interruptions", headers=admin, json=body)

    def requests(self):
        """acme's stream is lost at 07:25 and done again elsewhere; crow's ends well."""
        lost = books.call(
            books.clock("07:26"), seconds=120, tenant="acme", provider="house", model="small", pool="h100",
            input_tokens=1_000_000, outcome=ERROR, trace_id=b"t" * 16,
        )  # fmt: skip
        again = books.call(
            books.clock("07:28"), seconds=60, tenant="acme", provider="house", model="small", pool="h100",
            input_tokens=1_000_000, output_tokens=500_000, trace_id=b"t" * 16,
        )  # fmt: skip
        books.ingest(lost, again, books.on_pool("crow", "07:24", "07:26", input_tokens=1_000_000))
        books.rollup.fold()

    def test_lost_work_and_its_retry_are_marked_and_what_they_cost_is_told(self, client, admin):
        # busy 07:24-07:26 and 07:27-07:28: 0.30 used; work 1 : 3 : 1, so 0.06 lost and 0.18 done again; at standard rate
        # 1.00 and 3.00
        books.company()
        self.requests()
        assert self.lose(client, admin).status_code == 201
        books.post()
        found = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()
        assert found["interruptions"] == found["items"][0]["interruptions"] == {
            "lost": {
                "requests": 1,
                "standard": [{"amount": "1.000000000000", "currency": "USD"}],
                "of_used": [{"amount": "0.060000000000", "currency": "USD"}],
            },
            "retry": {
                "requests": 1,
                "standard": [{"amount": "3.000000000000", "currency": "USD"}],
                "of_used": [{"amount": "0.180000000000", "currency": "USD"}],
            },
        }  # fmt: skip
        with db.transaction() as session:
            assert session.scalars(select(InterruptedRequest.kind).order_by(InterruptedRequest.kind)).all() == [
                "lost",
                "retry",
            ]

    def test_a_spot_request_that_failed_for_want_of_its_pool_is_lost_without_being_told(self):
        prices()
        term(purchase="spot", per_hour=Decimal(3))
        books.ingest(
            books.call(
                books.clock("07:26"),
                seconds=60,
                tenant="acme",
                provider="house",
                model="small",
                pool="h100",
                input_tokens=5,
                outcome=ERROR,
                cause=CAUSES.index("unavailable"),
            )
        )
        books.rollup.fold()
        books.post()
        with db.transaction() as session:
            assert session.scalars(select(InterruptedRequest.kind)).all() == ["lost"]

    def test_a_pool_that_was_gone_is_down_where_nothing_ran(self, client, admin):
        books.company()
        books.a_morning()
        assert self.lose(client, admin, restored_at="2026-11-20T07:45:00Z").status_code == 201
        books.post()
        assert (split().used_us, split().down_us) == (1_200_000_000, 900_000_000)

    def test_are_told_once_listed_and_asked_for_again_by_the_ledger(self, client, admin):
        books.company()
        assert self.lose(client, admin, gpus=1).status_code == 201
        assert self.lose(client, admin).status_code == 409
        (item,) = client.get("/api/v1/pools/h100/interruptions", headers=admin).json()["items"]
        assert (item["gpus"], item["cause"]) == (1, "spot capacity taken back")

    @pytest.mark.parametrize(
        "wrong", [{"restored_at": "2026-11-20T07:25:00Z"}, {"interrupted_at": "2099-01-01T00:00:00Z"}, {"gpus": 0}]
    )
    def test_a_wrong_field_is_refused(self, client, admin, wrong):
        books.company()
        assert self.lose(client, admin, **wrong).status_code == 422

    def test_of_a_pool_nobody_knows_are_not_found(self, client, admin):
        assert self.lose(client, admin).status_code == 404


class TestEnergy:
    def test_is_told_by_pool_and_by_model_and_for_a_million_tokens(self, client, admin):
        # 7.2 MJ = 2 kWh for 6.25 million tokens of one model
        books.company()
        books.a_morning()
        cards(7_200_000.0)
        books.post()
        found = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()
        told = {"kwh": "2.000000000000", "tokens": 6_250_000, "kwh_per_million_tokens": "0.320000000000"}
        assert found["energy"] == found["items"][0]["energy"] == told
        with db.transaction() as session:
            small = session.scalar(select(Model.id).where(Model.name == "small"))
        assert found["energy_by_model"] == [{"model_id": small, **told}]

    def test_models_share_a_pools_energy_by_their_work(self):
        books.ingest(
            books.on_pool("acme", "07:10", "07:20", input_tokens=300),
            books.call(
                books.clock("07:20"), tenant="acme", provider="house", model="large", pool="h100", output_tokens=25
            ),
        )  # fmt: skip
        cards(3_600_000.0)
        with db.transaction() as session:
            found = energy.by_model(session, HOUR)
        assert sorted((each.kwh, each.tokens) for each in found.values()) == [
            (Decimal("0.25"), 25),
            (Decimal("0.75"), 300),
        ]


class TestHours:
    def test_each_line_of_an_hour_is_explained(self, client, admin):
        books.company()
        books.a_morning()
        books.post()
        (hour,) = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()["items"]
        assert (hour["hour"], hour["requests"], hour["work"]) == ("2026-11-20T07:00:00Z", 3, "9000000")
        (own,) = hour["stretches"]
        assert own["seconds"] == {"used": "1200", "headroom": "0", "idle": "2400", "down": "0"}
        assert own["cost"] == {
            "total": "6.000000000000", "used": "2.000000000000", "headroom": "0.000000000000",
            "idle": "4.000000000000", "down": "0.000000000000",
        }  # fmt: skip
        assert own["parts_per_hour"] == {"gpus": "6.000000000000"}
        assert (own["purchase"], own["unused"]) == ("on_demand", "4.000000000000")
        assert own["method"] == "busy-union-1, all-awake-1, work-units-1"

    def test_come_in_pages(self, client, admin):
        books.company()
        books.post(books.DAY + timedelta(hours=10, minutes=2))
        asked = {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T12:00:00Z", "limit": 2}
        first = client.get("/api/v1/pools/h100/hours", params=asked, headers=admin).json()
        rest = client.get(
            "/api/v1/pools/h100/hours", params=asked | {"cursor": first["next_cursor"]}, headers=admin
        ).json()
        assert [item["hour"][11:13] for item in first["items"] + rest["items"]] == ["07", "08", "09"]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize(
        "wrong", [{"from": "2026-11-20T07:30:00Z"}, {"to": "2028-11-20T07:00:00Z"}, {"cursor": "WzFd"}]
    )
    def test_a_wrong_question_is_refused(self, client, admin, wrong):
        books.company()
        assert client.get("/api/v1/pools/h100/hours", params=ONE | wrong, headers=admin).status_code == 422

    def test_a_pool_nobody_knows_is_not_found_and_a_tenants_key_sees_none(self, client, admin, make_key):
        assert client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).status_code == 404
        own = bound_headers(make_key, "admin")
        assert client.get("/api/v1/pools/h100/hours", params=ONE, headers=own).status_code == 403


def test_what_a_tenant_pays_by_usage_does_not_move_with_its_neighbours():
    books.company()
    books.ingest(books.on_pool("acme", "07:10", "07:20", input_tokens=1_000_000))
    books.rollup.fold()
    books.post()
    alone = {key: amount for key, amount in balances().items() if key[1] == "cost_centre"}
    books.ingest(*(books.on_pool("bolt", "07:00", "07:59", input_tokens=9_000_000) for _ in range(5)))
    books.rollup.fold()
    books.post()
    crowded = {
        key: amount for key, amount in balances().items() if key[1] == "cost_centre" and key[3] == alone_tenant(alone)
    }
    assert crowded == alone
    assert list(alone.values()) == [Decimal(1)]


def alone_tenant(lines):
    return next(iter(lines))[3]


def test_a_term_that_ends_takes_its_hours_and_their_splits_back():
    books.company()
    books.post()
    with db.transaction() as session:
        session.execute(update(GpuRollup).values(total=0))
        session.execute(text("UPDATE pool_term SET gpus = 0"))
        ledger.post_hour(session, books.SEVEN)
        assert (
            session.scalar(select(func.count()).select_from(PoolHourSplit).where(PoolHourSplit.hour == books.SEVEN))
            == 0
        )
    assert {key for key in balances() if key[0] == books.SEVEN} == set()
