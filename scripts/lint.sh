#!/bin/sh
# Lint and types; the first that fails ends the run.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check --quiet .
.venv/bin/ruff format --check --quiet .
.venv/bin/mypy
# The web scripts' types, with the machine's npm or the one that `make env` has put into .venv.
PATH=$PATH:$PWD/.venv/bin npm --prefix web run --silent types
