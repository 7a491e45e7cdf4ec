# The two commands: `make run` serves the wallet on http://localhost:4000, `make test` runs the suite.
# Both need Python 3.11+ and make, and fetch everything else from PyPI and npm.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$p; break; fi; done)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run test test-slow check check-slow format lint types imports lock clean assets openapi bench bench-quick bench-growth bench-memory bench-live show-live show-statement demo screenshots profile

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The locks are complete, so nothing is resolved: pip's resolver would look at what is newest today, and
# refuse a pinned package that another one asks for with an extra.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing (once, about a minute) …"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip check
	@touch $@

ASSETS := src/wallet/api/static/docs/.built
PAGES := web/app.html web/console.html web/vite.config.js web/tsconfig.json $(shell find web/src -type f ! -name schema.ts)
assets: $(ASSETS) ## Build the pages /app and /console, and put the API document's in place (npm)
$(ASSETS): web/package.json web/package-lock.json web/.npmrc $(wildcard web/docs/*) $(PAGES) scripts/build_assets.py requirements-node.lock | $(VENV)/.installed
	$(BIN)/python scripts/build_assets.py

run: $(VENV)/.installed $(ASSETS) ## Serve the wallet on http://localhost:4000 with an embedded PostgreSQL
	@exec $(BIN)/wallet serve

test: $(VENV)/.installed-dev $(ASSETS) ## Run the suite with coverage (on a real, embedded PostgreSQL)
	$(BIN)/python -m pytest -m "not slow" -n 2 --cov --cov-report=term

test-slow: $(VENV)/.installed-dev $(ASSETS) ## Run what takes long or breaks things on purpose
	$(BIN)/python -m pytest -m slow

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(VENV)/.installed-dev ## Check formatting and lint rules
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.installed-dev $(ASSETS) ## Check types (mypy --strict; the pages against the API document)
	$(BIN)/mypy
	$(BIN)/wallet openapi > web/openapi.json
	$(BIN)/python scripts/build_assets.py types web/openapi.json

imports: $(VENV)/.installed-dev ## Check the floors (import-linter)
	$(BIN)/lint-imports

check: lint types imports test ## What CI runs first (at most 15 minutes on 2 cores)

check-slow: test-slow ## What CI runs next: faults, races over several processes (at most 40 minutes)

bench: $(VENV)/.installed-dev $(ASSETS) ## Measure the service against PostgreSQL and others (25 minutes; wants wrk)
	$(BIN)/python -m benchmarks run

bench-quick: $(VENV)/.installed-dev $(ASSETS) ## The same for whoever is changing the code (1 minute)
	$(BIN)/python -m benchmarks quick

bench-growth: $(VENV)/.installed-dev $(ASSETS) ## 10^4 entries against 10^7 (20 minutes)
	$(BIN)/python -m benchmarks growth

bench-memory: $(VENV)/.installed-dev $(ASSETS) ## One worker over a million requests
	$(BIN)/python -m benchmarks memory

bench-live: $(VENV)/.installed-dev $(ASSETS) ## 5,000 idle WebSockets on one worker, then transfers on them (2 minutes)
	$(BIN)/python -m benchmarks live

show-live: $(VENV)/.installed-dev $(ASSETS) ## Watch two listeners on two workers while transfers run
	$(BIN)/python scripts/show_live.py

show-statement: $(VENV)/.installed-dev ## Write a month's statement and images of its pages into docs/pictures
	$(BIN)/python scripts/show_statement.py

openapi: $(VENV)/.installed ## Write openapi.json, the document that clients are generated from
	$(BIN)/wallet openapi > openapi.json.draft && mv openapi.json.draft openapi.json

demo: $(VENV)/.installed $(ASSETS) ## Serve a wallet with a few hundred people and a year behind them, on http://localhost:4000
	@$(BIN)/python scripts/demo.py

screenshots: $(VENV)/.installed-dev $(ASSETS) ## Make the pictures of /app and /console in docs/pictures, from the demo's books
	$(BIN)/python scripts/screenshots.py

profile: $(VENV)/.installed-dev $(ASSETS) ## Processor time of a request by layer
	$(BIN)/python -m benchmarks profile

lock: $(VENV)/.installed-dev ## Resolve the dependencies anew into the lock files
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --universal --python-version 3.11 --extra build --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --universal --python-version 3.11 --extra build --extra dev -c requirements.lock --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-dev.lock

clean: ## Remove the environment and built files (never the data)
	rm -rf $(VENV) src/wallet/api/static web/node_modules .mypy_cache .ruff_cache .pytest_cache .coverage*
