#!/bin/sh
# Everything CI runs, in the order in which it fails soonest. The last line is pytest's own.
set -eu
cd "$(dirname "$0")/.."
CHROMIUM=$(sh scripts/chromium.sh)
PROMETHEUS_BIN=$(sh scripts/prometheus.sh)
export CHROMIUM PROMETHEUS_BIN
sh scripts/lint.sh style
# Types take a minute of one core: they are looked at beside the tests' first, and end the run where they are wrong
# (tests/house/beside.py).
TYPES=$(mktemp -d)
export TYPES
(
	status=0
	sh scripts/lint.sh types >"$TYPES/said" 2>&1 || status=$?
	echo "$status" >"$TYPES/status.new"
	mv "$TYPES/status.new" "$TYPES/status"
) &
types=$!
trap 'kill "$types" 2>/dev/null || true; rm -rf "$TYPES"' EXIT
# Tests are compiled once, and not by every process at every run; what they start neither.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python -m pytest --collect-only -qq >/dev/null 2>&1 || true # what cannot be collected is told below
# A skipped test fails the run: tests/house/noskip.py.
# A file's tests stay in one process (tests/conftest.py): what a module starts once (a whole Trivet) is started once.
# One process more than the two cores of CI's machines: there is always one that waits for something.
.venv/bin/python -m pytest -n 3 -p tests.house.noskip -p tests.house.beside "$@"
