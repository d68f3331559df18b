# Habits. `make` lists them; `run.py` needs nothing of this file.
.DEFAULT_GOAL := help
.PHONY: help demo test quick lint types format bench fresh lock
BIN := .venv/bin
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## hub, broker and two virtual stations (ARGS="--port 9000 --fresh")
	python3 run.py demo $(ARGS)

test: ## everything that proves it (ARGS="-- -k door" for pytest alone)
	python3 run.py test $(ARGS)

quick: ## the same without the suites that take minutes
	python3 run.py test --quick $(ARGS)

lint: ## ruff, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: ## mypy --strict
	$(BIN)/mypy

format: ## let ruff write the format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: ## measure and rewrite docs/benchmarks.md (ARGS="door --quick")
	python3 run.py bench $(ARGS)

fresh: ## both commands on a bare Debian 12; needs root and debootstrap
	python3 -m deploy.bootstrap.fresh

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

lock: ## both lock files from pyproject.toml; pins stay (ARGS=--upgrade renews them)
	$(COMPILE) $(ARGS) pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
