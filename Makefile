# `make` alone lists what there is. Everything is installed into .venv, once, by core/install.py.
PYTHON ?= python3
PORT ?= 8501
export PORT
PROFILE ?=
ifneq ($(PROFILE),)
export DUEL_PROFILE := $(PROFILE)
endif

CLUSTER ?=
ifneq ($(CLUSTER),)
export DUEL_CLUSTER := $(CLUSTER)
endif

VENV_PYTHON := .venv/bin/python
INSTALL := $(PYTHON) -m core.install$(if $(CLUSTER), --cluster)
# A layer that hangs is ended after this long, a single test after the time in pyproject.toml. The goals on two cores:
# 15 minutes for `make test`, 45 with the rest.
MORE ?=
TEST_LIMIT_S := $(if $(MORE),4700,3600)

.DEFAULT_GOAL := help
.PHONY: help run test test-rest test-all test-programs check bench fuzz pictures record constraints cloud install install-dev

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install  ## serve the dashboard on port 8501 or PORT=...; for strangers: PROFILE=hosted, on a cluster: CLUSTER=auto
	@$(VENV_PYTHON) -m core.serve

test: test-programs  ## checks and tests of every behaviour; installs first, brings Chromium, Firefox and nginx where missing
	@$(VENV_PYTHON) -m tests $(if $(MORE),--all) --limit $(TEST_LIMIT_S)

test-rest: test-programs  ## the tests that `make test` leaves out: more variants of what it tests
	@$(VENV_PYTHON) -m tests --rest --limit $(TEST_LIMIT_S)

test-all:  ## both at once, which starts each framework and each server once: the same as `make test MORE=1`
	@$(MAKE) --no-print-directory test MORE=1

test-programs: install-dev
	@$(VENV_PYTHON) -m tests.browser.chromium
	@$(VENV_PYTHON) -m tests.browser.firefox
	@$(VENV_PYTHON) -m tests.browser.nginx

check: install-dev  ## the checks alone: ruff, mypy, the import rules
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports

bench: install-dev  ## measure the numbers that the design holds
	@$(VENV_PYTHON) -m benchmarks

fuzz: install-dev  ## search long for values that break a parser, or EXAMPLES=100000
	EXAMPLES=$(EXAMPLES) $(VENV_PYTHON) -m pytest -p tests.fuzz -m hypothesis --hypothesis-profile=fuzz tests/unit \
	--timeout=3600

pictures: install-dev  ## make the README's pictures anew, in docs/pictures, or ONLY=duel, ONLY=draw
	@$(VENV_PYTHON) -m tests.browser.pictures $(ONLY)

record: install  ## make what comes with the project, or ONLY=duels, ONLY=studies, ONLY=evidence, ONLY=differences
	@$(VENV_PYTHON) -m core record --data-note "$(DATA_NOTE)" --only "$(ONLY)"

# What requirements*.txt name stands first in such a freeze; only what follows is kept. Freeze from a CUDA build:
# a CPU build has no nvidia-* lines.
constraints: install-dev  ## write constraints.txt: the versions in .venv of all that requirements*.txt pull in
	@{ echo "# Below requirements*.txt. Made by \`make constraints\`; not for hand edits."; \
	$(VENV_PYTHON) -m pip freeze --exclude-editable -r requirements.txt -r requirements-cluster.txt -r requirements-dev.txt \
	| sed -e '1,/^## The following requirements were added/d' -e '/ @ /d' -e 's/+cpu$$//'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt

# Links and no index: uv takes a package from the first index that knows it, and PyTorch's knows others' old versions.
# Community Cloud comes from outside, so the branch has no address of 127.0.0.1; core.serve, which lowers the upload limit
# where it is hosted, is not called there.
CLOUD := dist/cloud
CPU_INDEX := https://download.pytorch.org/whl/cpu
cloud:  ## write dist/cloud: what a branch for Streamlit Community Cloud has in place of ours, see docs/hosting.md
	@mkdir -p $(CLOUD)/.streamlit
	@{ echo "# Made by \`make cloud\` from requirements.txt, for Streamlit Community Cloud: the CPU build of PyTorch."; \
	echo "--find-links $(CPU_INDEX)/torch/"; echo "--find-links $(CPU_INDEX)/torchvision/"; echo "-c constraints.txt"; \
	sed -E -e '/^#/d' -e 's/^(torch|torchvision)==[^ ]+/&+cpu/' requirements.txt; } > $(CLOUD)/requirements.txt
	@sed -E -e '/^address = /d' -e 's/^(maxUploadSize = )[0-9]+/\11/' .streamlit/config.toml \
	> $(CLOUD)/.streamlit/config.toml
	@echo "$(CLOUD) holds requirements.txt and .streamlit/config.toml for a branch of its own: docs/hosting.md."

install:
	@$(INSTALL)

install-dev:
	@$(INSTALL) --dev
