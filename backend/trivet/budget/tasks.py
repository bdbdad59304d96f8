"""Budgets by the clock: what was told is counted, hard lines command, and what is over is taken back."""

from time import monotonic

from celery import shared_task

from trivet.budget import acting, over, returning, short
from trivet.budget.refresh import DELTAS_FIRST, refresh, size_after
from trivet.budget.reserve import tasks as reserving
from trivet.kit.clock import utc_now

ROUNDS = 50  # of one run; what is left, the next one takes
SCHEDULE = {
    "budget.refresh": (1.0, "control"),
    "budget.tell_ladders": (5.0, "control"),
    "budget.prune": (3_600.0, "work"),
} | reserving.SCHEDULE


@shared_task(name="budget.refresh")
def refresh_all() -> int:
    """Bring every window up to date, then do what its lines say; how many deltas were counted."""
    counted, size = 0, DELTAS_FIRST
    for _ in range(ROUNDS):
        begun = monotonic()
        done = refresh(utc_now(), size)
        counted += done.folded
        size = size_after(size, monotonic() - begun)
        if not done.more:
            break
    over.judge(utc_now())
    acting.act(utc_now())
    if returning.come_back(utc_now()):
        acting.act(utc_now())  # what waited for it
    return counted


@shared_task(name="budget.tell_ladders")
def tell_ladders() -> None:
    """Tell ladders what budgets mean to them: who gives way while everyone's is spent, when a budget day begins."""
    short.tell(utc_now())


@shared_task(name="budget.prune")
def prune() -> int:
    """Forget what no open window can need any more; how many rows."""
    return over.prune(utc_now())
