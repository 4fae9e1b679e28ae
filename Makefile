# `make demo`, `make test` and `make lab` do all of their own set-up; a second call is quick.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
DATA ?=

# whatever stands in the caller's shell must not change what the tests and the notebooks see
CLEAN := env -u FERNB_DATA -u FERNB_MODELS TF_CPP_MIN_LOG_LEVEL=3 PATH="$(CURDIR)/$(BIN):$$PATH"
NBVAL := -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -x

.PHONY: demo test lint unit notebooks lab full render

demo: $(READY)
	$(CLEAN) fernb demo

test: lint unit notebooks
	@echo "all tests passed"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: $(READY)
	$(CLEAN) python -m pytest -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=85

# one process for each notebook: a failing cell must not take the next notebook with it
notebooks: $(READY)
	@set -e; for notebook in $(NOTEBOOKS); do \
		$(CLEAN) FERNB_PROFILE=smoke python -m pytest $(NBVAL) $$notebook; done

lab: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" jupyter lab notebooks

# everything on the real data: make full DATA=path/to/fer2013.csv
full: $(READY)
	@test -n "$(DATA)" || { echo "say where FER2013 is: make full DATA=path/to/fer2013.csv"; exit 2; }
	$(BIN)/fernb data import "$(DATA)"
	$(BIN)/fernb train --recipe vgg --resume --out runs/full
	$(BIN)/fernb predict --model runs/full/vgg.keras
	mkdir -p runs/notebooks
	FERNB_PROFILE=full $(BIN)/jupyter nbconvert --to notebook --execute --output-dir runs/notebooks $(NOTEBOOKS)

# what is committed: the samples, the notebooks' outputs (drawn faces only) and the README's picture
render: $(READY)
	$(CLEAN) python -c "from fernb import config, synthetic; synthetic.write_samples(config.SAMPLES)"
	$(CLEAN) FERNB_PROFILE=smoke jupyter nbconvert --to notebook --execute --inplace $(NOTEBOOKS)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fernb needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "Python cannot make a virtual environment: install the package python3-venv"; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $(READY)
