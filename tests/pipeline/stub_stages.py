"""Stages that cost nothing: `python -m rl4lms` of the test's copy of the project.

A stage writes its declared outputs; what is in them is the digest of the stage's parameters and of the files that it
is given, so that an output changes exactly when it should; the suite's metrics and curves have their real form, with
numbers drawn from that digest. The command `recipes` is the real one. FAIL=<words> in the environment fails the stage
whose command line holds all these words, after it has written its first output; HOLD=<words> lets it wait there until
the checkout has a file `go`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
from pathlib import Path

from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.layout import paths
from rl4lms.config.params import Params
from rl4lms.config.stages import STAGES, stage_params

LARGE = 1_200_000  # bytes of a model: Snakemake compares no file of this size by its content
INPUTS = ("data", "model", "base_model", "reward_model", "run", "runs", "scores")


def main(stage: str, *words: str) -> None:
    given = {key[2:].replace("-", "_"): value for key, value in zip(words[::2], words[1::2], strict=True)}
    names = {key: given[key] for key in ("task", "method", "family", "name") if key in given}
    params = Params.open("params", given["suite"])
    given = {key.replace("-", "_"): path for key, path in paths(params, stage, given).items()} | given
    out = Path(given["out"])
    content = {
        "stage": stage,
        "params": stage_params(params, stage, **names),
        "inputs": {key: digest(Path(given[key])) for key in INPUTS if key in given},
    }
    own = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    texts = tables(own, params) if stage == "aggregate" else {}
    work = out.parent / f".{out.name}.work"
    work.mkdir(parents=True, exist_ok=True)
    for name in STAGES[stage].outputs:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        text = texts.get(name, json.dumps({"digest": own}) + "\n")
        (out / name).write_text(text.ljust(LARGE) if name.endswith("safetensors") else text)
        if "FAIL" in os.environ and set(os.environ["FAIL"].split()) <= {stage, *words}:
            (work / "checkpoint").write_text("progress\n")
            sys.exit("told to fail")
        if "HOLD" in os.environ and set(os.environ["HOLD"].split()) <= {stage, *words}:
            Path("held").touch()
            while not Path("go").exists():
                time.sleep(0.1)
    (out / "timing.jsonl").write_text("{}\n")


def tables(own: str, params: Params) -> dict[str, str]:
    """metrics.json and curves.csv, by name. own: the stage's digest."""
    grue = params.grue()
    draw = random.Random(own).random
    all_methods = methods(grue["algs"], grue["baselines"])
    scores = {f"score_{method}": round(draw(), 6) for method in all_methods}
    curves = [
        f"{task},{method},{seed},{iteration},reward,{draw():.4f}"
        for task in grue["tasks"]
        for method in filter(algorithm_of, all_methods)
        for seed in grue["seeds"]
        for iteration in range(5)
    ]
    return {
        "metrics.json": json.dumps(scores),
        "curves.csv": "\n".join(["task,method,seed,iteration,metric,value", *curves, ""]),
    }


def digest(root: Path) -> str:
    """Of the files under `root` by name and content."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("timing"))
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "recipes":
        from rl4lms.cli.main import main as real

        sys.exit(real())
    main(*sys.argv[1:])
