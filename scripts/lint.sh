#!/bin/sh
# Lint and types; the first that fails ends the run.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check --quiet .
.venv/bin/ruff format --check --quiet .
.venv/bin/mypy
