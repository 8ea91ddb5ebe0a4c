# The targets of a grid, for a checkout (whose Makefile includes this file) and for a folder that `python -m rl4lms init`
# wrote. ENVIRONMENT: what must be made before a command runs; a folder of one's own needs nothing.
CORES ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))
SUITE ?= $(shell sed -n 's/^suite: *\([a-z_]*\).*/\1/p' params/grue.yaml)
ARGS ?=

export OMP_NUM_THREADS := 1
export PYTHONDONTWRITEBYTECODE :=
SNAKEMAKE := snakemake --profile workflow/profiles/default --cores $(CORES)
SETTLE := snakemake --touch --forceall --cores 1 --quiet all -- grue_all
RESULTS := results/$(SUITE)/grue

.PHONY: help grue times record adopt experiments

help::
	@echo "make grue      the benchmark: every run, the tables and the report (SUITE=$(SUITE) CORES=$(CORES) ARGS=)"
	@echo "make times     where the benchmark's time went, by stage"
	@echo "make record    write a finished benchmark to dvc.lock and DVC's cache, running nothing"
	@echo "make adopt     after dvc repro, checkout or pull: tell Snakemake that nothing is to be done"
	@echo "make experiments   DVC's experiments: what each changed, and its scores (ARGS='-A --width 100')"

grue: $(ENVIRONMENT)
	$(SNAKEMAKE) grue_all --config suite=$(SUITE) $(ARGS)
	@echo
	@cat $(RESULTS)/grue.md
	@echo
	@echo "Tables and plots: $(RESULTS)/    Report: $(RESULTS)/report.html"

times:
	@python scripts/stage_times.py results/$(SUITE)

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
