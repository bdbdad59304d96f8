"""Random tests that can be run again: the seed is printed, and `TRIVET_SEED` names one."""

import os
import random


def seeded() -> random.Random:
    seed = int(os.environ.get("TRIVET_SEED") or random.randrange(1 << 32))
    print(f"TRIVET_SEED={seed}")  # noqa: T201  # pytest shows it where the test fails
    return random.Random(seed)
