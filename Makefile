# lanes: every target sets up what it needs in .venv from python3 (3.11 or newer) and make alone.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PEERS  := .venv-bench
PIN    := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate
# For the tests: their order (random, or the seed that such a run printed), how many at a time, and which of them.
ORDER   ?=
WORKERS ?= auto
TESTS   ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-all check format lint types bench peers catalogue mutate soak fuzz clients live lock dist clean pictures

help: ## Print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lanes needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): this takes some minutes the first time"
	@echo "  1/2 downloading and installing what lanes needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "  2/2 installing lanes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP) ## Start a gateway and the dashboard (lanes up)
	@$(BIN)/lanes up

test: $(STAMP) ## Run the tests (ORDER=random, WORKERS=1, TESTS=tests/storage)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(if $(ORDER),--order $(ORDER)) $(TESTS)

test-all: ## Run them on every Python from 3.11 on that is found
	@$(PYTHON) -m tests.pythons

check: format lint types test ## Everything that must pass: format, lint, types, tests

format: $(STAMP)
	@$(BIN)/ruff format --check .

lint: $(STAMP)
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

bench: $(STAMP) peers ## Measure every row of the targets and write the table into docs/benchmarks.md
	@mkdir -p .bench
	@$(BIN)/python -m tests.bench --folder .bench --peers $(PEERS)/bin/python --write docs/benchmarks.md

# The programs that lanes is compared with, 0.1.0 of lanes too, have a separate environment: what cannot be installed is skipped.
peers: $(PEERS)/.installed $(PEERS)/.older

$(PEERS)/.installed: requirements/bench.txt
	@echo "Setting up $(PEERS) ..."; $(PYTHON) -m venv $(PEERS) \
	  && $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt && touch $@ \
	  || echo "the programs to compare with cannot be installed: their rows are skipped" >&2

$(PEERS)/.older: tests/bench/older.py | $(STAMP) $(PEERS)/.installed
	@$(BIN)/python -m tests.bench.older $(PEERS)/bin/python && touch $@ \
	  || echo "0.1.0 cannot be installed: the rows against it are skipped" >&2

catalogue: $(STAMP) ## Run the tests of the failure catalogue, and print every id with its result
	@$(BIN)/python -m tests.catalogue

mutate: $(STAMP) ## Take one guard away at a time, and name the test that misses it
	@$(BIN)/python -m tests.mutation

soak: $(STAMP) ## The long form of the campaigns (SOAK_MINUTES=20 for the longest)
	@$(BIN)/python -m pytest -q -m soak tests/faults tests/scenarios/test_many_gateways.py tests/proof/test_interleavings.py tests/proof/test_model.py tests/proof/test_crashes.py tests/proof/test_harms.py tests/house/test_installed.py tests/agents/test_trees.py tests/health/test_bad_night.py tests/server/test_any_row.py

pictures: $(STAMP) ## Draw the pictures of docs/ anew
	@$(BIN)/python -m tests.pictures

fuzz: $(STAMP) ## Ask a gateway whatever its OpenAPI document allows, and what it does not (schemathesis)
	@test -x .venv-fuzz/bin/schemathesis || { $(PYTHON) -m venv .venv-fuzz && .venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/fuzz.in; }
	@$(BIN)/python -m tests.fuzz $(CURDIR)/.venv-fuzz/bin/schemathesis

clients: $(STAMP) ## Ask a gateway with real clients (openai, anthropic, litellm …), each before every dialect
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.txt
	@$(BIN)/python -m tests.clients $(CURDIR)/.venv-clients/bin/python

live: $(STAMP) ## Try real agents, from npm, in front of the simulated provider (SUBJECTS=agents), and write the tables
	@$(BIN)/python -m tests.live --write $(SUBJECTS)

lock: $(STAMP) ## Renew the pinned requirements
	@$(BIN)/python -m pip install --quiet uv
	@$(PIN) --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
	@for name in bench clients proxy; do $(PIN) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

dist: $(STAMP) ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m build --no-isolation

clean: ## Remove the environment and caches
	@rm -rf $(VENV) .venv-3.* .venv-fuzz .venv-clients $(PEERS) .bench .live .mypy_cache .pytest_cache .ruff_cache .hypothesis
