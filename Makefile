# Two commands matter: `make demo` and `make test`. Both set everything up first (bin/set-up) and
# skip what is there already.

PYTHON_IN_VENV := .venv/bin/python
# Byte code is written: the parts import a lot, and start in half the time the second time.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help demo stack test lint bench format clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## Start everything, run the whole story, leave the web UI up (DEMO_EXIT=1: do not)
	@bin/set-up demo && exec $(PYTHON_IN_VENV) -m config.demo

stack: ## Start everything without the story, until Ctrl-C
	@bin/set-up demo && exec $(PYTHON_IN_VENV) -m config.embedded

test: ## Run every test: unit, integration, end to end (ARGS="-k name" for some)
	@bin/set-up test && exec $(PYTHON_IN_VENV) -m pytest $(ARGS)

lint: ## Run every linter and type checker
	@bin/set-up demo && exec bin/lint

bench: ## Measure everything beside its peers; writes benchmarks/RESULTS.md
	@bin/set-up demo && exec $(PYTHON_IN_VENV) -m benchmarks $(ARGS)

format: ## Put the code into the house's format
	@bin/set-up demo && .venv/bin/ruff check --fix-only --quiet . && .venv/bin/ruff format .

clean: ## Remove what set-up made; the state in .muniment stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
