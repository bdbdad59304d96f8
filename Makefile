# The same few commands by hand and in CI. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help env run test lint fmt bench shots settings lock
PYTHON ?= python3
BIN := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

env: ## .venv from the lock file, the web assets, and a LiteLLM proxy for the tests; quick when nothing changed
	@PYTHON="$(PYTHON)" sh scripts/env.sh

run: ## everything on this machine, with the demo, its data in ./data
	@PYTHON="$(PYTHON)" sh scripts/env.sh run
	@$(BIN)/trivet up --demo --data-dir data

test: env ## lint, types and every test: all that CI runs
	@sh scripts/test.sh

lint: env ## lint and types only
	@sh scripts/lint.sh

fmt: env ## put the code into the house's form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: env ## measure ingest, the agent, the way from rows to a backend, how soon guards find faults, how it holds up, and what questions take
	@status=0; for name in ingest size agent memory hold profile loop ofrep detection closed_loop posting reservations report pages forecast start; do \
		echo "== bench.$$name"; $(BIN)/python -m bench.$$name || status=1; done; exit $$status

shots: env ## pictures of every page, light and dark, into shots/, and the one of the README, from the demo at its peak
	@chromium=$$(sh scripts/chromium.sh) && CHROMIUM="$$chromium" $(BIN)/python scripts/shots.py

settings: env ## docs/settings.md from the settings
	@$(BIN)/python scripts/settings_doc.py > docs/settings.md

lock: ## resolve the dependencies again; needs uv and npm
	@sh scripts/lock.sh
