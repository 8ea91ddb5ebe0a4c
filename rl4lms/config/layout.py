"""Where the files of a suite lie below results/: the paths of a job whose command names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl4lms.config.compose import run_of, starting_point
from rl4lms.config.params import Params


def paths(params: Params, stage: str, names: Mapping[str, Any]) -> dict[str, str]:
    """Option of a job's command -> path, in the order of the command.

    names: what the command says: task, method and seed, family, or name. --reward-model is there for the tasks that
    have a classifier.
    """
    root = f"results/{params.suite}"
    data, models = f"{root}/data", f"{root}/models"
    if stage == "base-model":
        return {"data": data, "out": f"{models}/base/{names['family']}"}
    if stage == "reward-model":
        name = names["name"]
        return {"data": f"{data}/{params.reward_model(name)['task']}", "out": f"{models}/reward/{name}"}
    if stage == "aggregate":
        return {"runs": f"{root}/runs", "scores": f"{root}/scores", "out": f"{root}/grue"}
    task = names["task"]
    if stage == "prepare":
        return {"out": f"{data}/{task}"}
    method, seed = names["method"], f"seed{names['seed']}"
    run, warm = f"{root}/runs/{task}/{run_of(method)}/{seed}", f"{root}/runs/{task}/supervised/{seed}/model"
    base = f"{models}/base/{params.task(task)['model']['family']}"
    classifiers = [name for name, entry in params.reward_models().items() if entry["task"] == task]
    reward = {"reward-model": f"{models}/reward/{classifiers[0]}"} if classifiers else {}
    if stage == "evaluate":
        scores = f"{root}/scores/{task}/{method}/{seed}"
        return {"data": f"{data}/{task}", "base-model": base, **reward, "run": run, "out": scores}
    if stage == "supervised":
        return {"data": f"{data}/{task}", "model": base, "out": run}
    start = base if starting_point(method) == "zero_shot" else warm
    return {"data": f"{data}/{task}", "model": start, **reward, "out": run}
