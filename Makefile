# The README's two commands are `make demo` and `make test`; each builds .venv first when it is missing or stale.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE := 1

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## build .venv with everything, from pinned and hash-checked requirements

$(READY): requirements/dev.txt pyproject.toml scripts/setup
	scripts/setup $(VENV)
	@touch $@

demo: $(READY) ## quantify sample_slides/ into demo_results/ and say where the report is
	$(BIN)/histoquant run sample_slides -o demo_results
	@echo "Open demo_results/report.html"

test: $(READY) ## lint, format check, types, tests
	@scripts/system
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not full"

full: $(READY) ## the long suites too
	$(BIN)/pytest -n 2

format: $(READY) ## apply the formatter and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## the documentation as pages in docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

accuracy: $(READY) ## measure what docs/accuracy.md says and write that page with its pictures
	$(BIN)/python benchmarks/accuracy.py

performance: $(READY) ## measure speed and write docs/performance.md
	$(BIN)/python benchmarks/performance.py

lock: ## renew requirements/dev.txt (needs uv)
	uv pip compile pyproject.toml --group dev --extra napari --extra export --extra cluster --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-header --upgrade -o requirements/dev.txt

clean: ## remove what the commands above made
	rm -rf $(VENV) demo_results build dist docs/_build .pytest_cache .mypy_cache .ruff_cache

.PHONY: help setup demo test full format docs accuracy performance lock clean
