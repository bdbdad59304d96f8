"""Follows the policy and drives: each driver in a thread of its own, so that one that hangs holds up no other.

A round looks at the policy in memory. Where what is wanted changed, it is applied at once; else it is looked at again each
`RECHECK_S`, so that what others undo is done again. What failed is tried again, ever more slowly.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from trivet_collectors.drivers.driver import Applied, Driver, DriverError
from trivet_collectors.drivers.plan import Drive, Plan
from trivet_collectors.drivers.report import Report, Reporter
from trivet_collectors.drivers.rules import Flags
from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import evaluate

log = logging.getLogger("trivet.drive")

EVERY_S: Final = 0.5
RECHECK_S: Final = 30.0
BACK_OFF_MAX_S: Final = 60.0


@dataclass
class Driving:
    """One driver as it goes: what it last brought about, and whether that was told."""

    plan: Plan
    driver: Driver
    policy: Callable[[], Flags]
    tell: Callable[[Report], bool]
    now: Callable[[], float] = time.monotonic
    dry: bool = False
    held: dict[str, Any] | None = None
    applied: Applied | None = None
    generation: int = -1  # under which what is held was looked at last
    told: int = -1  # the generation that was told
    again_at: float = 0.0
    failures: int = 0
    problem: str = ""

    def round(self) -> bool:
        """One look; whether all is as wanted and told."""
        flags = self.policy()
        generation, wanted = int(flags["policy.generation"]), self.plan.rules.desired(flags)
        changed = wanted != self.held or generation != self.generation
        if self.now() >= self.again_at or (changed and not self.failures):
            self._apply(wanted, generation)
        if self.problem or self.applied is None or (wanted, generation) != (self.held, self.generation):
            return False
        if generation and generation != self.told and not self.dry:
            if not self.tell(Report(self.plan, flags, self.applied)):
                return False
            self.told = generation
        return True

    def _apply(self, wanted: dict[str, Any], generation: int) -> None:
        try:
            applied = self.driver.apply(wanted, dry=self.dry)
        except DriverError as error:
            self._failed(str(error))
        except Exception as error:  # an answer that nobody expected must not end the driving
            log.exception("%s failed unexpectedly", self.plan.name)
            self._failed(f"{type(error).__name__}: {error}")
        else:
            if applied.changed or self.problem or self.applied is None:
                log.warning("%s: %s%s", self.plan.name, "would be " if self.dry else "", applied.reason)
            self.held, self.applied, self.generation = wanted, applied, generation
            self.failures, self.problem, self.again_at = 0, "", self.now() + RECHECK_S

    def _failed(self, problem: str) -> None:
        if problem != self.problem:  # once, not each time
            log.error("%s: %s", self.plan.name, problem)
        self.failures, self.problem = self.failures + 1, problem
        self.again_at = self.now() + min(BACK_OFF_MAX_S, EVERY_S * 2.0 ** min(self.failures, 10))


class Runner:
    """A configuration being driven. `once` makes a round of each and says whether all went well."""

    def __init__(self, drive: Drive, *, dry: bool = False) -> None:
        self.stop = threading.Event()
        self._clients = {name: _client(drive, name) for name in sorted({plan.backend for plan in drive.plans})}
        self._reporter = Reporter(drive.endpoint, drive.api_key)
        self.driving = [
            Driving(plan, plan.make(), self._policy(plan), self._reporter.tell, dry=dry) for plan in drive.plans
        ]

    def _policy(self, plan: Plan) -> Callable[[], Flags]:
        client = self._clients[plan.backend]
        # An engine is no conversation: what is tried on a share of them leaves it as it is, until it is the scenario's.
        context = {"targetingKey": plan.tenant or None, "scenario": plan.scenario, "backend": plan.backend}

        def policy() -> Flags:
            situation = client.situation
            return evaluate(situation.document or {}, context, datetime.now(UTC), stale=situation.stale)

        return policy

    def once(self) -> bool:
        self._start()
        try:
            known = [client.situation.document is not None for client in self._clients.values()]
            if not all(known):
                log.error(
                    "no policy: %s", "; ".join(filter(None, (c.status().problem for c in self._clients.values())))
                )
                return False
            went = [driving.round() for driving in self.driving]  # each has its round, whatever became of another
            return all(went)
        finally:
            self._end()

    def run(self) -> None:
        """Drives until told to stop."""
        self._start()
        threads = [threading.Thread(target=self._drive, args=(each,), daemon=True) for each in self.driving]
        for thread in threads:
            thread.start()
        self.stop.wait()
        for thread in threads:
            thread.join(BACK_OFF_MAX_S)
        self._end()

    def _drive(self, driving: Driving) -> None:
        client = self._clients[driving.plan.backend]
        while not self.stop.wait(EVERY_S):
            if client.situation.document is not None:  # nothing is done for want of a policy
                driving.round()

    def _start(self) -> None:
        for client in self._clients.values():
            client.start()

    def _end(self) -> None:
        for client in self._clients.values():
            client.stop()
        for driving in self.driving:
            driving.driver.close()
        self._reporter.close()


def _client(drive: Drive, backend: str) -> PolicyClient:
    state = drive.state_dir / f"{backend}.json" if drive.state_dir else None
    return PolicyClient(drive.endpoint, drive.api_key, backend, state)
