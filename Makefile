# `make demo` and `make test` do all their own set-up, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
JOBS ?= 2

# Waiting threads sleep, so that a busy neighbour does not slow the tests down many times.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test check lint debian docs bench gpu clean help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.installed  ## find faces for the sprites that come with the project, into OUT (demo/)
	$(BIN)/python -m pulse demo -o $(OUT) --overwrite

# JOBS processes of tests, with one thread each: two of several threads would wait for each other.
test: lint debian  ## lint, types, and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: $(VENV)/.installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.documented  ## build the documentation into docs/_build; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.benchmarked  ## print the short form of every benchmark
	$(BIN)/python -m benchmarks

gpu: $(VENV)/.installed  ## on a machine with an NVIDIA GPU: build and test the CUDA operations, and write one report
	$(BIN)/python -m benchmarks.gpu_report --out runs/gpu

# Debian packages that only tests need: dlib's landmark predictor, a colour font of emoji, and a browser. Without the
# right to install one, the tests that need it are skipped and say so.
debian:
	@$(call needed,libdlib-data,/usr/share/dlib/shape_predictor_68_face_landmarks.dat,landmarks)
	@$(call needed,fonts-noto-color-emoji,/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf,emoji)
	@$(call needed,chromium,/usr/bin/chromium,pages)

# Of a package: its name, a file that it has, and what it is for.
needed = test -e $(2) || { echo "Installing $(1) with apt-get, for the tests of $(3)."; \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $(1); } >/dev/null 2>&1; } \
	|| echo "apt-get could not install $(1); the tests that need it are skipped."

$(VENV)/.installed: setup.py pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cli,faces,film,app,ray,test]"
	touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

$(VENV)/.benchmarked: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[benchmarks]"
	touch $@

clean:  ## remove the environment and what the tools left
	rm -rf $(VENV) build dist *.egg-info docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
