"""Plain functions as metrics, and how a plain function is called: `f(prompts, completions, references, **columns)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rl4lms.core.errors import DataError, RunError
from rl4lms.metrics.base import MetaInfo, MetricResult, SampleMetric, Samples, mean


def call_with_columns(
    function: Callable[..., Any],
    what: str,
    prompts: Sequence[str],
    completions: Sequence[str],
    references: Sequence[Sequence[str]],
    meta_infos: Sequence[MetaInfo],
) -> Any:
    """The function's answer on N texts, each column given by its name as a list of length N.

    Columns: prompts, completions and references (a list of texts each), and one for every key of the samples' meta
    data, with None for a sample that lacks it. A function without `**columns` is given those that it names. Raises
    DataError if it asks for a column that is not there. what: the function, for the message.
    """
    infos = [info or {} for info in meta_infos]
    columns: dict[str, list[Any]] = {str(key): [] for info in infos for key in info}
    for name in columns:
        columns[name] = [info.get(name) for info in infos]
    given = function.keywords if isinstance(function, functools.partial) else {}  # by a configuration
    columns = {name: values for name, values in columns.items() if name not in given}
    columns |= {"prompts": list(prompts), "completions": list(completions), "references": [list(r) for r in references]}
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for parameter in named:
        if parameter.name not in columns and parameter.default is parameter.empty:
            raise DataError(
                f'{what}: it asks for the column "{parameter.name}", which the samples do not have; they have '
                f"{', '.join(sorted(columns))}."
            )
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
        columns = {p.name: columns[p.name] for p in named if p.name in columns}
    return function(**columns)


def scores_of(answer: Any, n: int, what: str) -> list[Any]:
    """The list of n scores that a function answered. Raises RunError for anything else; numbers are checked later."""
    if isinstance(answer, str | bytes | Mapping) or not hasattr(answer, "__iter__"):
        raise RunError(f"{what}: returned {type(answer).__name__}; expected a list of {n} numbers, one for each text.")
    scores = list(answer)
    if len(scores) != n:
        raise RunError(f"{what}: returned {len(scores)} numbers for {n} texts; return one each.")
    for score in scores:
        if score is None or isinstance(score, str | bytes):
            raise RunError(f"{what}: returned {type(score).__name__} for a text; expected a finite number.")
    return scores


class FunctionMetric(SampleMetric):
    """A plain function as a metric: it answers a number, a list of one number for each text, or a dict of such.

    A list is also the score of the whole set, its mean. name: the key of an answer that is no dict.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name

    def score_samples(self, samples: Samples) -> MetricResult:
        n = len(samples.texts)
        answer = call_with_columns(
            self.function,
            f"metric {self.name}",
            samples.prompts or [""] * n,
            samples.texts,
            samples.references or [[]] * n,
            samples.meta_infos or [None] * n,
        )
        named = answer if isinstance(answer, Mapping) else {self.name: answer}
        return {str(key): self._entry(value, n) for key, value in named.items()}

    def _entry(self, value: Any, n: int) -> tuple[list[float] | None, float]:
        if isinstance(value, tuple) and len(value) == 2 and (value[0] is None or isinstance(value[0], list)):
            return value  # as a class of metrics answers: (scores, score of the set)
        if hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping):
            scores = [float(score) for score in scores_of(value, n, f"metric {self.name}")]
            return scores, mean(scores)
        return None, value  # whoever asked checks that it is a finite number
