# Fingerpost on one machine. `make` alone prints what there is.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
DISTRIBUTIONS := ./contracts[chassis] ./services/scheduler ./services/sender ./services/clicks \
	./services/analytics ./deploy/local
PYPROJECTS := pyproject.toml contracts/pyproject.toml deploy/local/pyproject.toml \
	$(wildcard services/*/pyproject.toml)
SOURCES := contracts deploy/local services tests
# On a NATS server of your own all tests share one log: one after the other.
PARALLEL := $(if $(NATS_URL),,-n 4 --maxschedchunk 1)

.DEFAULT_GOAL := help
.PHONY: help run demo test bench fuzz lint format isolate asyncapi generate constraints clean

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | \
		awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Start everything: NATS, PostgreSQL, a Telegram sandbox, the four services
	@$(BIN)/python -m stack run

demo: $(VENV)/.run ## A minute by itself: people tap, start and pay; the tables must say the same
	@$(BIN)/python -m stack demo

test: $(VENV)/.dev ## Run every test that needs no container engine
	$(BIN)/python -m pytest $(PARALLEL) tests/integration tests/contract tests/unit
	$(BIN)/python -m pytest tests/e2e tests/browser

bench: $(VENV)/.dev ## Measure PART=scheduler (all parts without it) beside its floor and its peer
	PYTHONPATH=tests $(BIN)/python -m bench $(PART)

fuzz: $(VENV)/.dev ## Ask clicks FUZZ=100000 times what nobody should ask; nothing may come of it
	FINGERPOST_FUZZ=$(or $(FUZZ),100000) $(BIN)/python -m pytest \
		tests/integration/clicks/test_fuzz.py tests/unit/clicks/test_openapi.py

lint: $(VENV)/.dev ## Format, lint, strict types, import rules, published files
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python contracts/generate.py --check

format: $(VENV)/.dev ## Format the code and sort its imports
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

isolate: $(VENV)/.dev ## Install each service alone, and see that it starts with only that
	$(BIN)/python tests/isolate.py

generate: $(VENV)/.dev ## Write the JSON Schemas, golden examples and AsyncAPI document anew
	$(BIN)/python contracts/generate.py

asyncapi: ## Validate the AsyncAPI document with the AsyncAPI CLI (npm)
	npm install --silent --no-fund --no-audit --prefix .fingerpost/asyncapi @asyncapi/cli@4.1.1
	.fingerpost/asyncapi/node_modules/.bin/asyncapi validate contracts/asyncapi.yaml

constraints: ## Pin the newest versions that fit, in constraints.txt
	rm -rf .fingerpost/pins && $(PYTHON) -m venv .fingerpost/pins
	.fingerpost/pins/bin/pip install --quiet --upgrade pip
	.fingerpost/pins/bin/pip install --quiet --group dev $(addprefix -e ,$(DISTRIBUTIONS))
	.fingerpost/pins/bin/pip freeze --all --exclude-editable --exclude setuptools > constraints.txt

clean: ## Remove the virtual environment and everything that the local run keeps
	rm -rf $(VENV) .fingerpost

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(PYPROJECTS) constraints.txt | $(BIN)/python
	@echo "installing Fingerpost into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$(addprefix -e ,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.dev: $(VENV)/.run pyproject.toml
	@echo "installing the development tools ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --group dev
	@touch $@
