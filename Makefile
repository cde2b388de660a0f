# One verb per chore. `make demo` and `make test` do all the set-up.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
# Real corpora are used by the tests and the bench when a folder of them is at hand.
ifneq ($(wildcard ../shared/data),)
export PARROTLET_DATA ?= $(abspath ../shared/data)
endif

.PHONY: install demo test check bench clean
install: .venv/installed

.venv/installed: pyproject.toml setup.py constraints.txt $(wildcard src/parrotlet/runtime/*.[ch] src/parrotlet/networks/kernel/*.[ch])
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]' \
		pytest pytest-timeout hypothesis nbclient ipykernel mypy ruff build
	@touch $@

demo: install
	$(BIN)/parrotlet demo

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Everything beside its peers, whose environments it makes; hours. `python -m bench` lists what runs alone.
bench: install
	$(BIN)/python -m bench all

clean:
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
