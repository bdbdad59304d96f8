"""What the NVML agent costs a node of 8 GPUs, read each second, over the stand-in library of the tests.

The stand-in reads its answers out of a file at every question, which the real library does not: its cost is inside.

    python -m bench.agent --seconds 60
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import say
from bench.stack import cpu_s, rss_mb
from tests.collectors.nvml_node import TWO_GPUS, NvmlState, build_library
from tests.collectors.otlp_receiver import receiving

GPUS = 8
GOAL_CPU, GOAL_MB = 0.01, 60
WARM_S = 12.0  # the first rounds ask what never changes
COLLECTOR = Path(sys.executable).with_name("trivet-collector")


def main(seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="trivet-agent-") as folder, receiving() as receiver:
        state = NvmlState(Path(folder))
        state.change(_node())
        command = [str(COLLECTOR), "nvml", "--endpoint", receiver.url, "--pool", "bench"]
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(build_library(Path(folder)).parent),
            "FAKE_NVML_STATE": str(state.path),
            "TRIVET_API_KEY": "tvt_bench",
        }
        with subprocess.Popen(command, env=environment) as agent:
            time.sleep(WARM_S)
            before = cpu_s(agent.pid)
            began = time.monotonic()
            time.sleep(seconds)
            used = (cpu_s(agent.pid) - before) / (time.monotonic() - began)
            memory = rss_mb(agent.pid)
            agent.terminate()
    met = used < GOAL_CPU and memory < GOAL_MB
    measured, goal = f"{used:.2%} of a core, {memory:.0f} MB", f"< {GOAL_CPU:.0%}, < {GOAL_MB} MB"
    return 0 if say.verdict(f"NVML agent, {GPUS} GPUs at 1 Hz", measured, goal, met=met) else 1


def _node() -> dict[str, str]:
    """Eight cards like the first of the tests' two."""
    node = {name: value for name, value in TWO_GPUS.items() if name[1] != "."}
    node["order"] = ",".join(str(number) for number in range(GPUS))
    card = {name[2:]: value for name, value in TWO_GPUS.items() if name.startswith("0.")}
    for number in range(GPUS):
        own = {"uuid": f"GPU-{number:04d}", "minor": str(number)}
        node |= {f"{number}.{name}": value for name, value in (card | own).items()}
    return node


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    sys.exit(main(parser.parse_args().seconds))
