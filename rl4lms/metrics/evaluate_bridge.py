"""Any metric of the `evaluate` library as one of ours. Only this bridge and its way back import that library.

Its import takes about 7 CPU-seconds, so it waits until such a metric is made.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import ConfigError, DataError, message_of, unknown
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult, check_references, mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class EvaluateMetric(BaseMetric):
    """`evaluate/<name>/<key>` for each numeric result of a metric of `evaluate`.

    path: a hub id ("rouge") or a local module file; config_name: its configuration; key: the result(s) to report,
    all numeric ones if left out; compute_args: passed to its `compute`. A result that is a list of one number a text
    becomes the scores per text, and its mean the score. Metrics that take one reference get the first; those that
    take lists get all. Raises ConfigError for a metric that cannot be loaded, an unknown key, or a failed compute.
    """

    def __init__(
        self,
        path: str,
        key: str | Sequence[str] | None = None,
        config_name: str | None = None,
        compute_args: Mapping[str, Any] | None = None,
    ) -> None:
        import evaluate

        try:
            self._module: Any = evaluate.load(path, config_name=config_name, keep_in_memory=True)
        except Exception as error:  # loading runs foreign code, which may raise anything
            raise ConfigError(
                f'metric evaluate: "{path}" cannot be loaded ({message_of(error)}). Give a hub id in reach or a local '
                "module file."
            ) from None
        self.name = str(self._module.name)
        self._keys = [key] if isinstance(key, str) else None if key is None else list(key)
        self._compute_args = dict(compute_args or {})

    def _takes_lists(self) -> bool:
        """Whether some accepted format has a list of references for each text."""
        import datasets

        formats = self._module.features if isinstance(self._module.features, list) else [self._module.features]
        kinds = (list, datasets.Sequence, datasets.List)
        return any(isinstance(f.get("references"), kinds) for f in formats)

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        references: list[Any] = check_references(self.name, generated_texts, reference_texts)
        if not self._takes_lists():
            references = [refs[0] for refs in references]
        try:
            result = self._module.compute(
                predictions=list(generated_texts), references=references, **self._compute_args
            )
        except Exception as error:  # foreign code
            raise DataError(
                f"metric evaluate: {self.name} failed ({type(error).__name__}: {message_of(error)})."
            ) from error
        return self._named(result or {}, len(generated_texts))

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
