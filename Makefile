.DEFAULT_GOAL := help
PYTHON ?= python3
WORKERS ?= auto
MINUTES ?= 20
REPORT ?= siege-report.txt
SIEGE ?=
PYTEST ?=
BIN := .venv/bin

.PHONY: help install dbt lock run test check types sql lint layers documents bench chaos siege published clean

help: ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.installed: requirements-dev.lock pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo 'Installing into .venv: some minutes the first time' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: .venv/.installed ## make .venv with everything, .venv/bin/segments among it

# Apart, because its dependencies are not those of the service.
.venv/dbt/.installed: analytics/requirements.lock | .venv/.installed
	@$(PYTHON) -m venv --clear .venv/dbt
	@echo 'Installing dbt into .venv/dbt' >&2
	@.venv/dbt/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

dbt: .venv/dbt/.installed ## make .venv/dbt with dbt-core and its adapters, for analytics/dbt_segments

LOCK := uv pip compile --quiet pyproject.toml --generate-hashes --no-emit-index-url --no-header --python-version 3.11
lock: ## resolve the dependencies anew into the locks: to run, to build the image, to develop, for dbt (needs uv)
	$(LOCK) --extra dev -o requirements-dev.lock
	$(LOCK) --constraint requirements-dev.lock -o requirements.lock
	$(LOCK:pyproject.toml=--group build) --constraint requirements-dev.lock -o requirements-build.lock
	$(LOCK:pyproject.toml=analytics/requirements.in) -o analytics/requirements.lock

published: install ## write the generated documents anew (JSON Schema, AsyncAPI, OpenAPI, dashboards of Grafana)
	$(BIN)/python -m schemas.documents
	$(BIN)/python -m segments.openapi.render
	$(BIN)/python -m deploy.grafana

run: install ## start a stack and the service, feed it the CDNOW purchases, show what came out; on a terminal until Ctrl-C
	@$(BIN)/python -m examples.cdnow

test: install dbt ## test everything against a real Kafka, a real Postgres and a real browser, WORKERS files at once
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
		|| echo 'No Chromium: tests of the dashboard are skipped. On Debian and Ubuntu: apt-get install chromium' >&2
	$(BIN)/python -m pytest -m "not chaos" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

chaos: install ## the long form of the fault tests
	$(BIN)/python -m pytest -m chaos --timeout 3600

siege: install ## hostile tenants beside a well-behaved network for MINUTES, with a REPORT; exit 1 if a guarantee is broken
	$(BIN)/python -m tests.siege --minutes $(MINUTES) --report $(REPORT) $(SIEGE)

check: install ## lint, types, layers, drift of generated documents
	@$(MAKE) --no-print-directory --jobs=2 types sql lint layers documents

types:
	$(BIN)/mypy

sql:
	$(BIN)/sqlfluff lint --disable-progress-bar schemas/migrations

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers:
	$(BIN)/lint-imports --no-cache

documents:
	$(BIN)/python -m schemas.documents --check
	$(BIN)/python -m segments.openapi.render --check

bench: install ## measure every figure beside its limit, into benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

clean: ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
