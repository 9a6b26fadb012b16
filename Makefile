# Tarmac on one machine: `make run`. Needs Python 3.11 or later; uses uv where it works, plain pip otherwise.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
HASH = $(word 1,$(shell cat $(1) | cksum))
RUN_STAMP := .venv/.run-$(call HASH,requirements.lock pyproject.toml)
DEV_STAMP := .venv/.dev-$(call HASH,requirements-dev.lock pyproject.toml)
BENCH_STAMP := .venv-bench/.bench-$(call HASH,bench/requirements.lock)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
PIP_ENV := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
TEST_ARGS ?=
# What kills processes or counts seconds is one group, and the longest (tests/conftest.py); in this order it begins early.
TEST_WORKERS := -n 2 --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run install test chaos check docs bench lock clean

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

run: $(RUN_STAMP) ## Run the whole service and replay a recorded day; LIVE=1 watches the live sources instead
	@$(BIN)/tarmac run $(if $(filter-out 0 false no,$(LIVE)),--live) $(ARGS)

install: $(RUN_STAMP) ## Install what is locked into .venv, and start nothing

test: $(DEV_STAMP) ## Run every test, two files at a time; TEST_ARGS picks some, "-n 0" runs one after the other
	$(BIN)/python -m pytest $(TEST_WORKERS) $(TEST_ARGS)

chaos: $(DEV_STAMP) ## Kill processes and the database over and over (the long form of the kill tests)
	TARMAC_CHAOS=1 $(BIN)/python -m pytest -m chaos --timeout 3600 $(TEST_ARGS)

check: $(DEV_STAMP) ## Formatting, lint, types, import floors, locks and generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy models alerts
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_locks.py
	$(BIN)/python -m pytest -q tests/docs

docs: $(DEV_STAMP) ## Write the generated pages anew
	$(BIN)/python -m models.tables.document > docs/data-model.md.new && mv docs/data-model.md.new docs/data-model.md
	$(BIN)/python -m flows.commands_page > docs/commands.md.new && mv docs/commands.md.new docs/commands.md
	$(BIN)/python -m models.settings_page
	$(BIN)/python -m crawlers.sources_page

bench: $(DEV_STAMP) $(BENCH_STAMP) ## Measure every claim against its yardstick; writes bench/results.json
	$(BIN)/python -m bench

lock: ## Pin all requirements anew (needs uv and the package registry)
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--no-emit-index-url --extra embedded --extra build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--no-emit-index-url --extra embedded --extra build --extra dev pyproject.toml -c requirements.lock \
		-o requirements-dev.lock
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--no-emit-index-url bench/requirements.in -o bench/requirements.lock

clean: ## Remove what was installed; data in .tarmac stay
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A stamp carries the hash of its lock, so that a changed lock installs again and nothing else does.
$(RUN_STAMP): | .venv/bin/python
	$(call install,.venv,requirements.lock)
	$(install_tarmac)
	@rm -f .venv/.run-* && touch $@

$(DEV_STAMP): | .venv/bin/python
	$(call install,.venv,requirements-dev.lock)
	$(install_tarmac)
	@rm -f .venv/.dev-* && touch $@
	@touch $(RUN_STAMP)

$(BENCH_STAMP): | .venv-bench/bin/python
	$(call install,.venv-bench,bench/requirements.lock)
	@rm -f .venv-bench/.bench-* && touch $@

.venv/bin/python .venv-bench/bin/python:
	@test -n "$(PYTHON)" || { echo "Tarmac needs Python 3.11 or later; none was found (set PYTHON=/path/to/python3)" >&2; exit 2; }
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)

# uv is quicker; where it is missing or cannot reach its registry, pip does the same
pip = $(PIP_ENV) $(1)/bin/python -m pip install -q $(2)
with_uv = $(if $(UV),uv pip install -q --python $(1)/bin/python $(2) ||) $(call pip,$(1),$(2))
install = $(call with_uv,$(1),--require-hashes -r $(2))
install_tarmac = $(call with_uv,.venv,--no-deps --no-build-isolation -e .)
