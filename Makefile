# One command for each thing a reader, a student or a teacher wants; the first creates the environment.
#   make book   execute every chapter and build the site, _build/html/index.html
#   make notebooks   every page of the book as an executed notebook, in _build/notebooks; what you changed there is kept
#   make lab    these in JupyterLab, chapter 1 open; in an environment of your own: make lab ENV= BIN=where/its/python/is
#   make student, make instructor   the book and its notebooks without solutions and with them: html and notebooks in
#               _build/student and _build/instructor; chapters are run once for all three books
#   make course   a class in a box, _build/course: what students get, and what the teacher keeps (solutions, grade.py)
#   make epub   the whole book as one file to read offline, with figures and without widgets
#   make test   run the tests
#   make test-browser   those that drive headless Chromium over the built book      make test-all   these and the slow ones
#   make records   how every record was made; NAME=networks (or another) makes it anew
#   make check  ruff and mypy           make lock   renew requirements.lock (a test names the pins of environment.yml to follow)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.complete
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYDEVD_DISABLE_FILE_VALIDATION ?= 1
DEV := $(VENV)/.dev
# uv takes 40 seconds where pip takes 60; pip does it where uv cannot
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(1)

.PHONY: book epub notebooks records student instructor course test test-browser test-all lab links check lock clean
.DEFAULT_GOAL := book

$(ENV): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	$(call INSTALL,-r requirements.lock)
	$(call INSTALL,--no-deps -e .)
	rm -rf $(VENV)/lib/python*/site-packages/tensorflow/include
	touch $@

# what only tests and checks need
$(DEV): $(ENV) requirements-dev.lock
	$(call INSTALL,-r requirements-dev.lock)
	touch $@

# chapters are run again when the package or its records changed, not only when they did themselves
STALE := [ ! -e _build/.run ] || [ -n "$$(find rnnrev -type f -newer _build/.run -not -path '*__pycache__*' -print -quit)" ]
define RUN
	if $(STALE); then rm -rf _build/.jupyter_cache _build/.doctrees _build/html; fi
	mkdir -p _build && touch _build/.run
	$(BIN)/python -m rnnrev.book.assets book/_static/widgets
endef

book: $(ENV)
	$(RUN)
	$(BIN)/jupyter-book build . -W --keep-going

epub: $(ENV)
	$(RUN)
	$(BIN)/jupyter-book build . --builder custom --custom-builder epub
	ls -l _build/epub/*.epub

notebooks: book
	$(BIN)/python book/scripts/notebooks.py _build/html _build/notebooks

student: export BOOK_SOLUTIONS = 0
student instructor: $(ENV)
	$(RUN)
	rm -rf _build/$@ && mkdir -p _build/$@/notebooks
	$(BIN)/jupyter-book build . -W --keep-going --path-output _build/$@
	mv _build/$@/_build/html _build/$@/html && rm -rf _build/$@/_build
	$(BIN)/python book/scripts/notebooks.py _build/$@/html _build/$@/notebooks

# the wheel holds networks and data, so that students need nothing else; setuptools leaves build behind
course: notebooks student
	rm -rf _build/course build && mkdir -p _build/course/students _build/course/teacher/solutions
	cp _build/student/notebooks/*.ipynb book/scripts/course.md _build/course/students
	cp _build/html/_sources/book/*.ipynb _build/course/teacher/solutions
	cp book/scripts/grade.py _build/course/teacher
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir _build/course/students . && rm -rf build

test: $(DEV)
	$(BIN)/python -m pytest -n 2

# readers' journeys over the book as it was built last; skipped, with the reason, where there is no Chromium or no book
test-browser: $(DEV)
	$(BIN)/python -m pytest -n 2 -m "browser and not network" $(ARGS)

# the slow tests too (every notebook once more, in a fresh kernel and a random order), and the browser's
test-all: book $(DEV)
	$(BIN)/python -m pytest -n 2 -m "not network"

# the table of records; with NAME=… one of them, measured anew (NAME=edges NAMES="gru-imdb …": a piece, some networks)
records: $(DEV)
	$(BIN)/python scripts/records.py $(NAME) $(if $(NAMES),--names $(NAMES))

lab: notebooks
	JUPYTER_PATH="$(CURDIR)/book/_lab:$$JUPYTER_PATH" JUPYTER_CONFIG_PATH="$(CURDIR)/book/_lab:$$JUPYTER_CONFIG_PATH" \
	  $(BIN)/jupyter lab --notebook-dir . _build/notebooks/01-training.ipynb

# links of the built site that lead elsewhere
links: $(ENV)
	$(BIN)/jupyter-book build . --builder linkcheck

check: $(DEV)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --annotation-style line pyproject.toml
lock: $(ENV)
	$(LOCK) --extra book -o requirements.lock
	$(LOCK) --all-extras -c requirements.lock -o requirements-dev.lock

# notebooks may hold somebody's answers: they stay
clean:
	find _build -mindepth 1 -maxdepth 1 -not -name notebooks -exec rm -rf {} + 2>/dev/null; rm -rf .jupyter_cache
