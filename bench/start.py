"""Seconds from `trivet up` to a page that answers, on data that is there: the second start."""

import re
import signal
import subprocess
import sys
import tempfile

from bench.stack import free_port

GOAL_S = 10.0


def start_s(data_dir: str) -> float:
    """One start and a clean stop; what the command itself says."""
    command = [sys.executable, "-m", "trivet.cli", "up", "--data-dir", data_dir, "--port", str(free_port())]
    command += ["--otlp-grpc-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = []
        for line in process.stdout:
            if said := re.match(r"ready in ([\d.]+) s", line):
                found.append(float(said[1]))
            _stop(process, line)
    assert len(found) == 1 and process.returncode == 0
    return found[0]


def _stop(process: subprocess.Popen[str], line: str) -> None:
    if line.startswith("Ctrl-C"):
        process.send_signal(signal.SIGINT)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="trivet-bench-") as data_dir:
        first, second = start_s(data_dir), start_s(data_dir)
    print(f"first start {first:.1f} s, second start {second:.1f} s (goal: under {GOAL_S:.0f} s)")
    return 0 if second < GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())
