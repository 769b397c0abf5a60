# make demo   environment, installation, the demo: live poses here, the viewer's address for a browser
# make test       the checks, then the tests of a few minutes
# make test-all   the checks, then all tests: what CI runs
# make faults-apart   the fault groups once more, the detector in a process of its own: before a release, or nightly
# make docs   the site, into build/site
# make bench  latency, throughput, memory and start-up on this machine
# make benchmarks   every table of docs/BENCHMARKS.md anew, about an hour: VIEWS="DIR DIR" DATA=DIR name footage
# make bench-training   steps and windows a second of every recipe on this machine
# make mutants   one safeguard removed at a time from a copy; each must make a test fail
# Another interpreter or place: make demo PYTHON=python3.12 VENV=/tmp/venv

PYTHON ?= python3
VENV ?= .venv
# tested with this build; the package index decides whether it brings CUDA. Another one: make test TORCH=torch
TORCH ?= torch==2.13.0

# versions to install, a file of pip's constraints: make test LOCK=requirements-ci.lock (Python 3.11, as CI)
LOCK ?=

EXTRAS := train,bridges,dev
ifeq ($(shell uname -sm),Linux x86_64)
EXTRAS := $(EXTRAS),rtx
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

QUICK := not fault and not timing and not learning and not slow and not soak and not browser and not mediapipe
# three files at once, for most tests wait; what watches a clock closely (mark `alone`) runs afterwards, by itself
BESIDE := -n 3 --dist loadfile --no-loadscope-reorder
# what failed is asked again by itself: limits of seconds can be missed on two full cores, or beside a busy neighbour
AGAIN := --last-failed --last-failed-no-failures none

.PHONY: demo test test-all faults-apart check docs bench benchmarks bench-training mutants clean

demo: $(VENV)/.runs
	@if [ -t 1 ]; then $(BIN)/realtime run --demo --view; else $(BIN)/realtime run --demo --view --seconds 20; fi

test: check
	$(BIN)/python -m pytest $(BESIDE) -m "$(QUICK)" || $(BIN)/python -m pytest $(AGAIN) -m "$(QUICK)"

faults-apart: $(VENV)/.tests
	STEADYPOSE_TEST_PROCESSES=apart $(BIN)/python -m pytest tests/faults -m "not browser"

test-all: check
	@ended=0; \
	$(BIN)/python -m pytest $(BESIDE) -m "not alone" || $(BIN)/python -m pytest $(AGAIN) -m "not alone" || ended=1; \
	$(BIN)/python -m pytest -m alone || $(BIN)/python -m pytest $(AGAIN) -m alone || ended=1; \
	exit $$ended

check: $(VENV)/.tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.tests
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.runs
	$(BIN)/realtime bench

benchmarks: $(VENV)/.tests
	$(BIN)/python docs/benchmarks.py $(if $(VIEWS),--views $(VIEWS)) $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY))

bench-training: $(VENV)/.tests
	$(BIN)/trainers bench

mutants: $(VENV)/.tests
	$(BIN)/python -m tests.mutants

$(VENV)/.runs: pyproject.toml | $(BIN)/python
	@echo "installing steadypose into $(VENV)"
	$(PIP) install --editable .
	@touch $@

$(VENV)/.tests: pyproject.toml | $(BIN)/python
	@echo "installing steadypose and what its tests need into $(VENV)"
	$(PIP) install $(if $(LOCK),--constraint $(LOCK)) "$(TORCH)" --editable ".[$(EXTRAS)]"
	@touch $@ $(VENV)/.runs

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" \
	  || { echo "Python 3.10 or newer is needed: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "this Python makes no environments: sudo apt-get install python3-venv"; exit 2; }

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
