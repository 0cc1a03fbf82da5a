# One command for each thing a reader, a student or a teacher wants; the first creates the environment.
#   make book   execute every chapter and build the site, _build/html/index.html
#   make student, make instructor   the book and its notebooks without solutions and with them: html and notebooks in
#               _build/student and _build/instructor; chapters are run once for all three books
#   make test   run the tests           make lab    open the chapters in JupyterLab
#   make test-browser   those that drive headless Chromium over the built book      make test-all   these and the slow ones
#   make check  ruff and mypy           make lock   renew requirements.lock (a test names the pins of environment.yml to follow)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.complete
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYDEVD_DISABLE_FILE_VALIDATION ?= 1
# small matrices: a second BLAS thread costs more than it brings, and on a busy machine it spins
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: book student instructor test test-browser test-all lab check lock clean
.DEFAULT_GOAL := book

$(ENV): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# chapters are run again when the package or its records changed, not only when they did themselves
STALE := [ ! -e _build/.run ] || [ -n "$$(find rnnrev -type f -newer _build/.run -not -path '*__pycache__*' -print -quit)" ]
define RUN
	if $(STALE); then rm -rf _build/.jupyter_cache _build/.doctrees; fi
	mkdir -p _build && touch _build/.run
	$(BIN)/python -m rnnrev.widgets book/_static/widgets
endef

book: $(ENV)
	$(RUN)
	$(BIN)/jupyter-book build . -W --keep-going

student: export BOOK_SOLUTIONS = 0
student instructor: $(ENV)
	$(RUN)
	rm -rf _build/$@ && mkdir -p _build/$@/notebooks
	$(BIN)/jupyter-book build . -W --keep-going --path-output _build/$@
	mv _build/$@/_build/html _build/$@/html && rm -rf _build/$@/_build
	cp _build/$@/html/_sources/book/*.ipynb _build/$@/notebooks

test: $(ENV)
	$(BIN)/python -m pytest -n 2

# readers' journeys over the book as it was built last; skipped, with the reason, where there is no Chromium or no book
test-browser: $(ENV)
	$(BIN)/python -m pytest -n 2 -m "browser and not network"

# the slow tests too (every notebook once more, in a fresh kernel and a random order), and the browser's
test-all: book
	$(BIN)/python -m pytest -n 2 -m "not network"

lab: $(ENV)
	$(BIN)/jupyter lab book

check: $(ENV)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

lock: $(ENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --annotation-style line \
	    pyproject.toml -o requirements.lock

clean:
	rm -rf _build .jupyter_cache
