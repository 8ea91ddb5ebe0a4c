# The front door: `make grue` and `make test` work on a fresh clone with Python 3.11 and nothing else. Targets that only
# look (help, times, experiments) install nothing.
PYTHON ?= python3.11
VENV ?= .venv
CORES ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))
TEST_JOBS ?= 2
SUITE ?= $(shell sed -n 's/^suite: *\([a-z_]*\).*/\1/p' params/grue.yaml)
ARGS ?=

export PATH := $(abspath $(VENV))/bin:$(PATH)
export OMP_NUM_THREADS := 1
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
ENVIRONMENT := $(VENV)/.installed
SNAKEMAKE := snakemake --profile workflow/profiles/default --cores $(CORES)
SETTLE := snakemake --touch --forceall --cores 1 --quiet all -- grue_all
RESULTS := results/$(SUITE)/grue

.PHONY: help env grue times test test-long test-system test-gpu test-network lint format type docs pictures record adopt \
	experiments release bench

help:
	@echo "make env       the environment, in $(VENV); every target below makes it, but those that only look (VENV=)"
	@echo "make grue      the benchmark: every run, the tables and the report (SUITE=$(SUITE) CORES=$(CORES) ARGS=)"
	@echo "make times     where the benchmark's time went, by stage"
	@echo "make test      fast and slow tests; also test-long, test-system, test-gpu, test-network"
	@echo "make lint type docs    what CI checks besides; make format rewrites"
	@echo "make pictures  of a finished suite's report and of the terminal, for docs/ (needs Chromium)"
	@echo "make record    write a finished benchmark to dvc.lock and DVC's cache, running nothing"
	@echo "make adopt     after dvc repro, checkout or pull: tell Snakemake that nothing is to be done"
	@echo "make experiments   DVC's experiments: what each changed, and its scores (ARGS='-A --width 100')"
	@echo "make release   record, and copy tables and plots to docs/results/"
	@echo "make bench     speed and memory of the learning core"

env: $(ENVIRONMENT)

# Whether there is anything to install, the content of the files says, not their times. VENV= may lie outside of this
# checkout and be shared; PYTHONPATH makes this checkout's code win there.
$(ENVIRONMENT): FORCE
	@$(PYTHON) scripts/install_environment.py $(VENV)

FORCE:

grue: $(ENVIRONMENT)
	$(SNAKEMAKE) grue_all --config suite=$(SUITE) $(ARGS)
	@echo
	@cat $(RESULTS)/grue.md
	@echo
	@echo "Tables and plots: $(RESULTS)/    Report: $(RESULTS)/report.html"

times:
	@python scripts/stage_times.py results/$(SUITE)

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

# `dvc commit -f` takes whatever lies there as the result of the stages, so the grid must be finished. It links files
# anew, by whose times Snakemake would train again what is too large for it to compare by content. It rewrites dvc.lock
# in place: after a kill the file may lack stages, of which `dvc status` says nothing (docs/resume.md).
record: $(ENVIRONMENT)
	@$(SNAKEMAKE) -n grue_all 2>&1 | grep -q "Nothing to be done" || \
		{ echo "record: the benchmark is not finished or not up to date; run make grue first." >&2; exit 1; }
	@test ! -e dvc.lock || python scripts/check_lock.py "record: they are recorded now" || true
	dvc repro --quiet --single-item recipes
	dvc commit -f
	@python scripts/check_lock.py "record: DVC was stopped while it wrote; give the command again" || exit 1
	@$(SETTLE)
	dvc status

adopt: $(ENVIRONMENT)
	@python scripts/check_lock.py "adopt: git checkout dvc.lock, or dvc repro" || exit 1
	@dvc status -q || { echo "adopt: dvc status finds changes; run dvc repro or dvc checkout first." >&2; exit 1; }
	$(SETTLE)

experiments:
	@python scripts/show_experiments.py $(ARGS)

release: record
	python scripts/release_results.py $(SUITE)

bench: $(ENVIRONMENT)
	python -m benchmarks.ppo
