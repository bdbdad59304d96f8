#!/bin/sh
# Everything CI runs, in the order in which it fails soonest. The last line is pytest's own.
set -eu
cd "$(dirname "$0")/.."
CHROMIUM=$(sh scripts/chromium.sh)
PROMETHEUS_BIN=$(sh scripts/prometheus.sh)
export CHROMIUM PROMETHEUS_BIN
sh scripts/lint.sh
# A skipped test fails the run: tests/house/noskip.py.
# A file's tests stay in one process: what a module starts once (a whole Trivet, a browser) is started once.
exec .venv/bin/python -m pytest -n 2 --dist loadfile -p tests.house.noskip "$@"
