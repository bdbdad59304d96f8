"""Posting against the real database: once, in any order, by many at once."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from tests.support import books
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.ledger import period_close, service, shared_service, tasks
from trivet.ledger.models import Entry, HourDue, Posting
from trivet.ledger.month import bounds
from trivet.ledger.shared_service import Split
from trivet.rollup import tasks as rollup

pytestmark = pytest.mark.usefixtures("database")
TWO_PAST = books.EIGHT + timedelta(minutes=2)


def count(table):
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(table))


def standing():
    """The ledger without its history: what each line adds up to, by hour."""
    with db.transaction() as session:
        return set(
            session.execute(
                text("""SELECT hour, kind, source, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id,
                        currency, sum(amount) FROM entry JOIN posting ON id = posting_id
                        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 HAVING sum(amount) <> 0""")
            ).all()
        )


class TestPosting:
    def test_twice_is_once(self):
        books.company()
        books.a_morning()
        books.post()
        before = count(Posting), count(Entry)
        with db.transaction() as session:
            assert service.post_hour(session, books.SEVEN) == []
        assert books.post() == 0
        assert (count(Posting), count(Entry)) == before

    def test_an_hour_is_posted_only_when_it_and_the_grace_are_over(self):
        books.company()
        books.a_morning()
        assert books.post(books.EIGHT + timedelta(seconds=59)) == 0
        assert books.post(books.EIGHT + timedelta(seconds=60)) == 1

    def test_usage_not_folded_yet_is_posted_too(self):
        books.company()
        books.a_morning()
        books.ingest(books.metered("acme", "07:30", input_tokens=1_000_000))
        books.post()
        with db.transaction() as session:
            total = session.scalar(select(func.sum(Entry.amount)).where(Entry.account == "supply.metered"))
        assert total == Decimal("-8.00")

    def test_a_pool_nobody_used_is_posted_from_its_start_on(self):
        books.pool()
        assert books.post(books.SEVEN + timedelta(hours=30, minutes=5)) == 30
        with db.transaction() as session:
            idle = session.execute(select(func.count(), func.sum(Entry.amount)).where(Entry.account == "idle")).one()
        assert tuple(idle) == (30, Decimal(180))

    def test_catching_up_is_bounded_and_goes_on(self, monkeypatch):
        monkeypatch.setattr(service, "HOURS_MAX", 12)
        books.pool()
        now = books.SEVEN + timedelta(hours=12 + 5, minutes=5)
        assert [books.post(now) for _ in range(3)] == [12, 5, 0]

    def test_a_transaction_takes_no_further_hour_once_its_time_is_over(self):
        """So that a close, a bill and every change wait for seconds only. What was due and what is new both go on."""
        books.pool()
        now = books.NINE + timedelta(minutes=2)
        assert [books.post(now, seconds_max=0) for _ in range(3)] == [1, 1, 0]
        tasks.pool_changed(1, "2026-11-20T07:00:00Z")
        later = now + timedelta(hours=1)
        assert books.post(later, seconds_max=0) == 1
        with db.transaction() as session:
            assert service.posted_until(session) == books.NINE + timedelta(hours=1), "the new hour did not wait"
        assert [books.post(later, seconds_max=0) for _ in range(3)] == [1, 1, 0]
        assert (count(HourDue), count(Posting)) == (0, 3)

    def test_a_change_that_could_not_be_told_is_told_again(self):
        """The outbox hands each over once: posting that takes long, or a database that is away, must not lose it."""
        told_once = [task for task in vars(tasks).values() if str(getattr(task, "name", "")).startswith("ledger.")]
        told_once = [task for task in told_once if task.name not in tasks.SCHEDULE]
        assert {task.name for task in told_once} >= {
            "ledger.pool_changed",
            "ledger.tenant_changed",
            "ledger.tree_changed",
        }
        assert all(OperationalError in task.autoretry_for and task.max_retries == 30 for task in told_once)
        with db.transaction() as session:
            service.terms_changed(session, books.SEVEN)
            assert session.scalar(text("SHOW lock_timeout")) == "2min"

    def test_a_pool_without_terms_is_metered(self):
        books.price("house", "small", input="1", output="4")
        books.ingest(books.on_pool("acme", "07:00", "07:30", input_tokens=1_000_000))
        rollup.fold()
        books.post()
        with db.transaction() as session:
            assert set(session.scalars(select(Posting.kind))) == {"metered"}

    def test_unpriced_requests_are_not_posted_as_zero(self):
        books.ingest(call(books.clock("07:30"), provider="nobody", model="unheard-of", input_tokens=10))
        rollup.fold()
        books.post()
        assert count(Posting) == 0

    def test_a_changed_term_makes_the_hours_since_due_again(self):
        books.pool()
        books.post(books.NINE + timedelta(minutes=2))
        books.pool(gpus=4, start=books.EIGHT)
        assert tasks.pool_changed(1, "2026-11-20T08:00:00Z") == 1
        books.post(books.NINE + timedelta(minutes=2))
        with db.transaction() as session:
            by_hour = dict(
                session.execute(
                    select(Posting.hour, func.sum(Entry.amount))
                    .join(Entry, Entry.posting_id == Posting.id)
                    .where(Entry.account == "idle")
                    .group_by(Posting.hour)
                ).all()
            )
        assert by_hour == {books.SEVEN: Decimal(6), books.EIGHT: Decimal(12)}

    def test_terms_that_reach_back_to_none_take_the_hour_back(self):
        books.pool()
        books.post()
        books.pool(gpus=0, start=books.SEVEN - timedelta(hours=1))
        with db.transaction() as session:
            session.execute(text("UPDATE pool_term SET gpus = 0"))
            service.post_hour(session, books.SEVEN)
        assert standing() == set()

    def test_a_call_of_many_hours_counts_in_each_of_them_however_late_it_is_told(self):
        """Nine hours on two GPUs at 3 USD: told when it ends, after the hours it ran in were posted as idle."""
        books.company()
        now = books.SEVEN + timedelta(hours=10, minutes=2)
        books.post(now)
        ingest(books.on_pool("acme", "07:00", "16:00", input_tokens=9_000_000))
        rollup.fold()
        books.post(now)
        with db.transaction() as session:
            borne = dict(
                session.execute(
                    select(Posting.hour, func.sum(Entry.amount))
                    .join(Entry, Entry.posting_id == Posting.id)
                    .where(Entry.tenant_id != 0)
                    .group_by(Posting.hour)
                    .having(func.sum(Entry.amount) != 0)
                ).all()
            )
        assert borne == {books.SEVEN + timedelta(hours=n): Decimal(6) for n in range(9)}


def some_calls(rng):
    return [
        maker(rng.choice(["acme", "bolt", "crow"]), *at, input_tokens=rng.randrange(10**6), output_tokens=rng.randrange(10**5))
        for maker, at in [(books.metered, ("07:30",))] * 10 + [(books.on_pool, ("07:10", "07:25"))] * 10 + [(books.on_pool, ("07:50", "08:10"))] * 4
    ]  # fmt: skip


def forget_all():
    tables = (
        "request, usage_delta, rollup_10s, rollup_1m, rollup_1h, hour_due, posting, entry, posted_hour, balance_day, "
        "balance_centre, balance_period, period"
    )
    with db.transaction() as session:
        session.execute(text(f"TRUNCATE {tables}"))


def in_any_order(rng, calls):
    """Stored in batches of any size and order, some again; a step after each, in which the rest may be posted or not."""
    rng.shuffle(calls)
    while calls:
        size = rng.randrange(1, 6)
        ingest(*calls[:size])
        ingest(*calls[: rng.randrange(size + 1)])
        calls = calls[size:]
        yield


def fold_and_post():
    rollup.fold()
    books.post(books.NINE + timedelta(minutes=2))


def test_order_batches_and_resends_change_nothing():
    rng = seeded()
    books.company()
    calls = some_calls(rng)
    ingest(*calls)
    fold_and_post()
    whole = standing()
    forget_all()
    for _ in in_any_order(rng, calls):
        if rng.random() < 0.5:
            fold_and_post()
    fold_and_post()
    assert standing() == whole


def share_costs():
    """One split by the usage of the hour, one by that of the day."""
    with db.transaction() as session:
        for usage_of in ("hour", "day"):
            shared_service.add(
                session, name=f"by the {usage_of}", recurs="once", start=books.DAY, end=books.DAY + timedelta(days=1),
                amount=Decimal(100), currency="USD", split=Split("proportional", (), usage_of), note="", actor="t",
                now=books.NINE,
            )  # fmt: skip


def look_ahead():
    """As if every hour of the month had been looked at: what lies in it is late, and the month can close."""
    with db.transaction() as session:
        session.execute(text("UPDATE posted_hour SET posted_until = '2026-12-01T00:00Z'"))
        session.execute(text("INSERT INTO hour_due VALUES (:hour) ON CONFLICT DO NOTHING"), {"hour": books.SEVEN})
    books.post(books.NINE + timedelta(minutes=2))


def close(month, now):
    with db.transaction() as session:
        session.execute(text("UPDATE posted_hour SET posted_until = :at"), {"at": bounds(month).end})
        period_close.request(session, month=month, reason="r", actor="ann", now=now, grace_s=0)
    with db.transaction() as session:
        return period_close.close(session, month=month, actor="bob", now=now, grace_s=0).totals


def as_of(month):
    borne = text(
        "SELECT currency, sum(amount) FROM balance_day WHERE period <= :of AND account NOT LIKE 'supply%' GROUP BY 1"
    )
    with db.transaction() as session:
        return {currency: amount for currency, amount in session.execute(borne, {"of": month}) if amount}


def test_closes_in_between_change_no_sum_and_each_stays_what_it_was():
    rng = seeded()
    books.company()
    share_costs()
    calls = some_calls(rng)
    ingest(*calls)
    fold_and_post()
    look_ahead()
    whole = standing()
    forget_all()
    months = ["2026-11", "2026-12", "2027-01"]
    closed = {}
    for step, _ in enumerate(in_any_order(rng, calls)):
        fold_and_post()
        if step % 2 == 0:
            look_ahead()
        if step % 2 and months:
            month = months.pop(0)
            total = close(month, bounds(month).end)
            closed[month] = as_of(month)
            before = closed.get(max((m for m in closed if m < month), default=""), {})
            assert Decimal(total.get("USD", "0")) == closed[month]["USD"] - before.get("USD", Decimal(0))
    fold_and_post()
    look_ahead()
    assert standing() == whole
    assert {month: as_of(month) for month in closed} == closed
    assert len(closed) > 1


def test_many_posters_and_folders_at_once_post_once():
    books.company()
    books.a_morning()
    failures = []

    def work(step):
        try:
            for _ in range(6):
                step()
        except Exception as error:
            failures.append(error)

    def late():
        books.ingest(books.on_pool("bolt", "07:40", "07:50", input_tokens=1000))

    steps = [books.post, books.post, rollup.fold, rollup.fold, late]
    threads = [threading.Thread(target=work, args=(step,)) for step in steps]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert failures == []
    rollup.fold()
    books.post()
    assert count(HourDue) == 0
    after = standing()
    with db.transaction() as session:
        assert service.post_hour(session, books.SEVEN) == []
    charged = sum(row[-1] for row in after if row[3] in {"cost_centre", "unattributed"} and row[1] == "pool")
    assert charged == Decimal("9.10") + 6 * Decimal("0.001")


class TestTheDatabaseRefuses:
    def row(self, session, *amounts):
        posting = Posting(
            kind="metered", source="x", hour=books.SEVEN, sequence=0, period="2026-11", method="m", reason="r"
        )
        session.add(posting)
        session.flush()
        names = {"cost_centre_id": 0, "tenant_id": 0, "scenario_id": 0, "model_id": 0, "pool_id": 0, "currency": "USD"}
        for line, amount in enumerate(amounts):
            session.add(Entry(posting_id=posting.id, line=line, account="idle", amount=Decimal(amount), **names))
        session.flush()
        return posting.id

    def test_a_posting_that_does_not_balance(self):
        with pytest.raises(IntegrityError, match="does not balance"), db.transaction() as session:
            self.row(session, "1", "-0.999999999999")

    def test_a_change_of_what_is_posted(self):
        with db.transaction() as session:
            self.row(session, "1", "-1")
        for change in ("UPDATE entry SET amount = 2", "DELETE FROM entry", "UPDATE posting SET hour = now()"):
            with pytest.raises(DBAPIError, match="only grows"), db.transaction() as session:
                session.execute(text(change))
