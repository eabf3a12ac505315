# Two commands matter: `make lab` opens the book, `make test` checks everything. Both set themselves up.
# LAB_ARGS goes to JupyterLab: make lab LAB_ARGS="--no-browser --port=8899"
# BOOK_ARGS goes to the build:  make book BOOK_ARGS=--force, after a change of the library

BIN := .venv/bin
UV  := $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: setup lab test book exercises bench lock

setup: .venv/.complete

.venv/.complete: requirements.lock
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(UV) --require-hashes --requirement requirements.lock
	$(UV) --no-deps --no-build-isolation --editable .
	touch $@

lab: setup
	JUPYTER_CONFIG_PATH="$(CURDIR)/jupyter" $(BIN)/jupyter lab $(LAB_ARGS)

test: setup
	$(BIN)/pytest --numprocesses 2 --dist loadfile --nbval tests book

book: setup
	$(BIN)/python book/build.py $(BOOK_ARGS)

exercises: setup
	$(BIN)/edgelib exercises build

bench: setup
	$(BIN)/python tests/benchmarks/bench.py

lock: setup
	$(BIN)/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file requirements.lock
