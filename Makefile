# make demo: train on the embedded English-French corpus and look at what was learnt
# make test: all tests but the slow ones; make test-all: those too

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test test-all lint clean

demo: .venv/ready
	$(BIN)/python -m kseq.demo

test: .venv/ready lint
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/ready lint
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Made anew when the requirements change; the mark is set last, so half an installation is redone.
.venv/ready: requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
