"""How soon a guard finds a fault, and how often it is wrong, beside the same condition as a Prometheus rule.

`python -m bench.detection` replays recorded traffic with faults put into it and without, on a simulated clock of seconds;
the guard is calibrated on other hours of the same replay, as it is each night. Then one case in real time, with
Prometheus scraping each second and Alertmanager. An alarm without a fault is false where the five minutes after it were
within the limit; both sides are counted alike.
"""

import sys
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from bench import say
from bench.detection import live, ours, rules
from bench.detection.faults import FAULTS, Fault
from bench.detection.replay import HOUR_S, REPLAYS, Calls, hours

from trivet.guard.replay import replayed
from trivet.guard.sequential import Normal

SEED = 20261121
STARTS = 3  # of each fault in each replay
CALM_H, CALM_FAST_H, LEARNT_H = 8, 3, 6
BEGIN_S, AT_S, END_S = 300, 900, 1_800  # evaluated from, fault at about, over at
SLOW_SHARES = {"2.5 % slow": 0.025, "4.5 % slow": 0.045}
FAIL_SHARES = {"1 % fail": 0.0, "4.5 % fail": 0.035}
LIMIT = 0.05
HEALED_S = 300
GOAL_HANG_S = 10.0


@dataclass(frozen=True)
class Condition:
    """A guard on one replay with nothing wrong: how much of it is bad all the same, and its limit."""

    replay: str
    label: str
    kind: str
    enter: float
    more_fail: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.replay}, {self.label}"

    def calm(self, count: int, purpose: str) -> Iterable[Calls]:
        random = _random(f"{self.name} {purpose}")
        for calls in hours(self.replay, count, random):
            yield calls.but(failed=calls.failed | (random.random(len(calls.start)) < self.more_fail))


def _random(purpose: str) -> np.random.Generator:
    return np.random.default_rng([SEED, zlib.crc32(purpose.encode())])


def conditions() -> list[Condition]:
    found = []
    for name, replay in REPLAYS.items():
        took = replay(4 * HOUR_S, _random(f"{name} limits")).took
        limits = {label: float(np.quantile(took, 1 - share)) * 1000 for label, share in SLOW_SHARES.items()}
        found += [Condition(name, label, "latency", limit) for label, limit in limits.items()]
        found += [Condition(name, label, "errors", LIMIT, more) for label, more in FAIL_SHARES.items()]
    return found


def spend_limit(name: str) -> float:
    """Twice the mean: money an hour."""
    return float(REPLAYS[name](4 * HOUR_S, _random(f"{name} spend")).cost.sum()) / 4 * 2


def learnt(condition: Condition) -> Normal | None:
    """What the night's replay of other hours finds."""
    guard = ours.guard_of(condition.kind, condition.enter)
    found = replayed(guard, [ours.seconds(guard, c).counts[BEGIN_S:] for c in condition.calm(LEARNT_H, "learnt")])
    return found.normal if found else None


def calm_of(condition: Condition) -> tuple[str, Normal | None, int, int]:
    """Alarms and false ones of ours in `CALM_H` hours."""
    normal, guard = learnt(condition), ours.guard_of(condition.kind, condition.enter)
    alarms = false = 0
    for calls in condition.calm(CALM_H, "calm"):
        found = [at for at, _ in ours.openings(guard, calls, BEGIN_S, HOUR_S, normal=normal)]
        alarms += len(found)
        false += sum(_false(condition, calls, at) for at in found)
    return condition.name, normal, alarms, false


def _false(condition: Condition, calls: Calls, at: float) -> bool:
    after = (calls.end > at) & (calls.end <= at + HEALED_S)
    bad = calls.failed if condition.kind == "errors" else calls.took * 1000 > condition.enter
    return bool(after.any()) and float(bad[after].mean()) <= LIMIT


@dataclass(frozen=True)
class Case:
    """One fault at one moment of one replay."""

    which: int  # of `FAULTS`
    replay: str
    number: int
    enter: float
    limit_ms: float
    normal: Normal | None

    @property
    def fault(self) -> Fault:
        return FAULTS[self.which]

    @property
    def name(self) -> str:
        return f"{self.replay}/{self.fault.name}/{self.number}"

    def made(self) -> tuple[Calls, float]:
        random = _random(self.name)
        at = AT_S + float(random.uniform(0, 15))
        return self.fault.apply(REPLAYS[self.replay](END_S, random), at, random), at


def cases(known: Iterable[Condition], normals: Mapping[str, Normal | None]) -> list[Case]:
    usual = {(c.replay, c.kind): c for c in known if c.label in ("2.5 % slow", "1 % fail")}
    found = []
    for name in REPLAYS:
        slow, fail, spend = usual[name, "latency"], usual[name, "errors"], spend_limit(name)
        for which, fault in enumerate(FAULTS):
            condition = fail if fault.kind == "errors" else slow
            enter = spend if fault.kind == "spend" else condition.enter
            found += [Case(which, name, number, enter, slow.enter, normals[condition.name]) for number in range(STARTS)]
    return found


def delay_of(case: Case) -> float | None:
    """Seconds until ours breaks; None where it does not."""
    calls, at = case.made()
    silent = at if case.fault.kind == "hang" else np.inf
    guard = ours.guard_of(case.fault.kind, case.enter)
    return _first(ours.openings(guard, calls, BEGIN_S, END_S, silent, normal=case.normal), at)


def _first(openings: Iterable[tuple[int, str]], at: float) -> float | None:
    return next((moment - at for moment, _ in openings if moment >= at), None)


def theirs(
    known: list[Condition], faulty: list[Case]
) -> tuple[dict[str, dict[str, float | None]], dict[str, list[int]]]:
    """Delays by setting and case, and false alarms by setting: their number and the hours they are of."""
    shown = [rules.Case(case.name, case.made()[0], case.limit_ms, END_S) for case in faulty]
    calm: dict[str, tuple[Condition, Calls]] = {}
    for condition in known:
        for number, calls in enumerate(condition.calm(CALM_H, "calm")):
            key = f"{condition.name}/{number}"
            calm[key] = condition, calls
            limit = condition.enter if condition.kind == "latency" else 1e6
            settings = rules.SETTINGS if number < CALM_FAST_H else (rules.USUAL,)
            shown.append(rules.Case(key, calls, limit, HOUR_S, settings))
    delays: dict[str, dict[str, float | None]] = {}
    false: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="trivet-detection-") as folder:
        text = Path(folder) / "series.txt"
        rules.write(shown, text)
        with rules.serving(rules.programs(), text, Path(folder)) as address:
            for setting in rules.SETTINGS:
                fired = partial(rules.firings, address, setting=setting)
                delays[setting.name] = _their_delays(faulty, fired)
                false[setting.name] = _their_false(calm, fired, setting)
    return delays, false


def _their_delays(faulty: list[Case], fired) -> dict[str, float | None]:
    asked = {(case.fault.kind, case.enter if case.fault.kind == "spend" else LIMIT) for case in faulty}
    answers = {key: fired(*key, length_s=END_S) for key in sorted(asked)}
    found = {}
    for case in faulty:
        answer = answers[case.fault.kind, case.enter if case.fault.kind == "spend" else LIMIT]
        found[case.name] = _first([(at, "") for at in answer.get(case.name, [])], case.made()[1])
    return found


def _their_false(calm: Mapping[str, tuple[Condition, Calls]], fired, setting: rules.Setting) -> list[int]:
    count = 0
    for kind in ("latency", "errors"):
        for key, moments in fired(kind, LIMIT, length_s=HOUR_S).items():
            if key in calm and calm[key][0].kind == kind:
                count += sum(_false(*calm[key], at) for at in moments if at >= BEGIN_S)
    each = CALM_H if setting is rules.USUAL else CALM_FAST_H
    return [count, each * len({condition.name for condition, _ in calm.values()})]


def told(found: list[float | None]) -> str:
    """Median and slowest of those that were found, and how many were."""
    seen = sorted(each for each in found if each is not None)
    if not seen:
        return f"{'none':>18}"
    return f"{np.median(seen):6.0f} s {seen[-1]:5.0f} s {len(seen):>2}/{len(found)}"


def main() -> bool:
    """The tables; true where ours is earlier and wrong more rarely, and a hang is found in time."""
    print(
        f"seed {SEED}; {len(REPLAYS)} replays, each fault {STARTS} times in each; {CALM_H} h of each guard without any"
    )
    known = conditions()
    with ProcessPoolExecutor(2) as pool:
        calm = list(pool.map(calm_of, known))
        faulty = cases(known, {name: normal for name, normal, _, _ in calm})
        mine = dict(zip((case.name for case in faulty), pool.map(delay_of, faulty, chunksize=4), strict=True))
    delays, false = theirs(known, faulty)
    for name, normal, alarms, wrong in calm:
        learned = f"usual {normal.usual:.2%}, widened {normal.widening:g} times" if normal else "nothing learnt"
        print(f"  without a fault: {name:<22} {alarms:>3} alarms, {wrong} false   ({learned})")
    columns = {"Trivet": mine, **delays}
    print(f"\n{'delay: median, slowest, found':<34}" + "".join(f"{name:>28}" for name in columns))
    earlier = [row(fault, faulty, columns) for fault in FAULTS]
    hours_of = CALM_H * len(known)
    wrong = {"Trivet": [sum(each[3] for each in calm), hours_of], **false}
    a_month = {name: count / of * 24 * 30 for name, (count, of) in wrong.items()}
    print(f"{'false alarms a guard and month':<34}" + "".join(f"{rate:>28.1f}" for rate in a_month.values()) + "\n")
    hang = [each for name, each in mine.items() if "/hang" in name]
    slowest = max((np.inf if each is None else each for each in hang), default=np.inf)
    met = [
        say.verdict("earlier than the usual rule", f"{sum(earlier)} of {len(earlier)} faults", "all", met=all(earlier)),
        say.verdict(
            "false alarms", ", ".join(f"{rate:.1f}" for rate in a_month.values()), "fewer than both",
            met=a_month["Trivet"] < min(rate for name, rate in a_month.items() if name != "Trivet"),
        ),
        say.verdict("a hang", f"{slowest:.0f} s at the slowest", f"< {GOAL_HANG_S:g} s", met=slowest < GOAL_HANG_S),
        live.main(),
    ]  # fmt: skip
    return all(met)


def row(fault: Fault, faulty: list[Case], columns: Mapping[str, Mapping[str, float | None]]) -> bool:
    """One line of the table; whether ours found as many and its median is the earlier one of the usual rule's."""
    names = [case.name for case in faulty if case.fault is fault]
    found = {who: [delays.get(name) for name in names] for who, delays in columns.items()}
    print(f"{fault.name:<34}" + "".join(f"{told(each):>28}" for each in found.values()), flush=True)

    def rank(each: list[float | None]) -> float:
        return float(np.median([np.inf if delay is None else delay for delay in each]))

    return rank(found["Trivet"]) < rank(found[rules.USUAL.name])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
