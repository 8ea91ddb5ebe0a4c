"""The samples of the report: prompts, references and every method's generation, as JSON that its script reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rl4lms.config.labels import method_label, metric_label, task_label
from rl4lms.core.result_keys import REWARD, SPLIT
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.scores import SuiteScores

MAX_SAMPLES = 100  # of each task
MAX_BYTES = 300_000  # of each task's JSON: 7 tasks stay near 2 MB
N_REFERENCES = 4  # shown of a sample; common_gen and daily_dialog may have many more

_REFERENCE = re.compile(r"<START-(\d+)>(.*?)<END-\1>", re.DOTALL)


def samples_json(scores: SuiteScores) -> str:
    """For a script element of type application/json: no text in it can end the element.

    {"methods": [{id, label}], "tasks": [{id, label, total, metrics: [label], samples: [{id, prompt, references,
    n_references, texts: [one a method], scores: [[one a metric] a method]}]}]}: of the first seed, at most MAX_SAMPLES
    a task and MAX_BYTES, at least one, drawn at random and shown in the split's order.
    """
    methods = [{"id": method, "label": method_label(method)} for method in scores.settings.methods]
    tasks = [_task(scores, task) for task in scores.settings.tasks]
    return _inert({"methods": methods, "tasks": tasks})


def _inert(value: Any) -> str:
    """JSON without "<", ">" and "&"."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _task(scores: SuiteScores, task: str) -> dict[str, Any]:
    settings = scores.settings
    runs = {method: scores.of(task, method)[0] for method in settings.methods}
    rows = {method: run.directory.predictions(SPLIT) for method, run in runs.items()}
    n = min(run.n for run in runs.values())
    first = next(iter(rows.values()))[:1]
    keys = [key for key in dict.fromkeys((settings.main_metrics[task], REWARD)) if first and key in first[0]]
    order = numpy_generator(settings.bootstrap_seed, "report", task).permutation(n)
    chosen: dict[int, dict[str, Any]] = {}
    size = 0
    for i in map(int, order[:MAX_SAMPLES]):
        sample = _sample({method: rows[method][i] for method in rows}, keys)
        size += len(_inert(sample).encode())
        if chosen and size > MAX_BYTES:
            break
        chosen[i] = sample
    return {
        "id": task,
        "label": task_label(task),
        "total": n,
        "metrics": [metric_label(key) for key in keys],
        "samples": [chosen[i] for i in sorted(chosen)],
    }


def _sample(rows: Mapping[str, Mapping[str, Any]], keys: list[str]) -> dict[str, Any]:
    """rows: method -> its prediction of one test sample; keys: of the scores that are shown."""
    first = next(iter(rows.values()))
    references = split_references(first["ref_text"])
    return {
        "id": str(first["sample_id"]),
        "prompt": first["prompt_text"],
        "references": references[:N_REFERENCES],
        "n_references": len(references),
        "texts": [row["generated_text"] for row in rows.values()],
        "scores": [[round(float(row[key]), 4) for key in keys] for row in rows.values()],
    }


def split_references(text: str) -> list[str]:
    """The references of the published field `ref_text`: "<START-1>a<END-1><START-2>b<END-2>" -> ["a", "b"]."""
    return [match.group(2) for match in _REFERENCE.finditer(text)]
