"""Prometheus, promtool and Alertmanager as Debian builds them: found by the script that `make test` uses."""

import os
import subprocess
from functools import lru_cache
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "prometheus.sh"


@lru_cache
def program(name: str) -> Path:
    """Path of `prometheus`, `promtool`, `alertmanager` or `amtool`."""
    found = subprocess.run(["sh", SCRIPT], check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
    return Path(found.stdout.strip()) / name
