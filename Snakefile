# The GRUE benchmark: `snakemake --cores 8 grue_all` makes every run, the tables and the plots.
include: "workflow/Snakefile"
