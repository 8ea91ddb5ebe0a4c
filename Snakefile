# The GRUE benchmark: `snakemake --cores 8 grue_all` makes every run, the tables and the plots.
from snakemake.utils import min_version

min_version("9.0")


configfile: "params/grue.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/files.smk"


container: config["container"]


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/aggregate.smk"


rule data_all:
    input:
        [data_files(task) for task in TASKS],


rule models_all:
    input:
        [base_model_files(family) for family in FAMILIES],
        [reward_model_files(name) for name in REWARD_MODELS],


rule supervised_all:
    input:
        [model_files(*run) for run in RUNS if run.method == "supervised"],


rule train_all:
    input:
        [model_files(*run) for run in RUNS if run.method in RL_METHODS],


rule evaluate_all:
    input:
        EVALUATED,


# Everything by name: with the tables there and a run or a model gone, there is work to do, for DVC records them all.
# Tables are of whole suites; where --config names a part of one, its runs alone are made.
rule grue_all:
    default_target: True
    input:
        rules.aggregate.output if WHOLE else [],
        rules.data_all.input,
        rules.models_all.input,
        rules.evaluate_all.input,
        TRAINED,
