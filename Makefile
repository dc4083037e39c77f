# Everything a person does with this repository. `make help` lists it.
# Files under build/ are stamps: a step whose inputs did not change is not done again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8002
PYTEST_ARGS ?=
PEERS_VENV := .venv-peers
PEERS_ARGS ?=
TORCH ?=
PEERS_REQUIREMENTS := benches/peers/requirements.txt $(if $(TORCH),benches/peers/requirements-torch.txt)

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@deploy/bootstrap.sh $(PYTHON) $(VENV)

build/deps: pyproject.toml asgi/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@mkdir -p build && touch $@

build/redis: build/deps deploy/redis-server.sh
	@deploy/redis-server.sh $(BIN)/python
	@touch $@

build/chromium: deploy/chromium.sh
	@deploy/chromium.sh
	@mkdir -p build && touch $@

build/native: build/deps $(RUST_SOURCES)
	@echo "building the Rust extension (release mode: a minute or two the first time)"
	source $(VENV)/bin/activate && maturin develop --release --quiet >build/native.log
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable asgi
	@touch $@

.PHONY: build
build: build/native ## virtual environment, dependencies, Rust extension, server

.PHONY: model
model: build/native ## fetch and build the embedding model (once; about 440 MB)
	@$(BIN)/openviking model pull

.PHONY: model-builds
model-builds: model ## every build of the model, for the tests that compare them
	@$(BIN)/openviking model pull --keep-source --kernels ort
	@$(BIN)/openviking model pull --precision fp32

.PHONY: serve
serve: model ## run the server on 127.0.0.1:8002 with the example skills and commands
	@$(BIN)/openviking skills import examples/skills
	@exec $(BIN)/openviking serve --port $(PORT) --skills examples/skills --commands examples/commands

.PHONY: test
test: model-builds build/redis build/chromium ## all tests: Rust, then Python
	cargo test --quiet --release -p openviking-core -p openviking-ops
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: soak
soak: model build/redis ## the tests that kill, fill and repeat, many times over (some minutes)
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)
	tools/valgrind_kernels.sh

.PHONY: check
check: build/native ## formatting, lints, types
	cargo fmt --all --check
	cargo clippy --quiet --release --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest openviking._native

.PHONY: format
format: build/deps ## format all code
	cargo fmt --all
	$(BIN)/ruff format .

.PHONY: bench
bench: model ## measure against targets, peers and the machine's limits (ALL=1: every peer, a million vectors; hours)
	$(BIN)/python -m benches
	$(BIN)/python -m benches.limits
	$(BIN)/python -m benches.memory
ifdef ALL
	$(BIN)/python -m benches.request
	$(BIN)/python -m benches.search_stages
	$(BIN)/python -m benches.million
	$(MAKE) peers TORCH=1
endif

$(PEERS_VENV)/bin/python:
	@deploy/bootstrap.sh $(PYTHON) $(PEERS_VENV)

build/peers-deps$(TORCH): $(PEERS_REQUIREMENTS) | $(PEERS_VENV)/bin/python
	$(PEERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PEERS_REQUIREMENTS:%=-r %)
	@mkdir -p build && touch $@

.PHONY: peers
peers: build/native build/peers-deps$(TORCH) ## compare encoders with other projects (TORCH=1: torch too, some GB)
	$(BIN)/python -m benches.peers $(PEERS_ARGS)

EVAL_SETS ?= benches/eval/requests $(wildcard ../shared/data/metatool_single.csv.gz ../shared/data/metatool_multi.json.gz)
EVAL_ARGS ?= --limit 4000

.PHONY: eval
eval: model ## measure skill search on labelled sets (EVAL_SETS, EVAL_ARGS); prints tables
	@$(BIN)/openviking eval $(EVAL_ARGS) $(EVAL_SETS)

.PHONY: clean
clean: ## remove everything that was built here (not the model, not your data)
	rm -rf build dist target $(VENV) $(PEERS_VENV) python/openviking/*.so
