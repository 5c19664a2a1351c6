# make demo: train on the embedded English-French corpus, evaluate, translate, plot, export
# make test: all tests except the slow ones; make test-quick: unit tests only
# make test-all: all tests; run it after changing a kernel or the export
# make docs: the documentation as a site, in site/
# make notebooks: run the cells in notebooks/cells, and store the notebooks in both languages

PYTHON ?= python3.11
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

SPHINX := $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html -c docs

.PHONY: demo test test-quick test-all lint docs notebooks clean

demo: .venv/ready
	$(BIN)/python -m kseq.demo

test: .venv/ready lint
	$(PYTEST) -m "not slow"

test-quick: .venv/ready
	$(PYTEST) -m "quick and not slow"

test-all: .venv/ready lint
	$(PYTEST) --hypothesis-profile=many

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# A warning is an error. The Chinese site is a folder of the English one.
docs: .venv/ready
	rm -rf site
	$(SPHINX) -d build/docs/en . site
	$(SPHINX) -d build/docs/zh -t chinese . site/zh

notebooks: .venv/ready
	$(BIN)/python notebooks/make.py

# Recreated when the requirements change. The file is touched last, so an interrupted installation
# starts again.
.venv/ready: requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt
	touch $@

clean:
	rm -rf .venv build dist site *.egg-info
