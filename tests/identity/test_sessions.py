"""A session's token is replaced while it is used; an answer that got lost signs nobody out; sessions end."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet import db
from trivet.identity import service, sessions

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = sessions.Rules(most=timedelta(hours=12), idle=timedelta(minutes=30), rotate=timedelta(minutes=15))


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


class Browser:
    """Holds one token, as a browser does, and takes the next one when it is given."""

    def __init__(self, token: str) -> None:
        self.token = token

    def asks(self, at: datetime, *, takes: bool = True, counts: bool = True) -> bool:
        """Whether it is let in; `takes` false: the answer gets lost."""
        with db.transaction() as session:
            found = sessions.who(session, self.token, at, RULES)
            if found is None:
                return False
            fresh = sessions.use(session, *found, at, RULES, counts=counts)
        self.token = fresh if fresh and takes else self.token
        return True


def enter(at: datetime = NOON) -> Browser:
    with db.transaction() as session:
        user = service.find_user(session, "ada@example.test")
        assert user is not None
        return Browser(sessions.begin(session, user, at, RULES, "Firefox/Linux").token)


@pytest.fixture
def ada(database: str) -> int:
    with db.transaction() as session:
        return service.create_user(
            session, email="ada@example.test", name="Ada", role="sre", password="long enough", actor="test"
        ).id


@pytest.fixture
def browser(ada: int) -> Browser:
    made = enter()
    assert made.asks(NOON)
    return made


class TestATokenThatIsUsed:
    def test_is_replaced_after_its_minutes_and_not_before(self, browser: Browser) -> None:
        first = browser.token
        assert browser.asks(minutes(14))
        assert browser.token == first
        assert browser.asks(minutes(15))
        assert browser.token != first

    def test_stays_good_for_requests_in_flight_and_ends_seconds_after_the_next_one_came_back(
        self, browser: Browser
    ) -> None:
        old = Browser(browser.token)
        browser.asks(minutes(15))
        assert old.asks(minutes(15.1))
        assert browser.asks(minutes(15.2))
        assert old.asks(minutes(15.2) + timedelta(seconds=9))
        assert not old.asks(minutes(15.2) + timedelta(seconds=11))
        assert browser.asks(minutes(16))

    def test_goes_on_where_the_answer_with_the_next_one_got_lost(self, browser: Browser) -> None:
        first = browser.token
        assert browser.asks(minutes(15), takes=False)
        assert browser.asks(minutes(15.5), takes=False)
        assert browser.token == first
        assert browser.asks(minutes(17))
        assert browser.token != first
        assert browser.asks(minutes(18))

    def test_asked_for_twice_at_once_is_replaced_once(self, browser: Browser) -> None:
        at = minutes(15)
        with db.transaction() as one, db.transaction() as other:
            found = sessions.who(one, browser.token, at, RULES)
            also = sessions.who(other, browser.token, at, RULES)
            assert found is not None
            assert also is not None
            fresh = sessions.use(one, *found, at, RULES)
            one.commit()
            assert fresh
            assert sessions.use(other, *also, at, RULES) is None

    def test_is_replaced_at_once_when_what_its_person_may_do_has_changed(self, browser: Browser, ada: int) -> None:
        first = browser.token
        with db.transaction() as session:
            sessions.rotate_soon(session, ada, minutes(1))
        assert browser.asks(minutes(2))
        assert browser.token != first


class TestASession:
    def test_ends_unused(self, browser: Browser) -> None:
        assert browser.asks(minutes(29))
        assert browser.asks(minutes(58))
        assert not browser.asks(minutes(89))

    def test_is_not_kept_open_by_a_page_that_asks_by_itself(self, browser: Browser) -> None:
        assert all(browser.asks(minutes(each), counts=False) for each in range(1, 30, 7))
        assert not browser.asks(minutes(31), counts=False)

    def test_ends_after_its_hours_however_much_it_was_used(self, browser: Browser) -> None:
        assert all(browser.asks(minutes(each)) for each in range(0, 720, 20))
        assert not browser.asks(minutes(720))

    def test_ends_with_every_token_it_had(self, browser: Browser) -> None:
        old = Browser(browser.token)
        browser.asks(minutes(15))
        with db.transaction() as session:
            sessions.end(session, browser.token)
        assert not old.asks(minutes(15))
        assert not browser.asks(minutes(15))

    def test_ends_elsewhere_and_stays_here(self, browser: Browser, ada: int) -> None:
        other = enter()
        with db.transaction() as session:
            found = sessions.who(session, browser.token, NOON, RULES)
            assert found is not None
            assert sessions.end_all(session, ada, but=found[1].family) == 1
        assert browser.asks(minutes(1))
        assert not other.asks(minutes(1))

    def test_ends_with_its_person(self, browser: Browser, ada: int) -> None:
        with db.transaction() as session:
            user = service.find_user(session, "ada@example.test")
            assert user is not None
            user.disabled_at = NOON
        assert not browser.asks(minutes(1))

    def test_is_listed_once_however_often_its_token_was_replaced(self, browser: Browser, ada: int) -> None:
        browser.asks(minutes(15))
        browser.asks(minutes(16))
        enter(minutes(3))
        with db.transaction() as session:
            found = sessions.listed(session, ada, minutes(16), RULES)
        assert [(each.since, each.last_seen_at, each.browser) for each in found] == [
            (NOON, minutes(16), "Firefox/Linux"),
            (minutes(3), minutes(3), "Firefox/Linux"),
        ]
