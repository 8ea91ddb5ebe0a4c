"""Predictions of three methods, on prompts in the form that each task's own pool makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.tables import TASKS, DataPoolRegistry
from rl4lms.data_pools.dataset import PUBLISHED_SPLITS
from rl4lms.tasks.generated import GeneratorSource
from rl4lms.tasks.task import task_of

METHODS = ("supervised", "ppo", "nlpo")
HOSTILE = "<script>alert('x')</script> \"quoted\" </textarea></blockquote>\n{{ 7 * 7 }} & <b>line</b> ${two}"

Rows = list[dict[str, Any]]


def prompts(task: str, n: int = 12) -> list[str]:
    """Prompts of `task` from its generator and pool, with the arguments of params/tasks/<task>.yaml."""
    return _PROMPTS[task][:n]


def row(i: int, prompt: str, text: str) -> dict[str, Any]:
    names = {"split_name": "test", "sample_id": f"test_{i}", "prompt_text": prompt}
    return {**names, "generated_text": text, "ref_text": f"<START-1>reference {i}<END-1>", "lexical/meteor": 0.5}


def predictions(task: str, methods: tuple[str, ...] = METHODS, n: int = 12) -> dict[str, Rows]:
    """method -> rows; the text of sample i is "<method> wrote <i>"."""
    return {m: [row(i, p, f"{m} wrote {i}") for i, p in enumerate(prompts(task, n))] for m in methods}


@pytest.fixture(scope="session", autouse=True)
def _generated(tmp_path_factory: pytest.TempPathFactory) -> None:
    from rl4lms.config.params import Params

    params = Params.open(Path(__file__).resolve().parents[2] / "params", "mini")
    for task in filter(TASKS.is_shipped, TASKS.ids()):  # another test's params may have named more
        directory = tmp_path_factory.mktemp(task)
        source = GeneratorSource(task_of(task), {"train": 12, "val": 12, "test": 12}, seed=0)
        rows = source.rows(task_of(task).data, "test")
        text = "".join(json.dumps(each) + "\n" for each in rows)
        (directory / f"{PUBLISHED_SPLITS['test']}.jsonl").write_text(text)
        data = params.task(task)["data"]
        pool = DataPoolRegistry.get(data["pool"], {"split": "test", "data_dir": str(directory), **data["args"]})
        _PROMPTS[task] = [sample.prompt_or_input_text for sample, _ in pool]


_PROMPTS: dict[str, list[str]] = {}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Rows]], list[str]]:
    """Predictions as files; returns the arguments METHOD=PATH."""

    def files(by_method: dict[str, Rows]) -> list[str]:
        for method, rows in by_method.items():
            (tmp_path / f"{method}.json").write_text(json.dumps(rows))
        return [f"{method}={tmp_path / method}.json" for method in by_method]

    return files
