"""What the trainings of a suite were: what they cost, and whether what tells the algorithms apart came into play."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rl4lms.config.labels import method_label, task_label
from rl4lms.core.errors import DataError
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals

# Of training.csv: of each run, sums and means over its iterations; NaN where the algorithm logs no such thing.
COLUMNS = [
    "task", "method", "seed", "sampled_tokens", "iterations", "optimiser_steps", "clip_fraction", "alike_groups",
    "first_length", "last_length", "length_std", "first_reward", "last_reward", "last_kl",
]  # fmt: skip
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


def training_facts(scores: SuiteScores) -> pd.DataFrame:
    """A row of COLUMNS for each RL run. Raises DataError naming a run that logged nothing."""
    rows = [
        {"task": task, "method": method, "seed": seed, **_facts(run.directory)}
        for (task, method, seed), run in scores.runs.items()
        if method in scores.settings.rl_methods
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _facts(run: RunDirectory) -> dict[str, float]:
    rollouts, updates = (run.log(f"{name}_info.jsonl", "iteration") for name in ("rollout", "training"))
    if not rollouts or not updates:
        raise DataError(f"{run.run}: no rollout_info.jsonl or training_info.jsonl; train it again.")
    length, reward = _column(rollouts, "rollout/ep_len_mean"), _column(rollouts, "rollout/ep_rew_mean")
    steps, clipped = _column(updates, "train/n_minibatches"), _column(updates, "train/clip_fraction")
    return {
        "sampled_tokens": _column(rollouts, "rollout/n_sampled_tokens").sum(),
        "iterations": len(rollouts),
        "optimiser_steps": steps.sum(),
        "clip_fraction": (clipped * steps).sum() / steps.sum(),
        "alike_groups": _column(rollouts, "rollout/groups_without_spread").mean(),
        "first_length": length[0],
        "last_length": length[-1],
        "length_std": _column(rollouts, "rollout/ep_len_std").mean(),
        "first_reward": reward[0],
        "last_reward": reward[-1],
        "last_kl": _column(rollouts, "rollout/kl_mean")[-1],
    }


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """A number of each row, NaN where it was not logged."""
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)


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
