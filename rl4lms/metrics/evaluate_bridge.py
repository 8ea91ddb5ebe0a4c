"""Makes any metric of the `evaluate` library usable by the id `evaluate`.

Only this module and evaluate_module.py import that library, which takes about 7 CPU-seconds, and this one does so only
when such a metric is constructed.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rl4lms.core.errors import ConfigError, DataError, message_of, unknown
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean


class EvaluateMetric(ReferenceMetric):
    """`evaluate/<name>/<key>` for each numeric result of a metric of `evaluate`.

    path: a hub id ("rouge") or a local module file; config_name: its configuration; key: the result or results to
    report (default: all numeric ones); compute_args: passed to its `compute`. A result that is a list with one number
    per text gives the scores per text, and its mean is the score. A metric that takes one reference per text gets the
    first; one that takes lists gets all. Raises ConfigError for a metric that cannot be loaded and for an unknown key,
    and DataError if its `compute` fails.
    """

    def __init__(
        self,
        path: Annotated[str, "Hub id or module file of a metric of the library evaluate."],
        key: Annotated[str | list[str] | None, "Results to report; null reports all numbers."] = None,
        config_name: Annotated[str | None, "Configuration of the metric."] = None,
        compute_args: Annotated[Mapping[str, Any] | None, "Arguments of its compute."] = None,
    ) -> None:
        import evaluate

        try:
            self._module: Any = evaluate.load(path, config_name=config_name, keep_in_memory=True)
        except Exception as error:  # loading runs code of the metric, which may raise anything
            raise ConfigError(
                f'metric evaluate: "{path}" cannot be loaded ({message_of(error)}). Give a hub id in reach or a local '
                "module file."
            ) from None
        self.name = str(self._module.name)
        self._keys = [key] if isinstance(key, str) else None if key is None else list(key)
        self._compute_args = dict(compute_args or {})

    def _takes_lists(self) -> bool:
        """Whether the metric accepts a list of references for each text."""
        import datasets

        formats = self._module.features if isinstance(self._module.features, list) else [self._module.features]
        kinds = (list, datasets.Sequence, datasets.List)
        return any(isinstance(f.get("references"), kinds) for f in formats)

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        given: list[Any] = references if self._takes_lists() else [refs[0] for refs in references]
        try:
            result = self._module.compute(predictions=texts, references=given, **self._compute_args)
        except Exception as error:  # the metric's code may raise anything
            raise DataError(
                f"metric evaluate: {self.name} failed ({type(error).__name__}: {message_of(error)})."
            ) from error
        return self._named(result or {}, len(texts))

    def _named(self, result: Mapping[str, Any], n_texts: int) -> MetricResult:
        named: MetricResult = {}
        for key in self._keys if self._keys is not None else result:
            if key not in result:
                raise ConfigError(unknown("key", key, result, where=f"metric evaluate: {self.name}"))
            entry = _as_scores(result[key], n_texts)
            if entry is not None:
                named[f"evaluate/{self.name}/{key}"] = entry
            elif self._keys is not None:
                found = type(result[key]).__name__
                raise ConfigError(
                    f'metric evaluate: {self.name}: "{key}" is no number or list of numbers, but {found}.'
                )
        return named


def _as_scores(value: Any, n_texts: int) -> tuple[list[float] | None, float] | None:
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return None, float(value)
    is_column = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == n_texts
    if is_column and all(isinstance(v, numbers.Real) for v in value):
        scores = [float(v) for v in value]
        return scores, mean(scores)
    return None
