#!/bin/sh
# Everything CI runs, in the order in which it fails soonest. The last line is pytest's own.
set -eu
cd "$(dirname "$0")/.."
CHROMIUM=$(sh scripts/chromium.sh)
PROMETHEUS_BIN=$(sh scripts/prometheus.sh)
export CHROMIUM PROMETHEUS_BIN
# Tests are compiled once, beside the lint, and not by every process at every run; what they start neither.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python -m pytest --collect-only -qq >/dev/null 2>&1 &
compiling=$!
sh scripts/lint.sh || { kill "$compiling"; exit 1; }
wait "$compiling" || true # what cannot be collected is told below
# A skipped test fails the run: tests/house/noskip.py.
# A file's tests stay in one process (tests/conftest.py): what a module starts once (a whole Trivet) is started once.
# One process more than the two cores of CI's machines: there is always one that waits for something.
exec .venv/bin/python -m pytest -n 3 -p tests.house.noskip "$@"
