# Two targets do everything on a fresh machine with git, make and Python 3.11+: demo and test.

VENV := .venv
PYTHON := $(VENV)/bin/python
# The oldest supported interpreter comes first where there are several.
PYTHON3 ?= python3
PYTEST_OPTIONS ?=

.PHONY: demo test lint format bench

demo: $(VENV)/ready
	$(PYTHON) examples/demo.py

test: $(VENV)/ready
	$(PYTHON) -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/ready
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/hadolint Dockerfile.example examples/*/Dockerfile

format: $(VENV)/ready
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

bench: $(VENV)/ready
	$(PYTHON) benchmarks/start.py
	$(PYTHON) -m benchmarks.templates
	[ "$$(id -u)" != 0 ] || $(PYTHON) -m benchmarks.step_down
	$(PYTHON) benchmarks/memory.py
	$(PYTHON) -m benchmarks.testing

# pip says what it fetches: the first time takes about half a minute.
$(VENV)/ready: pyproject.toml
	@echo "setting up $(VENV), once: about half a minute"
	$(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --upgrade "pip>=25.1"
	$(PYTHON) -m pip install --disable-pip-version-check --progress-bar off --quiet --editable ".[passlib,testing]" --group dev
	$(PYTHON) -m compileall -q entrykit
	@touch $@
