"""A month closes once, by a second person, when nothing stands in the way, and stays closed."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from tests.support import books
from tests.support.months import GRACE_S, LATE, NOON, as_of, ask, close, post, posted_until, ready

from trivet import db
from trivet.identity import service as identity
from trivet.identity.models import Audit
from trivet.ledger import book, month, period_checks, period_close, periods
from trivet.ledger.book import Source
from trivet.ledger.models import HourDue, Period, Posting
from trivet.ledger.period_checks import Found
from trivet.ledger.period_figures import balances_hash
from trivet.ledger.posting import Line

pytestmark = pytest.mark.usefixtures("database")


def closed_october():
    ready()
    ask()
    return close()


def bookings():
    with db.transaction() as session:
        return session.execute(select(Posting.period, Posting.adjusts).order_by(Posting.id)).all()


class TestMonths:
    @pytest.mark.parametrize(
        ("of", "shut", "booked"),
        [
            ("2026-10", "", ("2026-10", "")),
            ("2026-10", "2026-09", ("2026-10", "")),
            ("2026-10", "2026-10", ("2026-11", "2026-10")),
            ("2026-08", "2026-10", ("2026-11", "2026-08")),
            ("2026-12", "2026-12", ("2027-01", "2026-12")),
        ],
    )
    def test_a_posting_goes_to_its_month_or_to_the_first_open_one_after_it(self, of, shut, booked):
        assert month.booking(of, shut) == booked

    def test_a_month_is_half_open(self):
        assert month.bounds("2026-12").start == datetime(2026, 12, 1, tzinfo=UTC)
        assert month.bounds("2026-12").end == datetime(2027, 1, 1, tzinfo=UTC)


class TestClosing:
    def test_freezes_what_it_closes_at_and_says_who(self):
        period = closed_october()
        assert (period.state, period.requested_by, period.closed_by) == ("closed", "ann@example.com", "bob@example.com")
        assert (period.totals, period.closed_at, period.last_posting_id) == ({"USD": "12.500000000000"}, LATE, 1)
        with db.transaction() as session:
            assert periods.state(session, "2026-10") == "closed"
            assert periods.state(session, "2026-09") == "closed"  # closing a month shuts all before it
            assert periods.state(session, "2026-11") == "open"
            assert periods.closed(session) == ["2026-10"]

    def test_what_comes_after_is_an_adjustment_that_names_the_month(self):
        closed_october()
        post("13.70")
        post("4", NOON - timedelta(days=40))
        assert bookings() == [("2026-10", ""), ("2026-11", "2026-10"), ("2026-11", "2026-09")]
        assert as_of("2026-10") == {"USD": Decimal("12.50")}
        assert as_of("2026-11") == {"USD": Decimal("17.70")}

    def test_a_month_asked_for_still_takes_postings(self):
        ready()
        ask()
        post("13.00")
        assert bookings() == [("2026-10", ""), ("2026-10", "")]
        assert close().totals == {"USD": "13.000000000000"}

    def test_twice_is_once_whoever_asks(self):
        first = closed_october()
        post("99")
        for actor in ("cat@example.com", "ann@example.com"):
            again = close(actor=actor, now=LATE + timedelta(days=1))
            assert (again.closed_by, again.closed_at, again.totals, again.balances_hash) == (
                first.closed_by, first.closed_at, first.totals, first.balances_hash,
            )  # fmt: skip
        with db.transaction() as session:
            steps = session.scalars(select(Audit.action).where(Audit.subject == "period:2026-10").order_by(Audit.id))
            assert list(steps) == ["period.request-close", "period.close"]

    def test_twenty_at_once_are_one_close(self):
        ready()
        ask()
        answers, failures = [], []
        together = threading.Barrier(20)

        def work(number):
            try:
                together.wait(30)
                made = close(actor=f"p{number}@example.com")
                answers.append((made.closed_by, made.totals["USD"], made.balances_hash))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert failures == []
        assert len(answers) == 20
        assert len(set(answers)) == 1
        with db.transaction() as session:
            assert session.scalar(select(func.count()).where(Audit.action == "period.close")) == 1

    def test_no_posting_slips_in_between(self):
        """Somebody posts all the while: what October closed at is what stands in it afterwards."""
        ready()
        ask()
        stop = threading.Event()

        def poster():
            number = 0
            while not stop.is_set():
                number += 1
                post(str(number), source=Source("metered", "late", "standard-1"))

        thread = threading.Thread(target=poster)
        thread.start()
        try:
            while len(bookings()) < 5:
                assert thread.is_alive()
            made = close()
            seen = len(bookings())
            while len(bookings()) < seen + 5:
                assert thread.is_alive()
        finally:
            stop.set()
            thread.join()
        assert as_of("2026-10") == {"USD": Decimal(made.totals["USD"])}
        assert bookings()[-1] == ("2026-11", "2026-10")

    def test_its_hash_says_whether_it_is_still_the_same(self):
        made = closed_october()
        post("13.70")
        with db.transaction() as session:
            assert balances_hash(session, "2026-10", "") == made.balances_hash
            session.execute(text("UPDATE balance_day SET amount = amount + 1 WHERE period = '2026-10'"))
            assert balances_hash(session, "2026-10", "") != made.balances_hash

    def test_the_next_month_follows_with_its_adjustments_in_it(self):
        october = closed_october()
        post("13.70")
        posted_until(month.bounds("2026-11").end)
        december = datetime(2026, 12, 2, tzinfo=UTC)
        ask("2026-11", now=december)
        november = close("2026-11", now=december)
        assert november.totals == {"USD": "1.200000000000"}
        assert november.balances_hash != october.balances_hash
        post("14.00")
        assert bookings()[-1] == ("2026-12", "2026-10")
        assert [as_of(of)["USD"] for of in ("2026-10", "2026-11", "2026-12")] == [
            Decimal("12.50"), Decimal("13.70"), Decimal("14.00"),
        ]  # fmt: skip


class TestWarnings:
    def test_say_what_whoever_closes_should_have_seen_and_stop_nothing(self):
        books.ingest(books.call(NOON, tenant="acme", provider="x", model="unheard-of", input_tokens=1))
        books.rollup.fold()
        with db.transaction() as session:
            session.execute(text("DELETE FROM hour_due"))
        ready()
        post("1", NOON, source=Source("metered", "other", "standard-1"), centre=0)
        bill = {
            Line("bill_variance", 0, 0, 0, 1, 0, "USD"): Decimal(3),
            Line("supply.bill", 0, 0, 0, 1, 0, "USD"): Decimal(-3),
        }
        with db.transaction() as session:
            book.alone(session)
            book.post(session, Source("bill", "openai 2026-10", "difference-1"), NOON, bill, "As worked out.")
            found = period_checks.warnings(session, "2026-10", LATE)
        assert [each.name for each in found] == ["unattributed", "unpriced", "bill_variance"]
        assert found[0].detail.startswith("1.000000000000 USD, 6.1 % of the total")
        assert found[1].detail.startswith("1 request has no price")
        assert "by 3.000000000000 USD" in found[2].detail
        ask()
        assert close().totals == {"USD": "16.500000000000"}


class TestRefusals:
    def refused(self, step, *named):
        with pytest.raises(period_close.NotReady) as refusal:
            step()
        problem = refusal.value.problem()
        assert problem["type"] == "urn:trivet:problem:not-ready"
        assert [each["field"] for each in problem["errors"]] == list(named)

    def test_a_month_that_is_not_over(self):
        ready()
        self.refused(lambda: ask(now=datetime(2026, 11, 1, 0, 0, 59, tzinfo=UTC)), "month_not_over")
        ask(now=datetime(2026, 11, 1, 0, 1, tzinfo=UTC))

    def test_hours_that_were_never_posted(self):
        post("1")
        self.refused(ask, "hours_not_posted")
        posted_until(month.bounds("2026-10").end - timedelta(hours=1))
        self.refused(ask, "hours_not_posted")

    def test_hours_that_are_due_again_also_after_somebody_asked(self):
        ready()
        ask()
        with db.transaction() as session:
            session.add(HourDue(hour=NOON))
        self.refused(close, "hours_due")
        with db.transaction() as session:
            session.execute(text("DELETE FROM hour_due"))
            session.add(HourDue(hour=month.bounds("2026-10").end))
        assert close().state == "closed"

    def test_usage_that_is_not_counted_yet(self):
        ready()
        books.ingest(books.call(NOON, tenant="acme", input_tokens=1))
        self.refused(ask, "usage_not_folded")

    def test_an_earlier_month_that_is_open(self):
        post("1", NOON - timedelta(days=40))
        ready()
        self.refused(ask, "earlier_open")
        with pytest.raises(period_close.NotReady, match="2026-09 is still open: close it first"):
            ask()

    def test_what_a_later_context_finds(self, monkeypatch):
        def unfinished(session, of, complete):
            del session, complete
            yield Found("bills", f"One bill of {of} is not matched.", "/bills")

        monkeypatch.setitem(period_checks.CHECKS, "bills", unfinished)
        ready()
        self.refused(ask, "bills")

    @pytest.mark.parametrize("actor", ["ann@example.com", "key:anns"])
    def test_the_same_person_also_through_a_key_of_theirs(self, actor):
        with db.transaction() as session:
            identity.create_key(session, name="anns", scopes=["admin"], tenant=None, actor="ann@example.com")
        ready()
        ask()
        with pytest.raises(period_close.SamePerson, match="closing takes a second person"):
            close(actor=actor)
        with db.transaction() as session:
            assert periods.state(session, "2026-10") == "closing"

    def test_a_close_that_nobody_asked_for(self):
        ready()
        with pytest.raises(period_close.NotAsked):
            close()

    def test_asking_again_changes_nothing_and_another_is_told_to_close_it(self):
        ready()
        ask()
        ask(now=LATE + timedelta(days=1))
        with db.transaction() as session:
            assert session.scalar(select(Period.requested_at)) == LATE
        with pytest.raises(period_close.AlreadyAsked, match=r"ann@example\.com asked"):
            ask(actor="bob@example.com")

    def test_opening_a_closed_month_again_by_any_step(self):
        closed_october()
        for step in (ask, lambda: cancel("2026-10"), lambda: ask("2026-09"), lambda: close("2026-09")):
            with pytest.raises(period_close.AlreadyClosed, match="stays so"):
                step()

    def test_a_request_taken_back_opens_the_month_for_another(self):
        ready()
        ask()
        cancel("2026-10")
        with pytest.raises(period_close.NotAsked):
            close()
        with pytest.raises(period_close.NotAsked):
            cancel("2026-10")
        ask(actor="bob@example.com")
        assert close(actor="ann@example.com").closed_by == "ann@example.com"


def cancel(of):
    with db.transaction() as session:
        period_close.cancel(session, month=of, actor="ann@example.com", reason="A bill is missing.")


class TestTheDatabaseRefuses:
    @pytest.mark.parametrize("of", ["2026-10", "2026-09"])
    def test_a_posting_in_a_closed_month(self, of):
        closed_october()
        with pytest.raises(DBAPIError, match=f"period {of} is closed"):
            posting_in(of)

    def test_any_change_of_a_closed_month(self):
        closed_october()
        for change in ("UPDATE period SET state = 'open', closed_by = NULL, closed_at = NULL", "DELETE FROM period"):
            with pytest.raises(DBAPIError, match="stays closed"), db.transaction() as session:
                session.execute(text(change))

    def test_a_poster_that_is_not_alone_waits_for_the_close_and_is_refused(self):
        ready()
        ask()
        outcome = []

        def rival():
            try:
                posting_in("2026-10")
                outcome.append("posted")
            except DBAPIError as error:
                outcome.append(str(error.orig))

        with db.transaction() as session:
            period_close.close(session, month="2026-10", actor="bob@example.com", now=LATE, grace_s=GRACE_S)
            thread = threading.Thread(target=rival)
            thread.start()
            while not _is_waiting():
                assert thread.is_alive()
        thread.join()
        assert "is closed" in outcome[0]


def posting_in(of):
    """As somebody would who goes round `book.post`."""
    row = {"kind": "metered", "source": "x", "hour": NOON, "sequence": 9, "method": "m", "reason": "r"}
    with db.transaction() as session:
        session.add(Posting(**row, period=of))


def _is_waiting():
    waiting = text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
    )
    with db.transaction() as session:
        return session.scalar(waiting)
