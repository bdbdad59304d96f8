"""A hold takes room of every budget it falls under, or of none; each call is committed once, held or spent."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update
from tests.budget.reserve.support import (
    EARLIER,
    NOON,
    amount,
    budget,
    do,
    dollar_tokens,
    held,
    hold,
    kept,
    one,
    post,
    refresh,
    spend,
    tokens_of,
    void,
    windows,
)  # fmt: skip

from trivet import db
from trivet.budget import refresh as refreshing
from trivet.budget.reserve import endings
from trivet.budget.reserve.ask import Caller, Extend
from trivet.budget.reserve.models import STATES, Reservation
from trivet.budget.reserve.refusals import BudgetExceeded, NoBound
from trivet.budget.reserve.tasks import expire
from trivet.ingest.models import Denial
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.pricing import exchange
from trivet.pricing.rate import Tokens
from trivet.tenant import service as tenants

pytestmark = pytest.mark.usefixtures("database")
GRACE = timedelta(seconds=900)


class TestAHold:
    def test_takes_room_of_every_layer(self) -> None:
        budget("all", "10")
        budget("each tenant", "4", scope="tenant")
        told = one(hold("1.50"))
        assert windows() == [("all", 0, Decimal("1.5")), ("each tenant", 0, Decimal("1.5"))]
        assert [(layer.budget, committed) for layer, committed in told.layers] == [
            ("all", Decimal("1.5")), ("each tenant", Decimal("1.5")),
        ]  # fmt: skip

    def test_that_does_not_fit_one_layer_takes_nothing_of_any(self) -> None:
        budget("all", "10")
        budget("each tenant", "4", scope="tenant")
        one(hold("3"))
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("1.000000000001"))
        assert refused.value.refusal.layer.budget == "each tenant"
        assert refused.value.refusal.remaining == 1
        assert [row[2] for row in windows()] == [3, 3]
        one(hold("1"))
        assert [row[2] for row in windows()] == [4, 4]

    def test_is_never_shrunk_to_fit(self) -> None:
        budget("all", "10")
        assert [type(each).__name__ for each in do(hold("8"), hold("3"), hold("2"))] == [
            "Told",
            "BudgetExceeded",
            "Told",
        ]
        assert held() == 10

    def test_of_another_tenant_leaves_its_own_layer_alone(self) -> None:
        budget("each tenant", "4", scope="tenant")
        one(hold("4"))
        one(hold("4", tenant="bolt"))
        assert [row[2] for row in windows()] == [4, 4]

    def test_counts_in_tokens_and_requests_too(self) -> None:
        budget("tokens", "100", measure="tokens")
        budget("requests", "3", measure="requests")
        one(hold(tokens_of(input_tokens=40, max_output_tokens=10, max_retries=1)))
        assert windows() == [("tokens", 0, 100), ("requests", 0, 2)]
        with pytest.raises(BudgetExceeded, match="requests"):
            one(hold(tokens_of(input_tokens=0, max_output_tokens=0, max_retries=1)))

    def test_of_a_budget_that_judges_each_request_is_checked_and_holds_nothing(self) -> None:
        budget("one request", "0.50", scope="request", window="request")
        one(hold("0.50"))
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("0.51"))
        assert refused.value.problem()["layer"] == "request"
        assert windows() == []

    def test_is_held_of_a_budget_that_is_not_hard_and_never_refused_by_it(self) -> None:
        budget("soft", "1", hard=False)
        one(hold("5"))
        assert held() == 5

    def test_that_may_end_in_the_next_window_is_held_in_both(self) -> None:
        budget("a day", "4", window="day")
        before_midnight = NOON.replace(hour=23, minute=59, second=30)
        one(hold("3"), before_midnight)
        assert [row[2] for row in windows()] == [3, 3]
        with pytest.raises(BudgetExceeded):
            one(hold("2"), before_midnight + timedelta(minutes=1))

    def test_in_another_currency_is_converted_and_rounded_up(self) -> None:
        budget("euros", "10", currency="EUR")
        with pytest.raises(NoBound, match="No rate from USD to EUR"):
            one(hold("1"))
        with db.transaction() as session:
            exchange.add_rate(
                session, from_currency="USD", to_currency="EUR", effective_from=NOON.date(), rate=Decimal("0.9"),
                source="ECB", actor="finance",
            )  # fmt: skip
        one(hold("1.000000000001"))
        assert held() == Decimal("0.900000000001")  # 0.9000000000009


class TestEveryLayer:
    @pytest.mark.parametrize("scope", ["end_user", "key", "scenario", "tenant", "cost_centre", "global"])
    def test_refuses_on_its_own(self, scope) -> None:
        with db.transaction() as session:
            tenants.register(
                session, name="acme", cost_centre="CC-7", effective_from=EARLIER, actor="finance", now=EARLIER
            )
        budget("the layer", "3", scope=scope)
        named = {"scenario": "chat", "end_user": "ann", "interaction": "talk"}
        one(hold("2", **named))
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("2", **named))
        assert refused.value.problem()["layer"] == scope
        assert held() == 2

    def test_is_an_interactions_own(self) -> None:
        budget("a talk", "3", scope="interaction", window="interaction")
        one(hold("2", interaction="one"))
        one(hold("2", interaction="two"))
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("2", interaction="one"))
        assert (refused.value.problem()["layer"], refused.value.problem()["resets_at"]) == ("interaction", None)
        one(hold("9"))  # of no interaction that is named

    def test_of_each_end_user_is_nobodys_where_none_is_named(self) -> None:
        budget("each user", "3", scope="end_user")
        one(hold("2"))
        one(hold("2"))
        assert windows() == []

    def test_is_told_the_narrowest_first(self) -> None:
        budget("all", "1")
        budget("each tenant", "1", scope="tenant")
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("2"))
        assert refused.value.problem()["layer"] == "tenant"


class TestAnUnknownPrice:
    def test_is_refused_by_a_budget_that_is_closed_to_it(self) -> None:
        budget("all", "10")
        with pytest.raises(NoBound, match="the model has no price") as refused:
            one(hold(tokens_of(model="nobody-knows", provider="nobody", input_tokens=1, max_output_tokens=1)))
        assert refused.value.problem()["missing"] == "the model has no price"

    def test_is_granted_at_nothing_by_one_that_is_open(self) -> None:
        budget("all", "10", unknown_price="open")
        told = one(hold(tokens_of(model="nobody-knows", provider="nobody", input_tokens=1, max_output_tokens=1)))
        assert (told.unbounded, held()) == ("the model has no price", 0)

    def test_in_a_currency_without_a_rate_is_held_at_nothing_too(self) -> None:
        budget("all", "10", currency="EUR", unknown_price="open")
        told = one(hold("2"))
        assert (told.unbounded[:23], held()) == ("No rate from USD to EUR", 0)
        one(post(told.id, "3"))
        assert held() == 0

    def test_without_any_bound_of_the_input_is_the_same(self) -> None:
        budget("all", "10")
        with pytest.raises(NoBound, match="input_tokens has no bound"):
            one(hold(tokens_of(max_output_tokens=10)))

    def test_does_not_matter_to_a_budget_of_requests(self) -> None:
        budget("requests", "10", measure="requests")
        one(hold(tokens_of(model="nobody-knows", provider="nobody")))
        assert held() == 1

    def test_granted_without_one_takes_its_currency_from_its_post(self) -> None:
        budget("all", "10", unknown_price="open")
        told = one(hold(tokens_of(model="nobody-knows", provider="nobody", input_tokens=1, max_output_tokens=1)))
        one(post(told.id, "2"))
        assert held() == 2


class TestAPost:
    def test_sets_the_hold_to_what_the_call_came_to(self) -> None:
        budget()
        told = one(hold("5"))
        one(post(told.id, "2"))
        assert held() == 2

    def test_beyond_the_estimate_is_held_and_the_excess_kept(self) -> None:
        budget("all", "10")
        told = one(hold("5"))
        assert one(post(told.id, "12")).standing.excess.money == 7
        assert held() == 12
        with pytest.raises(BudgetExceeded):
            one(hold("0.01"))

    def test_stays_held_until_the_snapshot_in_which_its_span_is_spent(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold("5"))
        one(post(told.id, "3"))
        spend(3, told.id)
        assert windows() == [("all", 0, 3)]
        refresh()
        assert windows() == [("all", 3, 0)]

    def test_stays_held_where_the_refresh_took_only_what_came_in_before(self, monkeypatch) -> None:
        budget("all", "20")
        dollar_tokens()
        first, second = one(hold("5")), one(hold("5"))
        spend(3, first.id)
        spend(4, second.id)
        do(post(first.id, "3"), post(second.id, "4"))
        monkeypatch.setattr(refreshing, "DELTAS_MAX", 1)
        seen = []
        for _ in range(3):
            refresh()
            seen += [windows()]
        assert seen == [[("all", 3, 4)], [("all", 7, 0)], [("all", 7, 0)]]

    def test_after_its_span_was_counted_counts_nothing_twice(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold("5"))
        spend(3, told.id)
        refresh()
        assert windows() == [("all", 3, 2)]  # 5 are committed still: it may have a retry
        one(post(told.id, "3"))
        assert windows() == [("all", 3, 0)]

    def test_of_usage_is_priced_by_the_book(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold(tokens_of(model="dollar", provider="house", input_tokens=4, max_output_tokens=2)))
        assert held() == 6
        one(post(told.id, usage=Tokens(input=3, output=1)))
        assert held() == 4

    def test_twice_is_refused(self) -> None:
        budget()
        told = one(hold("5"))
        one(post(told.id, "2"))
        with pytest.raises(Conflict):
            one(post(told.id, "2"))
        assert held() == 2

    def test_of_a_call_that_was_never_made_frees_it(self) -> None:
        budget()
        told = one(hold("5"))
        one(post(told.id, "0", requests=0))
        assert held() == 0
        assert kept(told.id).settled_at == NOON

    def test_in_another_currency_is_refused(self) -> None:
        budget()
        told = one(hold("5"))
        given = post(told.id)
        with pytest.raises(Invalid, match="in USD"):
            one(type(given)(given.caller, told.id, amount=Decimal(1), currency="EUR"))


class TestAVoid:
    def test_frees_it_at_once_and_may_be_told_twice(self) -> None:
        budget()
        told = one(hold("5"))
        one(void(told.id))
        one(void(told.id))
        assert held() == 0

    def test_of_what_was_called_after_all_counts_as_spent(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold("5"))
        one(void(told.id))
        spend(3, told.id)
        refresh()
        assert windows() == [("all", 3, 0)]


class TestABlock:
    def test_is_drawn_from_and_posted_in_parts(self) -> None:
        budget()
        told = one(hold("1", calls=4))
        assert held() == 4
        one(post(told.id, "0.5", calls=2))
        assert held() == Decimal("2.5")
        one(post(told.id, "0.1", calls=1, close=True))
        assert held() == Decimal("0.6")
        assert kept(told.id).posted_calls == 3

    def test_takes_no_more_posts_than_it_has_calls(self) -> None:
        budget()
        told = one(hold("1", calls=4))
        with pytest.raises(Invalid, match="4 of its 4"):
            one(post(told.id, "9", calls=5))


class TestAnExtension:
    def test_checks_every_layer_again(self) -> None:
        budget("all", "10")
        told = one(hold("4"))
        one(Extend(hold().caller, told.id, amount("9")))
        assert held() == 9
        with pytest.raises(BudgetExceeded) as refused:
            one(Extend(hold().caller, told.id, amount("11")))
        assert refused.value.refusal.remaining == 10
        assert held() == 9


class TestOneThatNobodyEnds:
    def test_expires_and_counts_until_its_usage_arrives(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold("5"))
        later = NOON + timedelta(seconds=60)
        with db.transaction() as session:
            assert endings.expire(session, later - timedelta(seconds=1)) == 0
            assert endings.expire(session, later) == 1
        assert held() == 5
        spend(3, told.id)
        refresh()
        assert windows() == [("all", 3, 0)]

    def test_counts_until_the_grace_ends(self) -> None:
        budget()
        one(hold("5"))
        ended = NOON + timedelta(seconds=60)
        for at, still in ((ended, 5), (ended + GRACE - timedelta(seconds=1), 5), (ended + GRACE, 0)):
            with db.transaction() as session:
                endings.expire(session, at)
                endings.give_up(session, at, 900)
            assert held() == still

    def test_is_ended_by_the_clock_and_counted(self) -> None:
        budget()
        told = one(hold("5"))  # a time long gone, so that the task finds it due, and over its grace as well
        with db.transaction() as session:
            long_ago = NOON - timedelta(days=365)
            session.execute(update(Reservation).values(expires_at=long_ago))
        assert expire() >= 1
        assert (kept(told.id).state, kept(told.id).ended_at is not None) == (STATES.index("expired"), True)
        with db.transaction() as session:
            assert session.scalar(select(Denial.items).where(Denial.reason == "reservation_expired")) == 1

    def test_is_forgotten_a_day_after_it_held_anything(self) -> None:
        told = one(hold("5"))
        one(void(told.id))
        with db.transaction() as session:
            assert endings.forget(session, NOON + timedelta(hours=24), 24) == 0
            assert endings.forget(session, NOON + timedelta(hours=24, seconds=1), 24) == 1
        assert kept(told.id) is None
        with pytest.raises(NotFound):
            one(void(told.id))


class TestWhoMayTouchIt:
    def test_a_key_bound_to_a_tenant_holds_for_that_tenant_and_sees_no_other(self) -> None:
        budget("each tenant", "4", scope="tenant")
        mine = one(hold("1"))
        tenant_id = kept(mine.id).tenant_id
        bound = Caller("key:bound", 7, tenant_id + 1)
        theirs = one(hold("1", caller=bound))
        assert kept(theirs.id).tenant_id == tenant_id + 1
        with pytest.raises(NotFound):
            one(void(mine.id, caller=bound))

    def test_a_span_of_another_tenant_frees_nothing(self) -> None:
        budget()
        dollar_tokens()
        told = one(hold("5"))
        spend(3, told.id, tenant="bolt")
        refresh()
        assert windows() == [("all", 3, 5)]
