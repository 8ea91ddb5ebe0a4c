"""The card of a trained model: README.md beside its weights, in the form that the Hugging Face hub shows.

It is one of a run's declared outputs, so it follows from the run's inputs: it holds no times and no host, and an
absolute path is told by its last name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rl4lms.config.schema import RunConfig
from rl4lms.core.io import read_jsonl, write_text

METRICS, ROLLOUTS = "val_split_metrics.jsonl", "rollout_info.jsonl"
ROLLOUT = {
    "rollout/ep_rew_mean": "reward of an episode, mean",
    "rollout/kl_mean": "KL from the reference model, nats a token, mean",
    "rollout/kl_coeff": "coefficient of the KL penalty",
}


def write_model_card(run_dir: Path, config: RunConfig, name: str = "model") -> None:
    """Write the card of the model in `name` from the configuration and the last lines of the run's records."""
    write_text(
        run_dir / name / "README.md",
        model_card(named(config.to_dict()), last(run_dir / METRICS), last(run_dir / ROLLOUTS)),
    )


def model_card(config: Mapping[str, Any], scores: Mapping[str, Any], rollout: Mapping[str, Any]) -> str:
    """config: the resolved configuration. scores: the last line of the validation scores. rollout: of the rollouts."""
    alg = config["alg"]
    base = alg["policy"]["args"]["model_name"] if "policy" in alg else alg["model_name"]
    seq2seq = "seq2seq" in (alg["policy"]["id"] if "policy" in alg else alg["model_type"])
    head: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text2text-generation" if seq2seq else "text-generation",
        "tags": ["rl4lms", alg["id"]],
    }
    reward = config.get("reward_fn")
    rows = [("base model", f"`{base}`"), ("algorithm", f"`{alg['id']}`"), ("data", component(config["datapool"]))]
    if reward:
        rows.append(("reward", component(reward)))
    if alg.get("kl_div"):
        rows.append(("KL penalty", f"`{compact(alg['kl_div'])}`"))
    rows.append(("seed", f"`{config['seed']}`"))
    return "\n".join([
        "---", yaml.safe_dump(head, sort_keys=False).rstrip(), "---", "",
        f"# {base.rpartition('/')[2]}, trained with {alg['id']}", "",
        *table(("", "of this run"), rows), "",
        *measured(scores, rollout),
        "## How it was made", "",
        *how_to_repeat(config), "",
        "## Licence and limits", "",
        "No licence is stated here: the licences of the base model and of the data hold. A model that was trained",
        "against a reward does what the reward pays for; the scores above say nothing about other uses.", "",
    ])  # fmt: skip


def how_to_repeat(config: Mapping[str, Any]) -> list[str]:
    """The command that trains the model again; for rows and functions of a Python program there is none.

    Their ids hold a digest (rl4lms/api/configuration.py).
    """
    reward = config.get("reward_fn") or {}
    parts = reward.get("args", {}).get("rewards", [reward] if reward else [])
    used = [config["datapool"], *parts, *config.get("train_evaluation", {}).get("metrics", ())]
    holds = "`config.json` of the run, in the folder above this one, holds every setting"
    if any("@" in each["id"] for each in used):
        return [
            f"{holds}. What is",
            "named by a digest is of a Python program: the same call of `rl4lms.train` repeats it.",
        ]
    command = "python -m rl4lms.cli.train_text_generation --config_path config.json"
    return [f"{holds} and trains the model again:", "", "```sh", command, "```"]


def measured(scores: Mapping[str, Any], rollout: Mapping[str, Any]) -> list[str]:
    """The sections of the numbers that there are."""
    lines = []
    if scores.get("metrics"):
        rows = [(f"`{name}`", shown_number(value)) for name, value in sorted(scores["metrics"].items())]
        lines += [
            f"## Scores on the validation split, epoch {scores['epoch']}",
            "",
            *table(("metric", "value"), rows),
            "",
        ]
    if rows := [(said, shown_number(rollout[key])) for key, said in ROLLOUT.items() if key in rollout]:
        lines += [f"## Rollouts of iteration {rollout['iteration']}", "", *table(("", "value"), rows), ""]
    return lines


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {left} | {right} |" for left, right in [head, ("---", "---"), *rows]]


def component(value: Mapping[str, Any]) -> str:
    return f"`{value['id']}`" + (f" with `{compact(value['args'])}`" if value.get("args") else "")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).replace("|", "\\|")


def shown_number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def named(value: Any) -> Any:
    """The same, with absolute paths told by their last name, so that the card is equal on every machine."""
    if isinstance(value, Mapping):
        return {key: named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [named(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def last(path: Path) -> Mapping[str, Any]:
    """The last line of a record; nothing if the run keeps none."""
    rows = read_jsonl(path) if path.is_file() else []
    return rows[-1] if rows else {}
