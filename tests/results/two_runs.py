"""Two runs of the pipeline, as its stages write them, with effects that are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.core.seeding import numpy_generator

METEOR, BLEU, DISTINCT = "lexical/meteor", "lexical/bleu", "diversity_metrics/distinct-2"
CONFIG: dict[str, Any] = {
    "alg": {"id": "ppo", "args": {"n_steps": 64, "clip_range": 0.2}, "policy": {"args": {"model_name": "base"}}},
    "reward_fn": {"id": "meteor", "args": {}},
    "train_evaluation": {"metrics": [{"id": "meteor", "args": {}}], "n_iters": 6},
    "seed": 0,
}
MANIFEST: dict[str, Any] = {
    "rl4lms": "1.0", "git": "a" * 40, "python": "3.11.7", "platform": "Linux", "host": "one", "device": "cpu",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"}, "command": ["train"], "task_version": 1, "seed": 0,
    "stage": "train", "suite": "tiny", "task": "common_gen", "method": "ppo",
    "inputs": {"data/train.jsonl": "1" * 64, "base/model.safetensors": "2" * 64},
}  # fmt: skip

MakeRun = Callable[..., Path]


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def rows_of(scores: np.ndarray[Any, np.dtype[np.float64]], prefix: str = "test") -> list[dict[str, Any]]:
    """A row per sample. BLEU per sample is not what its corpus value is the mean of."""
    texts = {"split_name": prefix, "generated_text": "text", "ref_text": ""}
    return [
        {"sample_id": f"{prefix}_{i}", "prompt_text": f"prompt {i}", **texts, METEOR: float(s), BLEU: float(s) / 2}
        for i, s in enumerate(scores)
    ]


def shared_scores(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Hard and easy samples, the same for every run."""
    return 0.5 + 0.1 * numpy_generator("samples").standard_normal(n)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """make(method, gain, ...) -> the run's directory; its scores lie beside, as the pipeline has it."""

    def make(
        method: str,
        gain: float = 0.0,
        *,
        n: int = 100,
        config: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> Path:
        part = Path("common_gen") / method / "seed0"
        run, scores = tmp_path / "results/tiny/runs" / part, tmp_path / "results/tiny/scores" / part
        values = shared_scores(n) + gain + 0.02 * numpy_generator("noise", method).standard_normal(n)
        put(run / "config.json", CONFIG | (config or {}))
        put(run / "manifest.json", MANIFEST | {"method": method} | (manifest or {}))
        metrics = {METEOR: float(values.mean()), BLEU: 0.3 + gain, DISTINCT: 0.9, "reward": 1.0}
        put(scores / "metrics.json", {**metrics, "n": n})
        put(scores / "test_split_metrics.jsonl", {"epoch": 1, "metrics": metrics})
        put(scores / "test_predictions.json", rows_of(values))
        put(run / "val_split_metrics.jsonl", {"epoch": 6, "metrics": {METEOR: 0.4 + gain}})
        return run

    return make
