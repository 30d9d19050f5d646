# `make` alone lists what there is. Everything is installed into .venv, once, by core/install.py.
PYTHON ?= python3
PORT ?= 8501
export PORT

VENV_PYTHON := .venv/bin/python
INSTALL := $(PYTHON) -m core.install
# The whole test session ends after this long, a single test after the time in pyproject.toml.
TEST_LIMIT_S := 1800

.DEFAULT_GOAL := help
.PHONY: help run test check bench record constraints install install-dev

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install  ## serve the dashboard on 127.0.0.1, port 8501 or PORT=...; installs first if needed
	@$(VENV_PYTHON) -m core.serve

test: install-dev  ## all checks and tests; installs first if needed, the browser too
	@$(VENV_PYTHON) -m tests.browser.chromium
	@$(MAKE) --no-print-directory check
	$(VENV_PYTHON) -m pytest --session-timeout=$(TEST_LIMIT_S)

check: install-dev  ## the checks alone: ruff, mypy, the import rules
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports

bench: install-dev  ## measure the numbers that the design holds
	@$(VENV_PYTHON) -m benchmarks

record: install  ## make the runs and the evidence that come with the project, or ONLY=duels, ONLY=evidence
	@$(VENV_PYTHON) -m core record --data-note "$(DATA_NOTE)" --only "$(ONLY)"

# What requirements*.txt name stands first in such a freeze; only what follows is kept. Freeze from a CUDA build:
# a CPU build has no nvidia-* lines.
constraints: install-dev  ## write constraints.txt: the versions in .venv of all that requirements*.txt pull in
	@{ echo "# Below requirements.txt and requirements-dev.txt. Made by \`make constraints\`; not for hand edits."; \
	$(VENV_PYTHON) -m pip freeze --exclude-editable -r requirements.txt -r requirements-dev.txt \
	| sed -e '1,/^## The following requirements were added/d' -e '/ @ /d' -e 's/+cpu$$//'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt

install:
	@$(INSTALL)

install-dev:
	@$(INSTALL) --dev
