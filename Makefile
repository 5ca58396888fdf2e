# Every way to work with Tidewheel starts here: `make help`.
# Needs Python 3.11 or newer and make; a virtual environment in .venv holds the rest, exactly as locked.

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TARGET ?= flow
SECONDS ?= 600
UNIT := not servers and not process

RUN_READY := $(VENV)/.ready-to-run
DEV_READY := $(VENV)/.ready-to-develop

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check fuzz bench lock format clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo 'make run reads PORT, DATA_DIR, TIDEWHEEL_USERNAME, TIDEWHEEL_PASSWORD, EXAMPLES and ENGINE;'
	@echo 'make bench reads ENGINE and PROFILE (yes: a profile of each process too).'
	@echo 'PYTHON names the interpreter that $(VENV) is made from.'

run: $(RUN_READY) ## start a server here (ENGINE=distributed: on a real Kafka and OpenSearch)
	@$(BIN)/tidewheel run

check: $(DEV_READY) ## format, lint, types, import contracts, unit tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n auto --dist worksteal -m '$(UNIT)'

test: $(DEV_READY) ## everything of check, and all tests on real servers too
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	TIDEWHEEL_SIMULATIONS=10000 $(BIN)/pytest -q -n auto --dist worksteal -m '$(UNIT)'
	$(BIN)/pytest -q --durations=15 -m 'servers or process'

fuzz: $(DEV_READY) ## fuzz TARGET (yaml, flow, expression or inputs) for SECONDS
	$(BIN)/python tests/fuzz/run.py $(TARGET) -max_total_time=$(SECONDS)

bench: $(DEV_READY) ## measure a running server and the costs of single steps
	$(BIN)/python tests/bench/run.py

format: $(DEV_READY) ## format the code and mend what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

lock: $(DEV_READY) ## write the locks anew from pyproject.toml (UPGRADE=--upgrade: newest versions)
	$(COMPILE) $(UPGRADE) pyproject.toml --group build --output-file requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock

clean: ## remove the environment and everything generated; data folders stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up: stamps in the environment, done again only when a lock or the package's metadata changed.

$(BIN)/python:
	@if [ -z '$(PYTHON)' ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo 'Tidewheel needs Python 3.11 or newer: install it, or say which: make PYTHON=/path/to/python3' >&2; \
		exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'This Python makes no virtual environments (Debian, Ubuntu: apt-get install python3-venv)' >&2; \
		exit 1; }

define install
	@echo 'Installing from $(1) into $(VENV)'
	@$(PIP) install --require-hashes --requirement $(1)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(RUN_READY): requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)

$(DEV_READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $(RUN_READY)
