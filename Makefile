# The two commands of the README: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
TESTS ?= tests

.PHONY: install demo test lint docs clean

install: $(VENV)/.installed

# torch goes first and pinned: asked for by a range, it would bring some gigabytes of CUDA to a machine without a GPU
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/snakemake --cores $(CORES)
	@echo
	@$(BIN)/dreamsmk card results/adapter | head -n 40
	@echo
	@echo "The cards are results/cards/tweets.md and results/cards/adapter.md."

test: install
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile $(TESTS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow rules examples
	$(BIN)/snakemake --lint

docs: install
	$(BIN)/python -m dreamsmk.settings > docs/reference/settings.md
	$(BIN)/dreamsmk rules --markdown > docs/reference/rules.md

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
