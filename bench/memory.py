"""Memory of one API process while it takes 512-span batches as fast as it can: under its bound, and flat.

python -m bench.memory --minutes 10        `make bench` gives 2; BENCH_MINUTES says otherwise
"""

import argparse
import os
import sys
import time

from bench import say
from bench.load import finish, load, start
from bench.stack import rss_mb, running

GOAL_MB = 300
FLAT = 0.10  # the last quarter's mean may be so much over that of the second


def main(minutes: float) -> int:
    with running() as (_, api):
        load(port=api.port, connections=4, spans=512, seconds=2.0, seed=1)
        sender = start(port=api.port, connections=4, spans=512, seconds=minutes * 60, seed=2)
        seen: list[float] = []
        while sender.process.poll() is None:
            seen.append(rss_mb(api.process.pid))
            time.sleep(0.5)
        result = finish(sender)
    quarter = max(1, len(seen) // 4)
    second, last = _mean(seen[quarter : 2 * quarter]), _mean(seen[-quarter:])
    met = max(seen) < GOAL_MB and last <= second * (1 + FLAT)
    measured = f"{max(seen):.0f} MB at most, {second:.0f} then {last:.0f}"
    say.verdict(f"memory under load, {minutes:g} min", measured, f"< {GOAL_MB} MB, flat", met=met)
    say.note(f"{result.per_s:,.0f} spans/s meanwhile, {result.spans:,} in all; means of the second and last quarter")
    return 0 if met else 1


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("BENCH_MINUTES", "2")))
    sys.exit(main(parser.parse_args().minutes))
