"""Generate for every sample, score the texts: one evaluation for all methods, in training and on the test split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rl4lms.core import progress
from rl4lms.core.errors import DataError, RunError, one_line
from rl4lms.core.guard import copied, guarded, name_of
from rl4lms.core.result_keys import N_SAMPLES
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.metrics.base import BaseMetric

if TYPE_CHECKING:
    import pandas as pd

# Columns of a prediction and of a run's metrics.json that no metric may write.
RESERVED = ("split_name", "sample_id", "prompt_text", "generated_text", "ref_text", "epoch", N_SAMPLES)
LONGEST_KEY = 200  # bytes: a tracking backend makes files of keys

Generate = Callable[[list[Sample]], list[str]]


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of one model on one split.

    metrics: result key -> corpus value. per_sample: result key -> one score per sample, in the samples' order; only
    for metrics that have scores per sample. predictions: one row per sample, as published: split_name, sample_id,
    prompt_text, generated_text, ref_text ("<START-1>...<END-1>" per reference), then the scores of `per_sample`.
    """

    split: str
    epoch: int
    metrics: dict[str, float]
    per_sample: dict[str, list[float]]
    predictions: list[dict[str, Any]]
    labels: dict[str, str] = field(default_factory=dict)

    def with_scores(self, name: str, scores: Sequence[float]) -> EvaluationResult:
        """The same result with one more score per sample; its corpus value is the mean."""
        self._check_new(name)
        values = _per_sample_scores(name, scores, len(self.predictions), self._where)
        return replace(
            self,
            metrics={**self.metrics, name: math.fsum(values) / len(values)},
            per_sample={**self.per_sample, name: values},
            predictions=[{**row, name: value} for row, value in zip(self.predictions, values, strict=True)],
        )

    def with_metrics(self, metrics: Mapping[str, float]) -> EvaluationResult:
        """The same result with more corpus values. Raises RunError for one that is not finite."""
        for name, value in metrics.items():
            self._check_new(name)
            finite_number(value, f"{self._where}: {name}")
        return replace(self, metrics={**self.metrics, **metrics})

    def _check_new(self, name: str) -> None:
        if name in self.metrics:
            raise RunError(f'{self._where}: a metric gives "{name}", which the evaluation gives itself; rename it.')

    @property
    def means(self) -> list[str]:
        """Metrics whose corpus value is the mean of their scores per sample."""
        return [
            name
            for name, values in self.per_sample.items()
            if math.isclose(math.fsum(values) / len(values), self.metrics[name], rel_tol=1e-9, abs_tol=1e-12)
        ]

    @property
    def samples(self) -> pd.DataFrame:
        """The predictions as a table."""
        import pandas as pd

        return pd.DataFrame(self.predictions)

    @property
    def texts(self) -> list[str]:
        return [row["generated_text"] for row in self.predictions]

    @property
    def _where(self) -> str:
        return f"split {self.split}, epoch {self.epoch}"


def evaluate_samples(
    generate: Generate,
    samples: Sequence[Sample],
    metrics: Sequence[BaseMetric],
    *,
    split: str,
    epoch: int,
    model: Any = None,
) -> EvaluationResult:
    """Generate one text per sample and score all of them with every metric.

    model: handed to metrics that score the model rather than its texts (causal_perplexity).
    Raises DataError for an empty split; RunError for a metric whose value is not finite, whose scores are not one per
    sample, or whose result key another metric has used already.
    """
    where = f"split {split}, epoch {epoch}"
    if not samples:
        raise DataError(f"{where}: no samples to evaluate; expected at least one.")
    texts = generate(list(samples))
    if len(texts) != len(samples):
        raise RunError(f"{where}: {len(texts)} generations for {len(samples)} samples; expected one each.")
    for text in texts:
        if not isinstance(text, str):
            raise RunError(f"{where}: a generation is {type(text).__name__}; a post-processor must return text.")
    corpus, per_sample = _score(metrics, samples, texts, split, model, where)
    predictions = [_prediction(split, sample, text) for sample, text in zip(samples, texts, strict=True)]
    for name, scores in per_sample.items():
        for row, score in zip(predictions, scores, strict=True):
            row[name] = score
    labels: dict[str, str] = {}
    for metric in metrics:
        with guarded(f"metric {name_of(metric)}"):
            labels |= {str(name): str(text) for name, text in metric.labels().items() if name in corpus}
    return EvaluationResult(split, epoch, corpus, per_sample, predictions, labels)


def _score(
    metrics: Sequence[BaseMetric],
    samples: Sequence[Sample],
    texts: list[str],
    split: str,
    model: Any,
    where: str,
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Corpus values and scores per sample of all metrics, by result key."""
    prompts = [sample.prompt_or_input_text for sample in samples]
    references = [sample.references for sample in samples]
    meta_infos = [sample.meta_data for sample in samples]
    corpus: dict[str, float] = {}
    per_sample: dict[str, list[float]] = {}
    for done, metric in enumerate(metrics):
        name = name_of(metric)
        progress.phase(f"{split}: {type(metric).__name__}, metric", done + 1, len(metrics))
        with guarded(f"metric {name}"):
            given = copied([prompts, texts, references, meta_infos])
            results = metric.compute(given[0], given[1], given[2], given[3], model, split)
        for key, (scores, value) in _named(results, f"metric {name}").items():
            if key in corpus:
                raise RunError(f'{where}: two metrics give "{key}"; leave one of them out of the list of metrics.')
            corpus[key] = finite_number(value, f"{where}: {key}")
            if scores is not None:
                per_sample[key] = _per_sample_scores(key, scores, len(samples), where)
    return corpus, per_sample


def _named(results: Any, where: str) -> dict[str, tuple[Any, Any]]:
    """What a metric returned, its shape and its keys checked: they become columns, names of files and of table rows."""
    if not isinstance(results, Mapping):
        found = type(results).__name__
        raise RunError(f'{where}: returned {found}; expected {{"name": (scores per text or None, score of the set)}}.')
    named = {}
    for key, entry in results.items():
        name = str(key)
        if name in RESERVED:
            raise RunError(f'{where}: a result named "{name}", which is a name of ours; call it "{where[7:]}/{name}".')
        if (
            not name.isprintable()
            or not {"", ".", ".."}.isdisjoint(name.split("/"))
            or len(name.encode()) > LONGEST_KEY
        ):
            expected = f"printable words with / between them, as lexical/meteor, at most {LONGEST_KEY} bytes"
            raise RunError(f"{where}: a result named {one_line(repr(name), LONGEST_KEY)}; expected {expected}.")
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise RunError(f'{where}: "{name}" is {type(entry).__name__}; expected (scores per text or None, score).')
        named[name] = tuple(entry)
    return named


def finite_number(value: Any, what: str) -> float:
    """A number of any kind (bool, numpy, a tensor of one element) as a finite float. Raises RunError."""
    try:
        number = float(value)
    except Exception:  # it may be an object of the component's own
        raise RunError(f"{what} is {type(value).__name__}; expected a finite number.") from None
    if not math.isfinite(number):
        raise RunError(f"{what} is {number}; expected a finite number.")
    return number


def _per_sample_scores(name: str, scores: Sequence[float], n: int, where: str) -> list[float]:
    try:
        given = list(scores)
    except Exception:  # a generator of the metric's own may raise anything
        raise RunError(f"{where}: {name} has no list of scores; expected one score each.") from None
    if len(given) != n:
        raise RunError(f"{where}: {name} has {len(given)} scores for {n} samples; expected one each.")
    return [finite_number(score, f"{where}: {name} of sample {i}") for i, score in enumerate(given)]


def _prediction(split: str, sample: Sample, text: str) -> dict[str, Any]:
    return {
        "split_name": split,
        "sample_id": sample.id,
        "prompt_text": sample.prompt_or_input_text,
        "generated_text": text,
        "ref_text": "".join(f"<START-{i}>{ref}<END-{i}>" for i, ref in enumerate(sample.references, 1)),
    }
