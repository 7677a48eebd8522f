# Everything a fresh Debian, Ubuntu or macOS machine needs goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Some libraries set a locale of their own; texts stay UTF-8 all the same.
export PYTHONUTF8 := 1
# The theme of the docs advertises its successor on every build.
export NO_MKDOCS_2_WARNING := 1
# The registry's newest torch brings gigabytes of CUDA; this version is small where a CPU wheel is offered.
TORCH ?= torch==2.13.0
# Faces to train and measure on, and the files of metrics (tests/conftest.py says where tests look).
FACES ?= ../shared/faces/crops
METRICS ?= ../shared/models
# PREVIOUS=old.safetensors: weights to compare the default restorer with.
PREVIOUS ?=

.PHONY: docs/cli.md docs/options.md setup demo test test-slow lint types docs bench train-default check clean

setup: .venv/.done  ## install gpen and its development tools into .venv

.venv/.done: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "gpen needs Python 3.10 or newer"'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: setup  ## restore the faces of an example photo; prints where the result is
	$(BIN)/gpen restore examples/demo.jpg -o demo/demo_gpen.jpg --compare --overwrite
	@echo "Open demo/demo_gpen_compare.jpg: before on the left, after on the right."

test: setup  ## the fast tests
	$(BIN)/pytest -n auto -m 'not slow'

test-slow: setup  ## the slow ones too
	$(BIN)/pytest -n auto

lint: setup  ## style, formatting and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup  ## strict typing
	$(BIN)/mypy

docs: setup  ## run the examples in the docstrings; build the site into build/site
	$(BIN)/pytest --doctest-modules src/gpen
	$(BIN)/mkdocs build --strict --quiet

docs/cli.md: setup  ## the command line's own help, as a page
	$(BIN)/python -m typer gpen.cli.app utils docs --name gpen --title "Command line" --output $@

docs/options.md: setup  ## the table of options, as a page, and what plugins leave out
	$(BIN)/python docs/options.py

bench: setup  ## every figure in the README and the docs, into benchmarks/results
	$(BIN)/python benchmarks/harm.py
	$(BIN)/python benchmarks/fusion.py
	$(BIN)/python benchmarks/engines.py --crops $(FACES)/val
	$(BIN)/python benchmarks/engines_f16.py --crops $(FACES)/val
	$(BIN)/python benchmarks/winograd.py
	$(BIN)/python benchmarks/int8.py --crops $(FACES)/val
	$(BIN)/python benchmarks/detector.py --every 3
	$(BIN)/python benchmarks/identity.py --faces $(FACES)/..
	$(BIN)/python benchmarks/photo.py
	$(BIN)/python benchmarks/startup.py --install
	$(BIN)/python benchmarks/video_speed.py
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/video.py
	$(BIN)/python benchmarks/finishing.py
	$(BIN)/python benchmarks/server.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/restorer.py $(if $(PREVIOUS),--previous $(PREVIOUS))
	$(BIN)/python benchmarks/training.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/degradation.py $(FACES)/val
	$(BIN)/python benchmarks/readme.py

train-default: setup  ## train the shipped restorer anew, for a day; RESUME=--resume goes on
	$(BIN)/gpen train configs/default.toml $(RESUME) \
	  data.train=$(FACES)/train data.val=$(FACES)/val loss.lpips=1.5 \
	  files.lpips_backbone=$(METRICS)/squeezenet1_1.safetensors \
	  files.lpips_heads=$(METRICS)/lpips_v0.1_squeeze.pth
	@echo "gpen convert runs/…/best.safetensors gpen-default-512.onnx --half makes the shipped file."

check: lint types docs test  ## what CI runs

clean:
	rm -rf .venv build dist demo
