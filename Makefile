# Everything a newcomer needs: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test coverage lint check bench demo-ehr docs profiles package vignettes lock clean

# The first of these that really starts and is new enough. Version managers put names on the PATH that only print an
# error, so each candidate is run, not looked up. Override with `make run PYTHON=/path/to/python`.
NEW_ENOUGH := -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3 python; do \
	if $$candidate $(NEW_ENOUGH); then echo $$candidate; break; fi; done)

# Running must not need the test tools, and testing must not change what runs: one environment each.
RUN := .venv
TEST := .venv-test
# Processes of the test suite, one more than cores, because many tests wait for a server. A file's tests stay together, so that
# they share the servers and databases they start.
# The files go out in the order of tests/support/order.py: left to itself, xdist would begin with those of the most tests.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# A stamp lies inside its environment, so that removing the environment removes it; a newer lock makes it stale.
RUN_READY := $(RUN)/.installed
TEST_READY := $(TEST)/.installed
PIP := -m pip install --quiet --disable-pip-version-check --require-hashes

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(RUN_READY)  ## Start the service on 127.0.0.1:8000 (PORT and HOST settable). Installs what it needs first.
	@exec $(RUN)/bin/python -m service serve

test: $(TEST_READY)  ## Run the whole default test suite.
	$(TEST)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Apart from `make test`, because the tracer doubles the time of Python code. Of tests with many parameters the first is traced, and
# bulk over covered code not at all (tests/support/order.py).
coverage: $(TEST_READY)  ## The same, and which lines and branches of service/ it ran.
	$(TEST)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(ARGS)

lint: $(TEST_READY)  ## Lint and types.
	$(TEST)/bin/python -m ruff check service tests
	$(TEST)/bin/python -m mypy

check: lint  ## Quick look before a commit: lint, types, data, unit tests.
	$(TEST)/bin/python -m service knowledge
	$(TEST)/bin/python -m pytest -q -m 'not slow' tests/unit $(ARGS)

bench: $(TEST_READY)  ## Measure the service against plain yardsticks.
	$(TEST)/bin/python -m service bench $(ARGS)

demo-ehr: $(RUN_READY)  ## Show it inside a record system, in the terminal and the browser: a hip MRI is ordered, a card appears.
	@exec $(RUN)/bin/python -m tests.support.demo_ehr $(ARGS)

docs: $(TEST_READY)  ## Bring generated pages and every figure in README up to date.
	$(TEST)/bin/python -m tests.support.documents

package: $(RUN_READY)  ## Write the FHIR package (profiles, operations, form, terminology, examples) to dist/.
	$(RUN)/bin/python -m service package $(ARGS)

# The only target that needs Node (18 or newer). What it makes is committed, so running and testing the service need none.
profiles: profiles/node_modules/.installed  ## Compile the FHIR Shorthand of profiles/ anew (needs Node).
	node profiles/tools/compile.mjs

profiles/node_modules/.installed: profiles/package-lock.json
	cd profiles && npm ci --silent
	@touch $@

vignettes: $(TEST_READY)  ## Run the published cases and write docs/vignettes.md.
	$(TEST)/bin/python -m tests.vignettes.write

# Needs the tool uv, which nothing else here does. Extras stay in the lock: pip takes `coverage[toml]` for unpinned when only
# `coverage` is listed and a newer release exists. The driver of PostgreSQL is in, so that a URL in the settings is all that a
# deployment has to change. Run it after changing a dependency in pyproject.toml.
lock:  ## Write both lock files anew from pyproject.toml.
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header pyproject.toml --extra postgresql -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header pyproject.toml --group test -o tests/requirements.lock

clean:  ## Remove what the targets above made.
	rm -rf $(TEST) build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -e $(RUN_READY) ]; then rm -rf $(RUN); fi

$(RUN_READY): requirements.lock
	$(call environment,$(RUN))
	$(RUN)/bin/python $(PIP) -r requirements.lock
	@touch $@

$(TEST_READY): tests/requirements.lock
	$(call environment,$(TEST))
	$(TEST)/bin/python $(PIP) -r tests/requirements.lock
	@touch $@

# An environment whose Python has since gone, or whose making was broken off, is made anew.
define environment
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) $(NEW_ENOUGH); then \
	echo "HipSpine needs Python 3.11 or newer with the venv module, and found none$(if $(PYTHON), in $(PYTHON))." >&2; \
	echo "Install it (on Debian or Ubuntu: apt-get install python3 python3-venv) or name one: make run PYTHON=/path/to/python" >&2; \
	exit 1; fi
	@if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
	echo "Making $(1) with $$($(PYTHON) --version); the first time takes a minute."; \
	rm -rf $(1) && $(PYTHON) -m venv $(1); fi
endef
