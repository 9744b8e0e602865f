# The commands of everyday work. Each makes what it needs; `make demo` is the one to try first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo demo-milvus demo-ray test test-fast faults engines check lint bench bench-scale fmt run man pocket pocket-report browse-demo screenshots clean
.DEFAULT_GOAL := demo

demo: .venv/ready          ## the real daemon on 200 painted photos, every answer checked
	$(BIN)/clipd demo

demo-milvus: .venv/ready   ## the same with the index in Milvus Lite (docs/milvus.md)
	$(BIN)/clipd demo --milvus

demo-ray: .venv/ready      ## a bulk run on a small Ray cluster, taken into a catalog
	$(BIN)/python -m clipd.cli.bulk_demo

test: .venv/ready          ## all tests
	$(BIN)/python -m pytest -m "not alone and not faults and not engines" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m "alone and not faults and not engines"

test-fast: .venv/ready     ## the tests that start neither the model nor the daemon
	$(BIN)/python -m pytest -m "not slow and not alone and not engines" -n 2

faults: .venv/ready        ## every attack of tests/faults, all rounds: at most half an hour
	CLIPD_FAULT_ROUNDS=100 $(BIN)/python -m pytest tests/faults -m "not alone" -n 2 --dist load
	CLIPD_FAULT_ROUNDS=100 $(BIN)/python -m pytest tests/faults -m alone

engines: .venv/ready       ## clipd with the real engines: a Milvus server, a Ray cluster of two nodes
	$(BIN)/python -m pytest tests -m engines

check: lint test           ## format, lint, types, tests

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/ready         ## what docs/performance.md states, measured again
	$(BIN)/python -m bench

bench-scale: .venv/ready   ## 100,000 and 1,000,000 photos: memory, latency, starts, merges
	$(BIN)/python -m bench.scale

fmt: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

run: .venv/ready           ## a daemon on a throw-away folder, left running to play with
	$(BIN)/clipd demo --keep

man: .venv/ready           ## the manual pages, made from the commands, into build/man/man1
	$(BIN)/clipd man --to build/man/man1

pocket: .venv/ready        ## teach the model in the box again, and report on it
	$(BIN)/python -m clipd.pocket.teaching.teach
	$(BIN)/python -m clipd.pocket.report

pocket-report: .venv/ready ## examine it on scenes and photographs that it was not taught on
	$(BIN)/python -m clipd.pocket.report

browse-demo: .venv/ready   ## the page, on painted photos, in your browser
	$(BIN)/clipd demo --browse

screenshots: .venv/ready   ## the README's pictures of the page, taken again
	$(BIN)/python -m tests.screenshots

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "clipd needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 demo" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
