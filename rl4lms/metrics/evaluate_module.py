"""The metrics of this project as metrics of the `evaluate` library, without network access:

    evaluate.load("rl4lms/metrics/evaluate_module.py", config_name="meteor").compute(predictions=..., references=...)

or, imported, `RL4LMsMetric("rouge_l_max", {"max_n": 4})`. evaluate finds the imports of this file by a regular
expression, so each is on one line.
"""

from typing import Any

import datasets
import evaluate

from rl4lms.core.tables import MetricRegistry

_FEATURES = [
    {"predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))},
    {"predictions": datasets.Value("string"), "references": datasets.Value("string")},
]


class RL4LMsMetric(evaluate.Metric):
    """A metric by its id. config_name: the id; metric_args: the arguments of its constructor.

    `compute` takes predictions, references (each a string or a list of strings) and, for metrics that read them,
    prompts, meta_infos and model. It returns {key: score of the set}; per_text=True adds {key/per_text: scores}.
    """

    def __init__(self, config_name: str = "default", metric_args: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self._metric = MetricRegistry.get(config_name, metric_args)
        kwargs.setdefault("keep_in_memory", True)
        super().__init__(config_name=config_name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self._metric).__doc__ or "",
            citation="Ramamurthy et al., 2022, arXiv:2210.01241",
            inputs_description=__doc__ or "",
            features=[datasets.Features(f) for f in _FEATURES],
        )

    def _compute(
        self,
        predictions: list[str],
        references: list[Any],
        prompts: list[str] | None = None,
        meta_infos: list[Any] | None = None,
        model: Any = None,
        per_text: bool = False,
    ) -> dict[str, Any]:
        lists = [[r] if isinstance(r, str) else list(r) for r in references]
        result = self._metric.compute(prompts, predictions, lists, meta_infos, model)
        scores: dict[str, Any] = {key: value for key, (_, value) in result.items()}
        if per_text:
            scores |= {f"{key}/per_text": rows for key, (rows, _) in result.items() if rows is not None}
        return scores
