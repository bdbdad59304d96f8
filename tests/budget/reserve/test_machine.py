"""Hold, post, void, expire, measure, refresh, in any order: no budget is ever promised twice, and all is measured at last.

Every token costs a dollar, so amounts are small whole numbers. Each run has a tenant, a scenario and budgets of its own.
"""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from tests.budget.reserve.support import NOON, budget, do, dollar_tokens, hold, post, refresh, spend, void

from trivet import db
from trivet.budget.models import Budget, BudgetWindow
from trivet.budget.reserve import endings
from trivet.budget.reserve.decide import in_window
from trivet.budget.reserve.models import Reservation, ReservationHold
from trivet.budget.reserve.standing import settle
from trivet.budget.reserve.store import standing_of
from trivet.kit.errors import TrivetError
from trivet.tenant.models import Tenant

LIMIT, REQUESTS = 20, 12
GRACE_S = 900
_run = count()


class Reservations(RuleBasedStateMachine):
    """The model is what each reservation's calls cost, and how much of it was told."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.tenant = f"tenant-{next(_run)}"
        with db.transaction() as session:
            tenant_id = db.named_ids(session, Tenant, [self.tenant])[self.tenant]
        self.tenant_id = tenant_id
        budget(f"money of {self.tenant}", str(LIMIT), scope="tenant", subject_id=tenant_id)
        budget(f"requests of {self.tenant}", str(REQUESTS), scope="tenant", subject_id=tenant_id, measure="requests")
        self.measured = self.requests = 0
        self.posted: dict[Any, int] = {}
        self.told: dict[Any, int] = {}
        self.later = NOON

    @rule(target=held, asks=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=4))
    def hold_some(self, asks: list[tuple[int, int]]) -> Any:
        """Several callers at once, committed together."""
        came = do(*(hold(str(each), tenant=self.tenant, calls=calls, ttl_s=60) for each, calls in asks))
        granted = [each for each in came if not isinstance(each, TrivetError)]
        for measure, window in self._windows().items() if granted else ():
            assert window.spent + window.held <= (LIMIT if measure == "money" else REQUESTS)
        return [each.id for each in granted]

    @rule(ids=held, cost=st.integers(0, 12), calls=st.one_of(st.none(), st.integers(0, 3)))
    def post_one(self, ids: Any, cost: int, calls: int | None) -> None:
        """It may come to more than was granted: nobody can refuse that any more."""
        for id_ in ids[:1]:
            [came] = do(post(id_, str(cost), calls=calls, requests=calls))
            if not isinstance(came, TrivetError):
                self.posted[id_] = self.posted.get(id_, 0) + cost

    @rule(ids=held)
    def void_all(self, ids: Any) -> None:
        if ids:
            do(*map(void, ids))

    @rule(ids=held, cost=st.integers(0, 12))
    def measure(self, ids: Any, cost: int) -> None:
        """A span that names one of them, or none."""
        spend(cost, ids[0] if ids else None, tenant=self.tenant)
        self.measured += cost
        self.requests += 1
        if ids:
            self.told[ids[0]] = self.told.get(ids[0], 0) + cost

    @rule()
    def refresh_once(self) -> None:
        refresh(NOON)

    @rule(seconds=st.sampled_from([30, 61, 1_000]))
    def time_passes(self, seconds: int) -> None:
        self.later += timedelta(seconds=seconds)
        with db.transaction() as session:
            endings.expire(session, self.later)
        with db.transaction() as session:
            endings.give_up(session, self.later, GRACE_S)

    def _windows(self) -> dict[str, Any]:
        query = (
            select(Budget.measure, BudgetWindow)
            .join(Budget, Budget.id == BudgetWindow.budget_id)
            .where(Budget.name.endswith(f"of {self.tenant}"))
        )
        with db.transaction() as session:
            return dict(session.execute(query).all())

    @invariant()
    def what_is_held_is_the_sum_of_the_holds(self) -> None:
        with db.transaction() as session:
            for window in self._windows().values():
                own = select(func.coalesce(func.sum(ReservationHold.held), 0))
                assert session.scalar(own.where(ReservationHold.window_id == window.id)) == window.held
                assert window.held >= 0

    @invariant()
    def every_hold_is_what_its_standing_says(self) -> None:
        columns = (*Reservation.__table__.c, ReservationHold.measure, ReservationHold.rate, ReservationHold.held)
        query = select(*columns).join(ReservationHold, ReservationHold.reservation_id == Reservation.id)
        query = query.where(Reservation.tenant_id == self.tenant_id)
        with db.transaction() as session:
            for row in session.execute(query):
                standing = standing_of(row)
                assert row.held == in_window(standing.held, row.measure, row.rate)
                assert settle(standing) == standing, "settled too late"

    @invariant()
    def what_was_posted_is_committed_until_it_is_measured_or_given_up(self) -> None:
        query = (
            select(Reservation.id, Reservation.settled_at, ReservationHold.held)
            .join(ReservationHold, ReservationHold.reservation_id == Reservation.id)
            .where(ReservationHold.measure == "money", Reservation.id.in_(self.posted))
        )
        with db.transaction() as session:
            for id_, settled_at, held in session.execute(query):
                assert settled_at or held >= self.posted[id_] - self.told.get(id_, 0)

    def teardown(self) -> None:
        refresh(NOON)
        with db.transaction() as session:
            endings.expire(session, self.later + timedelta(hours=2))
        with db.transaction() as session:
            endings.give_up(session, self.later + timedelta(hours=4), GRACE_S)
        for measure, window in self._windows().items():
            assert window.held == 0
            assert window.spent == (self.measured if measure == "money" else self.requests)


@pytest.mark.usefixtures("database")
def test_any_order_of_things_ends_at_what_was_measured() -> None:
    dollar_tokens()
    run_state_machine_as_test(
        Reservations, settings=settings(max_examples=10, stateful_step_count=12, deadline=None, print_blob=True)
    )
