# The GRUE benchmark: `snakemake --cores 8 grue_all` makes every run, the tables and the plots.
include: "workflow/Snakefile"


# Snakemake takes no default target from a file that is included.
rule all:
    default_target: True
    input:
        rules.grue_all.input,
    message:
        OF_SUITE
