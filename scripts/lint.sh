#!/bin/sh
# Lint and types; the first that fails ends the run. `style` and `types` are its two halves: a second, and a minute.
set -eu
cd "$(dirname "$0")/.."
half=${1:-both}
if [ "$half" != types ]; then
	.venv/bin/ruff check --quiet .
	.venv/bin/ruff format --check --quiet .
fi
if [ "$half" != style ]; then
	# The web scripts' types, with the machine's npm or the one that `make env` has put into .venv.
	PATH=$PATH:$PWD/.venv/bin npm --prefix web run --silent types
	.venv/bin/mypy
fi
