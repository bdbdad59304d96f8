#!/bin/sh
# Everything CI runs, in the order in which it fails soonest. The last line is pytest's own.
set -eu
cd "$(dirname "$0")/.."
CHROMIUM=$(sh scripts/chromium.sh)
PROMETHEUS_BIN=$(sh scripts/prometheus.sh)
export CHROMIUM PROMETHEUS_BIN
# Tests are compiled once and not at every run, and what they start neither.
unset PYTHONDONTWRITEBYTECODE
sh scripts/lint.sh
# A skipped test fails the run: tests/house/noskip.py.
# A file's tests stay in one process (tests/conftest.py): what a module starts once (a whole Trivet) is started once.
# One process more than the two cores of CI's machines: there is always one that waits for something.
exec .venv/bin/python -m pytest -n 3 -p tests.house.noskip "$@"
