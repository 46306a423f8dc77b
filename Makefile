# Fingerpost on one machine. `make` alone prints what there is.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
DISTRIBUTIONS := ./contracts[chassis,tracing] ./services/scheduler ./services/sender ./services/clicks \
	./services/analytics ./deploy/local
PYPROJECTS := pyproject.toml contracts/pyproject.toml deploy/local/pyproject.toml \
	$(wildcard services/*/pyproject.toml)
SOURCES := contracts deploy/images deploy/observability deploy/local services tests
# On a NATS server of your own all tests share one log: one after the other.
PARALLEL := $(if $(NATS_URL),,-n 4)

.DEFAULT_GOAL := help
.PHONY: help run demo test test-containers images base-image server-images bench growth chaos soak \
	mutations manifests fuzz lint format isolate asyncapi generate licences audit constraints clean

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | \
		awk -F'|' '{printf "  make %-16s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Start everything: NATS, PostgreSQL, a Telegram sandbox, the four services
	@$(BIN)/python -m stack run

demo: $(VENV)/.run ## A minute by itself: people tap, start and pay; the tables must say the same
	@$(BIN)/python -m stack demo

test: $(VENV)/.dev ## Run every test that needs no container engine
	$(BIN)/python -m pytest $(PARALLEL) tests/integration tests/contract tests/unit
	$(BIN)/python -m pytest tests/e2e tests/browser

test-containers: $(VENV)/.dev ## The integration tests on NATS and PostgreSQL in containers
	TEST_SERVERS=containers $(BIN)/python -m pytest tests/integration/chassis \
		tests/integration/scheduler tests/integration/analytics $(ARGS)

images: $(VENV)/.run ## Build the four images (BASE_IMAGE=...), run them hardened, measure them
	@PYTHONPATH=deploy $(BIN)/python -m images build
	@PYTHONPATH=deploy $(BIN)/python -m images check

base-image: $(VENV)/.run ## Make a base for the images from Debian's packages (root, debootstrap)
	@PYTHONPATH=deploy $(BIN)/python -m images base

server-images: $(VENV)/.run ## Make stand-ins for the images of NATS and PostgreSQL
	@PYTHONPATH=deploy $(BIN)/python -m images servers

bench: $(VENV)/.dev ## Measure PART=scheduler (all parts without it) beside its floor and its peer
	PYTHONPATH=tests $(BIN)/python -m bench $(PART)

growth: $(VENV)/.dev ## Measure how costs grow with channels, taps, replicas, SIZE=small or full
	PYTHONPATH=tests $(BIN)/python -m bench.growth $(or $(SIZE),small)

chaos: $(VENV)/.dev ## Break everything, MINUTES=2 long by SEED=1 and FAULTS=..., and judge the promises
	SEED=$(SEED) MINUTES=$(MINUTES) FAULTS=$(FAULTS) PYTHONPATH=tests $(BIN)/python -m chaos

soak: $(VENV)/.dev ## MINUTES=60 of steady load, and what grows that should not
	MINUTES=$(or $(MINUTES),60) SEED=$(or $(SEED),60) PYTHONPATH=tests $(BIN)/python -m chaos.soak

mutations: $(VENV)/.dev ## Break promises (NAME=...) on purpose: who notices? CHAOS=1: does the adversary?
	SEED=$(SEED) MINUTES=$(MINUTES) FAULTS=$(FAULTS) PYTHONPATH=tests $(BIN)/python -m chaos.mutations \
		$(if $(CHAOS),--chaos) $(if $(NAME),"$(NAME)")

manifests: $(VENV)/.dev ## Render the Kubernetes manifests with kubectl, and check them without a cluster
	PYTHONPATH=deploy $(BIN)/python -m manifests

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

generate: $(VENV)/.dev ## Write schemas, golden examples, AsyncAPI, dashboard and table of metrics anew
	$(BIN)/python contracts/generate.py
	PYTHONPATH=deploy $(BIN)/python -m observability

asyncapi: ## Validate the AsyncAPI document with the AsyncAPI CLI (npm)
	npm install --silent --no-fund --no-audit --prefix .fingerpost/asyncapi @asyncapi/cli@4.1.1
	.fingerpost/asyncapi/node_modules/.bin/asyncapi validate contracts/asyncapi.yaml

licences: $(VENV)/.supply ## The licences of what the services install; refuses one that is not known
	rm -rf .fingerpost/licences && $(PYTHON) -m venv .fingerpost/licences
	.fingerpost/licences/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
		'./contracts[chassis,tracing]' ./services/*
	$(BIN)/pip-licenses --python=.fingerpost/licences/bin/python

audit: $(VENV)/.supply ## Known vulnerabilities of what is pinned; fails, too, where it could not ask
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r constraints.txt

constraints: ## Pin the newest versions that fit, in constraints.txt
	rm -rf .fingerpost/pins && $(PYTHON) -m venv .fingerpost/pins
	.fingerpost/pins/bin/pip install --quiet --upgrade pip
	.fingerpost/pins/bin/pip install --quiet --group dev --group images --group supply \
		$(addprefix -e ,$(DISTRIBUTIONS))
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

$(VENV)/.supply: $(VENV)/.run pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --group supply
	@touch $@
