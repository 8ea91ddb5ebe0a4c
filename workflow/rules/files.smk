# Which files each stage makes, and which of another stage's it starts from.
from os.path import basename, dirname

from rl4lms.config.compose import starting_point

RESULTS = f"results/{SUITE}"
_MODEL = ["config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]


def run_dir(task, method, seed):
    return f"{RESULTS}/runs/{task}/{method}/seed{seed}"


def data_files(task):
    names = ["train.jsonl", "validation.jsonl", "test.jsonl", "summary.json"]
    return [f"{RESULTS}/data/{task}/{name}" for name in names]


def base_model_files(family):
    return [f"{RESULTS}/models/base/{family}/{name}" for name in [*_MODEL, "metrics.json"]]


def reward_model_files(name):
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.json"]
    return [f"{RESULTS}/models/reward/{name}/{file}" for file in names]


def model_files(task, method, seed):
    return [f"{run_dir(task, method, seed)}/model/{name}" for name in _MODEL]


def record_files(task, method, seed):
    """What a training leaves beside its model: its configuration and its curves."""
    names = ["config.json", "training_info.jsonl", "val_split_metrics.jsonl"]
    if method != "supervised":
        names.append("rollout_info.jsonl")
    return [f"{run_dir(task, method, seed)}/{name}" for name in names]


def score_files(task, method, seed):
    """The test scores of a run: apart from what its training leaves, for another job makes them."""
    names = ["metrics.json", "test_split_metrics.jsonl", "test_predictions.json"]
    return [f"{RESULTS}/scores/{task}/{method}/seed{seed}/{name}" for name in names]


EVALUATED = [file for run in RUNS for file in score_files(*run)]


TRAINED = [file for run in RUNS if run.method != "zero_shot" for file in [*record_files(*run), *model_files(*run)]]


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
    """The run's own model and last epoch, and the warm start that its KL is measured from."""
    task, method, seed = wildcards.task, wildcards.method, wildcards.seed
    epochs = [] if method == "zero_shot" else [f"{run_dir(task, method, seed)}/val_split_metrics.jsonl"]
    models = {method, starting_point(method)} - {"zero_shot"}
    return epochs + [file for each in sorted(models) for file in model_files(task, each, seed)]


def reward_model_of(wildcards):
    name = REWARD_MODEL_OF.get(wildcards.task)
    return reward_model_files(name) if name else []


def reward_model_option(wildcards, input):
    return f" --reward-model {dirname(input.reward_model[0])}" if input.reward_model else ""
