# `make demo` and `make test` do all their own set-up, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo

LANDMARKS := /usr/share/dlib/shape_predictor_68_face_landmarks.dat

.PHONY: demo test lint landmarks clean help

help:
	@echo "make demo   find faces for the sprites that come with the project, into $(OUT)/"
	@echo "make test   lint, types and tests"
	@echo "make clean  remove $(VENV) and what the tools left"

demo: $(VENV)/.installed
	$(BIN)/python -m pulse demo -o $(OUT)

test: lint landmarks
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# dlib's predictor is a Debian package; without it the one test that needs it says so and is skipped.
landmarks:
	@test -e $(LANDMARKS) || { apt-get update -qq && apt-get install -y -qq libdlib-data; } >/dev/null 2>&1 \
		|| echo "libdlib-data could not be installed; the portraits' landmarks are not compared with dlib's."

$(VENV)/.installed: setup.py pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cli,faces,test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
