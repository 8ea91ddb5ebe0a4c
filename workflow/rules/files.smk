# Which files each stage makes, and which of another stage's it starts from.
from os.path import basename, dirname

from rl4lms.config.compose import run_of, starting_point
from rl4lms.config.stages import STAGES

RESULTS = f"results/{SUITE}"
_CAPTIONS = {
    "grue.csv": ("table", "Table"),
    "learning_curves.png": ("learning_curves", "Plots"),
    "kl_reward.png": ("kl_reward", "Plots"),
    "summary.png": ("summary", "Plots"),
    "statistics.png": ("statistics", "Plots"),
    "report.html": ("report", "Report"),
}


def run_dir(task, method, seed):
    return f"{RESULTS}/runs/{task}/{method}/seed{seed}"


def made(stage, out):
    """What a stage writes into `out`."""
    return [f"{out}/{name}" for name in STAGES[stage].outputs]


def data_files(task):
    return made("prepare", f"{RESULTS}/data/{task}")


def base_model_files(family):
    return made("base-model", f"{RESULTS}/models/base/{family}")


def reward_model_files(name):
    return made("reward-model", f"{RESULTS}/models/reward/{name}")


def trained_files(task, method, seed):
    """The files of a trained run: its model, its configuration and its curves."""
    return made("supervised" if method == "supervised" else "train", run_dir(task, method, seed))


def model_files(task, method, seed):
    model = f"{run_dir(task, method, seed)}/model/"
    return [file for file in trained_files(task, method, seed) if file.startswith(model)]


def record_files(task, method, seed):
    """What a training leaves beside its model: its configuration and its curves."""
    model = model_files(task, method, seed)
    return [file for file in trained_files(task, method, seed) if file not in model]


def score_files(task, method, seed):
    """The test scores of a run: apart from what its training leaves, for another job makes them."""
    return made("evaluate", f"{RESULTS}/scores/{task}/{method}/seed{seed}")


EVALUATED = [file for run in RUNS for file in score_files(*run)]


TRAINED_RUNS = [run for run in RUNS if run.method == "supervised" or run.method in RL_METHODS]
TRAINED = [file for run in TRAINED_RUNS for file in trained_files(*run)]


def log_file(stage, *names):
    return f"{RESULTS}/logs/{stage}/{'_'.join(names)}.log"


def benchmark_file(stage, *names):
    return f"{RESULTS}/benchmarks/{stage}/{'_'.join(names)}.tsv"


def base_model_of(wildcards):
    return base_model_files(FAMILY_OF[wildcards.task])


def starting_model(wildcards):
    """What RL starts from: the base model, or the warm start of the same seed."""
    start = starting_point(wildcards.method)
    return base_model_of(wildcards) if start == "zero_shot" else model_files(wildcards.task, start, wildcards.seed)


def evaluated_run(wildcards):
    """The model that is evaluated with its last epoch, and the warm start that its KL is measured from."""
    task, method, seed = wildcards.task, run_of(wildcards.method), wildcards.seed
    epochs = [] if method == "zero_shot" else [f"{run_dir(task, method, seed)}/val_split_metrics.jsonl"]
    models = {method, starting_point(method)} - {"zero_shot"}
    return epochs + [file for each in sorted(models) for file in model_files(task, each, seed)]


def reward_model_of(wildcards):
    name = REWARD_MODEL_OF.get(wildcards.task)
    return reward_model_files(name) if name else []


def reward_model_option(wildcards, input):
    return f" --reward-model {dirname(input.reward_model[0])}" if input.reward_model else ""


def reported(file):
    """The file, in Snakemake's own report if it has a caption there."""
    caption, category = _CAPTIONS.get(basename(file), (None, None))
    return report(file, caption=f"../report/{caption}.rst", category=category) if caption else file
