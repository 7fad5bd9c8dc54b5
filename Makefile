# One word for each job. Everything runs in .venv, made once from the hash-locked requirements.lock.
.DEFAULT_GOAL := help
.PHONY: help serve test test-faults soak test-s3 test-sqlite proof check lint types format demo bench bench-quick lock clean

BASE_PYTHON ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.ready
ARGS ?=
MINUTES ?= 10
# One more than processors, since most tests wait for a server or for the disk.
TEST_PROCESSES ?= $(shell $(BASE_PYTHON) -c 'import os; print(min(8, os.cpu_count() or 1) + 1)')
# Where containers set it, each process that a test starts would compile all of the sources again, for a second.
unexport PYTHONDONTWRITEBYTECODE

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# `--no-build-isolation`: the build backend is in the lock as well, so nothing unhashed is ever installed.
$(STAMP): requirements.lock pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Frostline needs Python 3.11 or newer; set BASE_PYTHON")'
	$(BASE_PYTHON) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

serve: $(STAMP) ## start the server, data in ./data (ARGS='--port 0 ..' is handed on)
	@exec $(VENV)/bin/frostline serve --config conf/frostline.toml $(ARGS)

# Tests of one file stay together, for what they share, and in the order of tests/conftest.py: xdist's own puts files of
# few tests last, which are the slow ones.
test: $(STAMP) ## run all tests (ARGS='-k flush' is handed on, '-n 0' keeps them in one process)
	$(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

# A later -m replaces the one in pyproject.toml. What is stuck is shown by each test's own time limit.
test-faults: $(STAMP) ## kill, cut, starve and abuse servers for MINUTES=10, shared out among the tests
	FROSTLINE_FAULT_RECORDS=$(abspath build/proof) FROSTLINE_FAULT_MINUTES=$(MINUTES) $(PYTHON) -m pytest -m long -s -o faulthandler_timeout=0 tests/faults/long $(ARGS)

soak: MINUTES = 60
soak: $(STAMP) ## a soak of MINUTES=60 for `make proof`; fails when the server holds more than after ten minutes
	$(PYTHON) -m tests.soak --minutes $(MINUTES) $(ARGS)

# Any other service: FROSTLINE_TEST_S3=http://host:port FROSTLINE_TEST_S3_KEYS=id:secret make test ARGS='tests/storage -k test_s3'
$(VENV)/bin/versitygw: | $(STAMP)
	GOBIN=$(abspath $(VENV)/bin) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

test-s3: $(VENV)/bin/versitygw ## the storage tests against an S3 service of somebody else (needs Go)
	$(PYTHON) -m tests.support.s3_service $(abspath $(VENV)/bin/versitygw) $(ARGS)

# FILES: the folder test/ of github.com/gregrahn/sqllogictest. All of them take hours: ARGS='--files-max 0 --queries-max 0'.
test-sqlite: $(STAMP) ## run SQLite's own test files in the folder FILES=.. over ADBC; for `make proof` too
	@test -d "$(FILES)" || { echo "set FILES to the folder test/ of gregrahn/sqllogictest"; exit 2; }
	@mkdir -p build/proof
	$(PYTHON) -m tests.sqllogic.sqlite $(FILES) --files-max 5 --queries-max 1000 --json build/proof/sqlite.json $(ARGS)

# A test that fails is what the page is for, so it does not end this. Summaries of other runs lie there already or are not told.
proof: $(STAMP) ## test the engine's known faults and write docs/proof.md, with the runs that are in build/proof
	@mkdir -p build/proof
	@$(PYTHON) -m tests.proof --tests > build/proof/tests.txt
	-$(PYTHON) -m pytest -q @build/proof/tests.txt --junitxml=build/proof/faults.xml
	$(PYTHON) -m tests.proof

check: lint types test ## what must pass before a change goes in

lint: $(STAMP) ## ruff: style, order of imports, layout
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: $(STAMP) ## mypy, strict
	$(PYTHON) -m mypy

format: $(STAMP) ## let ruff put things right
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

demo: $(STAMP) ## load the flights of 2013 into a running server and query them
	$(PYTHON) -m bench.demo $(ARGS)

bench: $(STAMP) ## measure against DataFusion, DuckDB, bare Flight, RocksDB and ROAPI (CASE=tpch: some; ARGS='--sf5': a large load too)
	$(PYTHON) -m bench.run $(if $(CASE),--only $(CASE)) $(ARGS)

bench-quick: $(STAMP) ## the same, small, within a minute; says what got worse since the committed figures
	$(PYTHON) -m bench.run --quick $(if $(CASE),--only $(CASE)) $(ARGS)

lock: $(STAMP) ## write requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --upgrade --output-file requirements.lock

clean: ## remove .venv and caches; ./data stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
