# Everything a person types. Each target sets up first, which is quick when nothing changed.
# PYTEST="-k guard" make test    REMIT_PYTHON=/path/to/python3.12 make setup    BENCH=audit make bench

PYTHON := .venv/bin/python
BENCH ?=
ONLY ?=
PATIENCE ?=
PYTEST ?=
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo test check coverage bench bench-peers prove docs e2e

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv: find an interpreter, install exactly what requirements/ locks
	@sh scripts/bootstrap

demo: setup ## take the clinic intake to a running, tested application, then verify the audit log
	@.venv/bin/remit demo

test: setup ## every test this machine can run, saying at the end what was not run and why
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

check: setup ## lint, format, types, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright --pythonpath $(PYTHON)
	.venv/bin/lint-imports

coverage: setup ## the tests again, counting lines and branches; fails below 80 %
	@$(PYTHON) -m coverage erase
	@$(PYTHON) -m coverage run -m pytest $(PYTEST)
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage report

bench: setup ## measure every hot path in small sizes, beside a floor or a peer (BENCH=audit: one, in full)
	@.venv/bin/remit bench $(or $(BENCH),--all --small)

bench-peers: setup ## make the peers' environments, so that `make bench` compares with them
	@sh benchmarks/peers/setup

prove: setup ## the figures in full, written to proof/*.json with commit and machine (ONLY=steps,audit)
	@sh benchmarks/peers/setup || printf 'without its peers a figure counts as missed\n' >&2
	@ONLY="$(ONLY)" PATIENCE="$(PATIENCE)" $(PYTHON) benchmarks/prove.py

docs: setup ## run every command that README and docs show
	@$(PYTHON) -m pytest tests/docs $(PYTEST)

e2e: setup ## tests with a real small model, which is fetched first (290 MB; weights under terms of their own, see NOTICE)
	@sh scripts/e2e $(PYTEST)
