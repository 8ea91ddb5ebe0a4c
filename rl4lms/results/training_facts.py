"""What the trainings of a suite were: what they cost, and whether what tells the algorithms apart came into play."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rl4lms.config.labels import method_label, task_label
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals

_SHOWN = {
    "sampled_tokens": ("Sampled tokens", "in training"),
    "iterations": ("Iterations", ""),
    "optimiser_steps": ("Optimiser steps", ""),
    "clip_fraction": ("Clipped", "share of tokens"),
    "alike_groups": ("Groups alike", "share without a signal"),
    "last_length": ("Length", "tokens, last rollout"),
    "length_std": ("Spread of lengths", "tokens, mean of rollouts"),
    "last_kl": ("KL per token", "last rollout"),
}
_NOTE = (
    "Mean over seeds. Sampled tokens: every token that the sampler emitted in training, discarded ones included. "
    "Clipped: mean over optimiser steps of the share of tokens whose ratio left the clip range. Groups alike: groups "
    "all of whose scores are equal, from which nothing is learnt."
)


def training_tables(scores: SuiteScores, facts: pd.DataFrame) -> list[Table]:
    """One table: a row for each task and RL method."""
    means: dict[Any, Any] = facts.groupby(["task", "method"])[[*_SHOWN]].mean().to_dict("index")
    digits = {key: 0 if key in ("sampled_tokens", "iterations", "optimiser_steps") else decimals([]) for key in _SHOWN}
    keys, rows = [], []
    for task in scores.settings.tasks:
        for method in scores.settings.rl_methods:
            values = means[task, method]
            cells = [
                Cell(NOT_MEASURED) if np.isnan(values[key]) else Cell(f"{values[key]:,.{digits[key]}f}", values[key])
                for key in _SHOWN
            ]
            keys.append(f"{task}/{method}")
            rows.append((Cell(task_label(task), task), Cell(method_label(method), method), *cells))
    heads = [Column(key, label, detail) for key, (label, detail) in _SHOWN.items()]
    columns = (Column("task", "Task", numeric=False), Column("method", "Method", numeric=False), *heads)
    notes = [_NOTE, *coincidences(scores)]
    return [Table("training", "What the trainings were", columns, tuple(keys), tuple(rows), tuple(notes))]


def coincidences(scores: SuiteScores) -> Iterator[str]:
    """A sentence for each task on which methods gave the same texts in every seed, and so cannot be ranked."""
    for task in scores.settings.tasks:
        texts: dict[Any, list[str]] = {}
        for method in scores.settings.rl_methods:
            runs = (scores.runs[task, method, seed] for seed in scores.settings.seeds)
            texts.setdefault(tuple(tuple(sorted(run.metrics.items())) for run in runs), []).append(method)
        for methods in texts.values():
            if len(methods) > 1:
                names = ", ".join(map(method_label, methods))
                yield f"{task_label(task)}: {names} have the same scores in every seed: here they are one algorithm."
