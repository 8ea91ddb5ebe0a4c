"""Stages that cost nothing: `python -m rl4lms` of the test's copy of the project.

A stage writes its declared outputs; what is in them is the digest of the stage's parameters and of the files that it
is given, so that an output changes exactly when it should. FAIL=<words> in the environment fails the stage whose
command line holds all these words, after it has written its first output.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params

MODEL = ["config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
RUN = ["config.json", *(f"model/{name}" for name in MODEL), "training_info.jsonl", "val_split_metrics.jsonl"]
OUTPUTS = {
    "prepare": ["train.jsonl", "validation.jsonl", "test.jsonl", "summary.json"],
    "base-model": [*MODEL, "metrics.json"],
    "reward-model": [*(name for name in MODEL if not name.startswith("generation")), "metrics.json"],
    "supervised": RUN,
    "train": [*RUN, "rollout_info.jsonl"],
    "evaluate": ["metrics.json", "test_split_metrics.jsonl", "test_predictions.json"],
    "aggregate": [
        "metrics.json", "scores.csv", "curves.csv", "significance.csv", "grue.csv", "grue.md", "grue.tex",
        "learning_curves.png", "kl_reward.png", "summary.png", "report.html",
    ],
}  # fmt: skip
INPUTS = ("data", "model", "base_model", "reward_model", "runs", "scores")


def main(stage: str, *words: str) -> None:
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            values = options.setdefault(word[2:].replace("-", "_"), [])
        else:
            values.append(word)
    given = {key: values[0] for key, values in options.items()}
    names = {key: given[key] for key in ("task", "method", "family", "name") if key in given}
    out, params = Path(given["out"]), Params.open("params", given["suite"])
    content = {
        "stage": stage,
        "params": stage_params(params, stage, **names),
        "inputs": {key: digest(Path(given[key])) for key in INPUTS if key in given},
    }
    text = json.dumps({"digest": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()})
    work = out.parent / f".{out.name}.work"
    work.mkdir(parents=True, exist_ok=True)
    seeds = options.get("seeds", params.grue()["seeds"])
    folders = [f"seed{seed}/" for seed in seeds] if stage == "evaluate" else [""]
    for name in [folder + name for folder in folders for name in OUTPUTS[stage]]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text + "\n")
        if "FAIL" in os.environ and set(os.environ["FAIL"].split()) <= {stage, *words}:
            (work / "checkpoint").write_text("progress\n")
            sys.exit("told to fail")
    (out / "timing.jsonl").write_text("{}\n")


def digest(root: Path) -> str:
    """Of the files under `root` by name and content."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("timing"))
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
