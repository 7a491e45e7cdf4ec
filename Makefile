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

.PHONY: help run phone test test-slow check check-slow format lint types imports lock clean assets openapi examples openapi-lint openapi-diff postman show-postman show-swagger bench bench-quick bench-growth bench-memory bench-live show-live show-statement profile show-webhooks demo screenshots

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

.PHONY: sdk sdk-build sdk-python sdk-python-build show-sdks show-sdk-python
sdk: sdk-python sdk-typescript ## Generate both SDKs from openapi.json

sdk-build: sdk-python-build sdk-typescript-build ## Pack both SDKs: a wheel and an npm package

sdk-python: $(VENV)/.installed-dev ## Generate the Python SDK (sdks/python)
	$(BIN)/python -m scripts.build_python_sdk

sdk-python-build: $(VENV)/.installed-dev ## Generate the Python SDK and pack its wheel into sdks/python/dist
	$(BIN)/python -m scripts.build_python_sdk --wheel

show-sdks: show-sdk-python show-sdk-typescript ## A month of a small shop with either SDK, written to docs/transcripts

show-sdk-python: $(VENV)/.installed-dev sdk-python ## A month of a small shop with the Python SDK, written to docs/transcripts
	$(BIN)/python -m scripts.show_sdk_python

run: $(VENV)/.installed $(ASSETS) ## Serve the wallet on http://localhost:4000 with an embedded PostgreSQL
	@exec $(BIN)/wallet serve

phone: $(VENV)/.installed $(ASSETS) ## The same for phones on your network, by https with a certificate made here
	@exec $(BIN)/wallet serve --phone

test: $(VENV)/.installed-dev $(ASSETS) ## Run the suite with coverage (on a real, embedded PostgreSQL)
	$(BIN)/python -m pytest -m "not slow" -n 2 --cov --cov-report=term

test-slow: $(VENV)/.installed-dev $(ASSETS) sdk-python sdk-typescript ## Run what takes long or breaks things on purpose
	$(BIN)/python -m pytest -m slow tests
	$(BIN)/python -m pytest -m slow -n 2 sdks/python/tests

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

.PHONY: sdk-typescript sdk-typescript-build show-sdk-typescript
sdk-typescript: $(VENV)/.installed ## Build the TypeScript SDK from openapi.json (npm)
	$(BIN)/python -m scripts.build_typescript_sdk

sdk-typescript-build: $(VENV)/.installed ## Build it and pack it for npm
	$(BIN)/python -m scripts.build_typescript_sdk --pack

show-sdk-typescript: $(VENV)/.installed ## A month of a small shop, written to docs/transcripts
	$(BIN)/python -m scripts.show_sdk_typescript

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

examples: $(VENV)/.installed-dev ## Ask the service everything anew; the document shows what it answers
	WALLET_RECORD_EXAMPLES=1 $(BIN)/python -m pytest -q tests/api/test_examples.py tests/api/test_problem_examples.py
	$(MAKE) openapi

openapi-lint: $(VENV)/.installed-dev ## Look over openapi.json with redocly's strict rules
	$(BIN)/python -m scripts.lint_openapi

BASE ?= HEAD~1
openapi-diff: $(VENV)/.installed-dev ## Say whether openapi.json breaks clients of the one at BASE=<revision>
	@$(BIN)/python -m scripts.compare_openapi $(BASE)

postman: $(VENV)/.installed-dev ## Make the Postman collection and environment in build/postman from openapi.json
	$(BIN)/python -m scripts.build_postman

show-postman: $(VENV)/.installed-dev $(ASSETS) ## Run the collection against a service of its own; newman's words go to docs/transcripts
	@mkdir -p docs/transcripts
	WALLET_TRANSCRIPTS=docs/transcripts $(BIN)/python -m pytest -q -m slow tests/integration/test_postman.py

show-swagger: $(VENV)/.installed-dev $(ASSETS) ## Make a first transfer in Swagger UI in a browser; its picture goes to docs/pictures
	WALLET_PICTURES=docs/pictures $(BIN)/python -m pytest -q -m slow tests/browser/test_first_transfer.py

show-webhooks: $(VENV)/.installed-dev $(ASSETS) ## Watch a webhook receiver being killed and catch up, with nothing missing
	$(BIN)/python scripts/show_webhooks.py

demo: $(VENV)/.installed $(ASSETS) ## Serve a wallet with a few hundred people and a year behind them, on http://localhost:4000
	@$(BIN)/python scripts/demo.py

screenshots: $(VENV)/.installed-dev $(ASSETS) ## Make the pictures of /app and /console in docs/pictures, from the demo's books
	$(BIN)/python scripts/screenshots.py

profile: $(VENV)/.installed-dev $(ASSETS) ## Processor time of a request by layer
	$(BIN)/python -m benchmarks profile

lock: $(VENV)/.installed-dev ## Resolve the dependencies anew into the lock files
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --universal --python-version 3.11 --extra build --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --universal --python-version 3.11 --extra build --extra dev -c requirements.lock --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-dev.lock
	echo openapi-python-client | $(BIN)/uv pip compile -q --upgrade - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-sdk.lock

clean: ## Remove the environment and built files (never the data)
	rm -rf $(VENV) sdks/python/build sdks/python/dist sdks/python/src/wallet_sdk/_generated sdks/python/src/wallet_sdk/_sync src/wallet/api/static web/node_modules .mypy_cache .ruff_cache .pytest_cache .coverage*
	cd sdks/typescript && rm -rf node_modules dist build src/generated .built
