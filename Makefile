# Everything from nothing, given Python >= 3.11 and a stable Rust toolchain. Each target sets up what it needs.

VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-market
# As in [build-system] of pyproject.toml.
MATURIN := maturin>=1.9,<2
# The interpreter to make the environment with; empty: the first of the usual names that is new enough.
PYTHON :=
# A file stays on one worker, so that what its tests share is made once.
TEST_ARGS := -n 2 --dist loadfile
BENCH_ARGS :=
# What is played how long: simulated days, days whose process dies (crashes), or rehearsals over real sockets (live).
SUITE := days
MINUTES := 10

PYTHON_NAMES := python3 python3.14 python3.13 python3.12 python3.11 python
RUST_SOURCES := Cargo.toml $(wildcard Cargo.lock) $(shell find rust -name '*.rs' -o -name Cargo.toml)
CHECKED := python tests benches examples tools docs README.md

# A fresh rustup install is on the path only after the next login.
export PATH := $(PATH):$(HOME)/.cargo/bin

ENV_READY := $(VENV)/.made-env
GROUPS_READY := $(VENV)/.made-groups
BUILD_READY := $(VENV)/.made-build

.PHONY: help setup develop demo test lint bench bench-rust counts models sanitize soak wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(BUILD_READY) $(GROUPS_READY) ## make .venv with the build and all tools
develop: setup ## the same as setup

demo: $(BUILD_READY) ## write a small made-up market and run a backtest over it
	@$(BIN)/tapeloom demo --out $(DEMO)

test: setup ## run all tests: Rust, its thread models, Python, one smoke round of the benchmarks
	cargo test -p tapeloom-core -p tapeloom-journal
	python3 tools/ordering_mutants.py
	$(BIN)/python -m pytest $(TEST_ARGS)

lint: setup ## run rustfmt, clippy, rustdoc, ruff, mypy and stubtest
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || { \
	  echo "make lint needs rustfmt and clippy; run: rustup component add rustfmt clippy" >&2; exit 1; }
	cargo fmt --all --check
	PYO3_PYTHON="$(CURDIR)/$(BIN)/python" cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -p tapeloom-core -p tapeloom-journal --no-deps
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/basedpyright --project pyproject.toml
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml tapeloom._core

bench: setup ## measure, with the peers in the same run
	$(BIN)/python -m benches.run $(BENCH_ARGS)

bench-rust: ## time the rooms of the core with Criterion
	@$(need_rust)
	cargo bench -p tapeloom-benches

counts: ## count the instructions of the core's hot paths (needs valgrind)
	@$(need_rust)
	python3 benches/count_instructions.py

models: ## try every order of the core's threads with loom, then weaken each ordering
	@$(need_rust)
	python3 tools/ordering_mutants.py

sanitize: ## run the core's tests under ThreadSanitizer and AddressSanitizer
	@$(need_rust)
	@mkdir -p docs/results
	@sh tools/sanitize.sh >docs/results/sanitize.md; status=$$?; cat docs/results/sanitize.md; exit $$status

soak: setup ## play live days with seeded faults: SUITE=days, crashes or live, MINUTES=10
	@mkdir -p docs/results
	@$(BIN)/python tools/soak.py --suite $(SUITE) --minutes $(MINUTES) >docs/results/soak-$(SUITE).md; \
	  status=$$?; cat docs/results/soak-$(SUITE).md; exit $$status

wheel: $(ENV_READY) ## build a wheel into dist/
	@$(need_rust)
	$(BIN)/maturin build --release --interpreter $(BIN)/python --out dist

clean: ## remove everything that make made, .venv too
	rm -rf $(VENV) target dist $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f python/tapeloom/_core*.so python/tapeloom/_core*.pyd
	find python tests benches examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps below say when each step was last done; a step is done again when what it reads is newer.

$(ENV_READY):
	@$(find_python); \
	"$$python" -m venv $(VENV) || { \
	  echo "the environment could not be made with $$python; on Debian and Ubuntu install python3-venv first" >&2; exit 1; }
	@# pip install --group needs pip 25.1.
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' '$(MATURIN)'
	@touch $@

$(GROUPS_READY): $(ENV_READY) pyproject.toml
	$(BIN)/python -m pip install --quiet --group test --group lint --group bench
	@touch $@

$(BUILD_READY): $(ENV_READY) pyproject.toml $(RUST_SOURCES)
	@$(need_rust)
	@# maturin refuses to choose between two active environments.
	unset CONDA_PREFIX; VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --release
	@touch $@

define find_python
python=; \
for name in $(if $(PYTHON),"$(PYTHON)",$(PYTHON_NAMES)); do \
  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$name; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "tapeloom needs Python 3.11 or newer, and $(if $(PYTHON),$(PYTHON) is none,none was found); install it or name it: make PYTHON=/path/to/python3" >&2; \
  exit 1; \
fi
endef

define need_rust
if ! rustc --version >/dev/null 2>&1 || ! cargo --version >/dev/null 2>&1; then \
  echo "tapeloom needs a stable Rust toolchain to build, and none was found; install it from https://rustup.rs" >&2; \
  exit 1; \
fi; \
need=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
have=$$(rustc --version | cut -d ' ' -f 2 | cut -d - -f 1); \
oldest=$$(printf '%s\n%s\n' "$$need" "$$have" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1); \
if [ "$$oldest" != "$$need" ]; then \
  echo "tapeloom needs Rust $$need or newer, and this is $$have; run: rustup update stable" >&2; \
  exit 1; \
fi
endef
