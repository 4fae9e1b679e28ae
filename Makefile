# `make demo`, `make test` and `make lab` do all of their own set-up; a second call is quick.
PYTHON ?= python3
# the versions that were tested; `make test CONSTRAINTS=` tries the newest ones in a fresh clone
export CONSTRAINTS ?= constraints.txt
DATA ?=
# a folder with ImageNet weights, for `make render`: what is committed of notebook 04 was made with them
MODELS ?=

BIN := .venv/bin
READY := .venv/.ready
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb)) $(sort $(wildcard notebooks/more/*.ipynb))
# alone: a detector that lies beside ImageNet's weights would be taken by the others
WITH_MODELS := notebooks/04_transfer_learning.ipynb
TRIALS := runs/trials

# whatever stands in the caller's shell must not change what the demo, the tests and the notebooks see
ENV := PATH="$(CURDIR)/$(BIN):$$PATH" TF_CPP_MIN_LOG_LEVEL=3
CLEAN := env -u FERNB_DATA -u FERNB_MODELS -u FERNB_PROFILE $(ENV)
NBVAL := -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -x
EXECUTE := jupyter nbconvert --to notebook --execute --ExecutePreprocessor.record_timing=False \
	--ExecutePreprocessor.skip_cells_with_tag=nbval-skip --ExecutePreprocessor.store_widget_state=False

.PHONY: demo test soak lint unit notebooks lab full queue render solutions book badges

demo: $(READY)
	@$(CLEAN) fernb demo

test: lint unit notebooks
	@echo "all tests passed"

# the long trials: wild input, kills, memory; results/soak.json has the last ones
soak: $(READY)
	$(CLEAN) python benchmarks/soak.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY)
	$(CLEAN) python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered --cov-fail-under=85

# each lesson once, as its reader gets it, and each exercise with its solution as well (tools/solutions.py);
# one process for each notebook: a failing cell must not take other cells or notebooks with it
notebooks: $(READY)
	@rm -rf $(TRIALS) && $(BIN)/python tools/solutions.py --trial $(TRIALS) $(NOTEBOOKS)
	@failed=; for notebook in $(TRIALS)/*.ipynb; do \
		$(CLEAN) FERNB_PROFILE=smoke python -m pytest $(NBVAL) $$notebook || failed="$$failed $$notebook"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

lab: $(READY)
	$(ENV) jupyter lab notebooks

# everything on the real data, into runs/: an hour or two on two cores
full: $(READY)
	@test -n "$(DATA)" || { echo "say where FER2013 is: make full DATA=path/to/fer2013.csv"; exit 2; }
	$(ENV) fernb data import "$(DATA)"
	$(CLEAN) fernb train --data fer2013 --recipe vgg --resume --out runs/full
	$(CLEAN) fernb predict --data fer2013 --model runs/full/vgg.tflite
	mkdir -p runs/notebooks
	$(CLEAN) FERNB_PROFILE=full $(EXECUTE) --output-dir runs/notebooks $(NOTEBOOKS)

# the long trainings of tools/training_queue.txt, at lowest priority; stopped, they go on where they were
QUEUE_RUNS ?= ../fernb-runs
queue: $(READY)
	$(ENV) python tools/training_queue.py "$(QUEUE_RUNS)"

# what is committed: the samples, what the demo and preprocess make of them, the notebooks' outputs (of drawn
# faces only) and the README's numbers
render: $(READY)
	$(CLEAN) python tools/draw_clip.py
	$(CLEAN) fernb demo && cp out/demo/overview.png results/demo.png
	$(CLEAN) fernb preprocess data/samples/emotions.mp4
	$(CLEAN) fernb scan data/samples/emotions.mp4 --out results/scan
	$(CLEAN) FERNB_PROFILE=lesson $(EXECUTE) --inplace $(filter-out $(WITH_MODELS),$(NOTEBOOKS))
	$(CLEAN) FERNB_PROFILE=lesson $(if $(MODELS),FERNB_MODELS="$(abspath $(MODELS))") $(EXECUTE) --inplace $(WITH_MODELS)
	$(BIN)/python tools/result_images.py
	$(BIN)/python tools/solutions.py
	$(CLEAN) python tools/readme_numbers.py

# notebooks/solutions/, from the lessons and notebooks/solutions/NN.py
solutions: $(READY)
	$(BIN)/python tools/solutions.py

# the course as a static site, in out/book; needs no network once its packages are installed
book: $(READY)
	@$(BIN)/python -c 'import myst_nb' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e ".[book]"
	$(BIN)/sphinx-build -q -W --keep-going -c book -d out/doctrees . out/book
	@echo "open out/book/index.html"

# links to Binder and Colab in every notebook: make badges REPOSITORY=owner/name
badges: $(READY)
	$(BIN)/python tools/badges.py "$(REPOSITORY)" $(NOTEBOOKS)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "fernb needs Python 3.11, 3.12 or 3.13 (as TensorFlow does): make PYTHON=python3.12"; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv || \
		{ echo "Python cannot make a virtual environment: install the package python3-venv"; exit 2; }
	@echo "installing fernb into .venv: once, 2.8 GB, a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e ".[test]"
	@touch $(READY)
