# The README's commands. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS ?= dev
# Processes that run tests, and what else pytest is told by `make test`.
WORKERS ?= 2
PYTEST ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.PHONY: setup
setup: $(STAMP) ## make .venv with everything pinned in constraints.txt

# uv takes torch's default build, with which torchvision is whole.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "PYTHON=$(PYTHON): Python 3.11 or newer is needed; give another with make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode --editable '.[$(EXTRAS)]'
	@touch $(STAMP)

.PHONY: ffcv
ffcv: setup ## build FFCV into .venv, for data.loader=ffcv (Debian, Ubuntu)
	bash scripts/install_ffcv.sh

.PHONY: demo
demo: setup ## train the quickstart's networks on real digits and write its report
	$(BIN)/python train.py -m experiment=quickstart
	$(BIN)/python report.py experiment=quickstart

.PHONY: demo-webcam
demo-webcam: setup ## train twins on real digits, or take those that are there, and open a page for the camera
	$(BIN)/python scripts/demo_webcam.py

.PHONY: check
check: lint type ## check style and types, and run the quick tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q -m "not run and not process and not chaos and not slurm and not slow"

.PHONY: test
test: setup ## run all tests; NORMFREE_TEST_LONG=1 those that take long whole
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST)

# What computes, with the kernels that torch and oneDNN have for processors without AVX: other sums, the same bounds.
.PHONY: old-processor
old-processor: setup ## run the tests of numbers with the instructions of an old processor
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 $(BIN)/python -m pytest -n $(WORKERS) -q tests/nets/test_golden_parts.py \
		tests/nets/test_golden_networks.py tests/nets/test_emulated_bfloat16.py tests/nets/test_ghost_batch_norm.py \
		tests/nets/test_tanh_gelu.py tests/clip/test_agc_golden.py tests/optim/test_sgd_trajectory.py \
		tests/train/callbacks/test_ema.py::test_the_scores_are_those_of_the_averaged_weights

.PHONY: lint
lint: setup ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: type
type: setup ## check types
	$(BIN)/mypy

.PHONY: format
format: setup ## put every file into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: models
models: setup ## write docs/models.md from the registry, and docs/normalizers.md
	$(BIN)/python -m normfree.nets.catalogue
	$(BIN)/python -m normfree.nets.normalizer_cards

.PHONY: pseudocode
pseudocode: setup ## write docs/pseudocode.md from the order and the events of a run
	$(BIN)/python -m normfree.train.callbacks.events

.PHONY: experiments
experiments: setup ## write docs/experiments.md from the kinds of panel and claim, the factors and the measures
	$(BIN)/python -m normfree.report.experiments_page

.PHONY: reference
reference: setup ## write docs/reference/ from the schema, the rules and the commands
	$(BIN)/python scripts/reference

.PHONY: docs
docs: setup ## build the documentation in build/site; a broken link or a page out of the navigation is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html; to read it: $(BIN)/python -m http.server --directory build/site"

.PHONY: ledger
ledger: setup ## write reports/ledger.md from reports/ledger.csv
	$(BIN)/python scripts/ledger.py

.PHONY: index
index: setup ## write reports/README.md, the index of the reports
	$(BIN)/python scripts/reports_index.py

.PHONY: release-check
release-check: setup ## build the package, install it into an empty environment and run its demo there
	$(BIN)/python scripts/release_check.py

.PHONY: clean
clean: ## remove .venv and caches; runs and reports stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
