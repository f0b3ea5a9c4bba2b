# The commands of the project; `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
# A distribution builds its Python with all optimisations, which one built by hand often lacks: a tenth of the speed.
VENV_PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo $(PYTHON))
# Tests run in this many processes.
JOBS ?= 2

UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
NODE_MODULES := tests/interop/node_modules/.package-lock.json
# The dev lock is a superset of the runtime lock: a .venv that has it keeps it.
PACKAGES := $(or $(wildcard .venv/.dev),.venv/.runtime)

.PHONY: help run test test-deps check format audit bench lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: export PORT := $(PORT)
run: $(PACKAGES) ## the provider, a demo app and a demo API in development mode (PORT=8000)
	@exec .venv/bin/python -m idp dev $(if $(PORT),--port "$$PORT")

test: .venv/.dev $(NODE_MODULES) $(if $(filter true,$(CI)),test-deps) ## all tests (FAST=1: without the slow ones; ARGS="...": for pytest)
	@.venv/bin/python -m pytest --numprocesses=$(JOBS) $(if $(FAST),-m "not slow") $(ARGS)

test-deps: ## by apt, what the tests need and only root can install
	@bash .ci/test-deps

check: .venv/.dev ## types, lint, arrows, dead dependencies, lock freshness
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/deptry .
	.venv/bin/python .ci/lock.py --check

format: .venv/.dev ## the code, formatted
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

audit: .venv/.dev ## known vulnerabilities of what is installed, Python and npm
	@.venv/bin/python .ci/audit.py

bench: .venv/.dev ## operations per second (JSON=FILE: also written there)
	@.venv/bin/python -m tests.bench $(if $(JSON),--json "$(JSON)")

lock: $(UV) ## the lock files anew from pyproject.toml (UPGRADE=1: with the newest versions)
	$(PYTHON) .ci/lock.py $(UV) $(if $(UPGRADE),--upgrade)

clean: ## no installed packages, no caches; ./data stays
	rm -rf .venv .tools tests/interop/node_modules .*_cache .hypothesis

.tools/bin/uv:
	@echo "Fetching uv $(UV_VERSION) into .tools"
	@$(PYTHON) -m pip install --quiet --root-user-action=ignore --target .tools uv==$(UV_VERSION)

# `idp` is imported from this checkout, and its command stands in .venv/bin, without a build.
.venv/bin/python: | $(UV)
	@rm -rf .venv
	@$(UV) venv --quiet --no-python-downloads --python $(VENV_PYTHON) .venv
	@pwd > "$$($@ -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/idp.pth"

.venv/bin/idp: Makefile | .venv/bin/python
	@printf '#!/bin/sh\nexec "$$(dirname "$$(readlink -f "$$0")")/python" -m idp "$$@"\n' > $@
	@chmod +x $@

.venv/.runtime: requirements.lock .venv/bin/python
.venv/.dev: requirements-dev.lock .venv/bin/python
.venv/.runtime .venv/.dev: | $(UV) .venv/bin/idp
	@echo "Installing the packages of $<"
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python .venv $<
	@touch $@

$(NODE_MODULES): tests/interop/package-lock.json tests/interop/package.json | .venv/.dev
	@echo "Installing the npm packages of tests/interop"
	@cd tests/interop && PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --silent
	@touch $@
