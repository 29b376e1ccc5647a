# make demo     trains a Keras script, a Gluon script and a mixed model in front of you
# make test     the tests; `make oracles` first adds the comparisons with the real frameworks
# make slow     the slow tests: hundreds of random models, large networks against the real frameworks
# make lint     ruff and pyright
# make bench    the speed claims
#
# Everything is installed into .venv with the exact versions of constraints.txt; a second `make` installs nothing.

PYTHON ?= python3
JOBS ?= 2
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt
ORACLE := .oracles/mxnet

.DELETE_ON_ERROR:
.PHONY: help setup demo test slow lint format oracles bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@test -x $(PY) || { echo "making .venv"; .ci/make-venv "$(PYTHON)" .venv; }
	@echo "installing Tandem and what it needs into .venv"
	@$(PIP) -e ".[dev]"
	@touch $@

demo: .venv/.installed
	@$(PY) examples/demo.py

test: .venv/.installed
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS) --dist worksteal

slow: .venv/.installed
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS) --dist worksteal -m slow

lint: .venv/.installed
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright

format: .venv/.installed
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

# The peers: Keras on torch is in .venv, the real MXNet among the oracles; what cannot be installed is left out of the
# tables, and they say so.
bench: .venv/.keras $(ORACLE)/.installed
	@$(MAKE) --no-print-directory -k .oracles/jax/.installed .oracles/tensorflow/.installed || true
	@$(PY) benchmarks/run.py --everything

.oracles/%/.installed: benchmarks/requirements/%.txt
	@test -x .oracles/$*/bin/python || { echo "making .oracles/$*"; .ci/make-venv "$(PYTHON)" .oracles/$*; }
	@echo "installing the real Keras on $* into .oracles/$*"
	@.oracles/$*/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

oracles: .venv/.keras $(ORACLE)/.installed

.venv/.keras: .venv/.installed
	@echo "installing the real Keras into .venv"
	@$(PIP) keras
	@touch $@

# Where no Python that it needs is found this says so, and the tests that need it are skipped.
$(ORACLE)/.installed: tests/oracle/requirements.txt
	@if python=$$(.ci/find-python 3.11 3.10 3.9 3.8); then \
		test -x $(ORACLE)/bin/python || { echo "making $(ORACLE) with $$python"; .ci/make-venv "$$python" $(ORACLE); }; \
		echo "installing the real MXNet into $(ORACLE)"; \
		$(ORACLE)/bin/python -m pip --disable-pip-version-check install --quiet -r $< && touch $@; \
	else \
		echo "No Python 3.8 to 3.11 was found, and MXNet 1.9.1 (with numpy 1.23.5) runs on no newer one:" \
			"the tests that compare with it will be skipped. Install one, then run 'make oracles' again."; \
	fi

clean:
	@rm -rf .venv .oracles .pytest_cache .ruff_cache .hypothesis build dist
