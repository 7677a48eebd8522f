# Everything a fresh Debian, Ubuntu or macOS machine needs goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
# The registry's newest torch brings gigabytes of CUDA; this version is small where a CPU wheel is offered.
TORCH ?= torch==2.13.0

.PHONY: setup demo test test-slow lint types docs bench check clean

setup: .venv/.done  ## install gpen and its development tools into .venv

.venv/.done: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "gpen needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: setup  ## restore the faces of an example photo; prints where the result is
	$(BIN)/gpen restore examples/demo.jpg -o demo/demo_gpen.jpg --compare --overwrite
	@echo "Open demo/demo_gpen_compare.jpg: before on the left, after on the right."

test: setup  ## the fast tests
	$(BIN)/pytest -n auto -m 'not slow and not gpu'

test-slow: setup  ## the slow ones too
	$(BIN)/pytest -n auto -m 'not gpu'

lint: setup  ## style, formatting and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup  ## strict typing
	$(BIN)/mypy

docs: setup  ## run the examples in the docstrings
	$(BIN)/pytest --doctest-modules src/gpen

bench: setup  ## every figure in the README, into benchmarks/results
	$(BIN)/python benchmarks/detector.py --every 3
	$(BIN)/python benchmarks/restorer.py
	$(BIN)/python benchmarks/engines.py gpen-default-256 --crops ../shared/faces/crops/val
	$(BIN)/python benchmarks/photo.py
	$(BIN)/python benchmarks/startup.py --install
	$(BIN)/python benchmarks/readme.py

check: lint types docs test  ## what CI runs

clean:
	rm -rf .venv build dist demo
