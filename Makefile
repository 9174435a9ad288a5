# `make run` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
# which tests `make test` runs; the documents of public APIs are 150 MB to fetch (`python -m pytest -m wellknown`)
MARKS ?= not wellknown
VENV := .venv
BIN := $(VENV)/bin
# what reads or writes request records
ON_CLICKHOUSE = tests/test_clickhouse.py tests/test_clickhouse_tables.py tests/test_clickhouse_server.py \
  tests/test_logs.py tests/test_log_page.py tests/test_why.py tests/test_logs_read.py tests/test_writer.py \
  tests/test_analytics.py tests/test_completeness.py tests/test_alerts.py tests/test_usage.py tests/test_usage_page.py tests/test_reality.py \
  tests/test_ingest_formats.py tests/test_ingest_hostile.py tests/test_ingest_rejected.py tests/test_ingest_nodes.py

.PHONY: run test test-clickhouse lint bench lock css clean

run: $(VENV)/.run
	@exec $(BIN)/gatewright up

# three workers even on two cores, because tests wait for the programs that they start
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "$(MARKS)"

test-clickhouse: $(VENV)/.clickhouse
	GATEWRIGHT_TEST_LOGS_URL='clickhousedb:///?interface=chdb' $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ON_CLICKHOUSE)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

# Pinned versions with hashes, for every platform. No registry's address is written.
lock: $(VENV)/.tools
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --group tools -c requirements-dev.lock -o requirements-tools.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --group clickhouse -c requirements-dev.lock -o requirements-clickhouse.lock

# The style sheet is built at development time and committed.
css: $(VENV)/.tools
	$(BIN)/tailwindcss -i assets/app.css -o static/app.css --minify

$(VENV)/.run: requirements.lock pyproject.toml
	@echo "Setting up: Python packages into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -c "import sysconfig,pathlib; pathlib.Path(sysconfig.get_path('purelib'),'gatewright-checkout.pth').write_text('$(CURDIR)\n')"
	@printf '#!/bin/sh\nexec "%s/$(BIN)/python" -m console "$$@"\n' '$(CURDIR)' > $(BIN)/gatewright
	@chmod +x $(BIN)/gatewright
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Setting up: what the tests need"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.clickhouse: $(VENV)/.dev requirements-clickhouse.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-clickhouse.lock
	@touch $@

$(VENV)/.tools: $(VENV)/.dev requirements-tools.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-tools.lock
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
