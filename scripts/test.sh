#!/bin/sh
# Everything CI runs, in the order in which it fails soonest. The last line is pytest's own.
set -eu
cd "$(dirname "$0")/.."
CHROMIUM=$(sh scripts/chromium.sh)
export CHROMIUM
sh scripts/lint.sh
# A skipped test fails the run: tests/house/noskip.py.
exec .venv/bin/python -m pytest -n 2 -p tests.house.noskip "$@"
