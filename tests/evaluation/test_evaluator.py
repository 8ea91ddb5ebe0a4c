from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from rl4lms.core.errors import DataError, RunError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import evaluate_samples
from rl4lms.metrics.base import BaseMetric

SAMPLES = [
    Sample("a", "one", ["uno", "eins"], {"k": 1}),
    Sample("b", "three", ["tres"]),
]


class Lengths(BaseMetric):
    """Length of each text; remembers what it was given."""

    def compute(self, prompt_texts, generated_texts, reference_texts, meta_infos=None, model=None, split_name=None):  # type: ignore[no-untyped-def]
        self.given = (prompt_texts, generated_texts, reference_texts, meta_infos, model, split_name)
        scores = [float(len(text)) for text in generated_texts]
        return {"test/length": (scores, sum(scores) / len(scores))}

    def labels(self) -> dict[str, str]:
        return {"test/length": "in characters", "test/other": "not measured"}


class Fixed(BaseMetric):
    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result

    def compute(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self.result


def generate(samples: list[Sample]) -> list[str]:
    return [sample.prompt_or_input_text.upper() for sample in samples]


def run(*metrics: BaseMetric, samples: list[Sample] = SAMPLES, generator: Any = generate) -> Any:
    return evaluate_samples(generator, samples, metrics, split="val", epoch=3)


def test_rows_are_in_the_published_format() -> None:
    result = run(Lengths(), Fixed({"test/corpus": (None, 0.5)}))
    assert result.predictions[0] == {
        "split_name": "val",
        "sample_id": "a",
        "prompt_text": "one",
        "generated_text": "ONE",
        "ref_text": "<START-1>uno<END-1><START-2>eins<END-2>",
        "test/length": 3.0,
    }
    assert result.metrics == {"test/length": 4.0, "test/corpus": 0.5}
    assert result.per_sample == {"test/length": [3.0, 5.0]}
    assert (result.split, result.epoch, result.texts) == ("val", 3, ["ONE", "THREE"])
    assert result.labels == {"test/length": "in characters"}


def test_metrics_are_given_everything_of_the_samples() -> None:
    metric, model = Lengths(), object()
    evaluate_samples(generate, SAMPLES, [metric], split="test", epoch=0, model=model)
    prompts, texts, references, meta_infos, given_model, split = metric.given
    assert (prompts, texts) == (["one", "three"], ["ONE", "THREE"])
    assert (references, meta_infos) == ([["uno", "eins"], ["tres"]], [{"k": 1}, None])
    assert given_model is model
    assert split == "test"


def test_scores_can_be_added() -> None:
    result = run(Lengths())
    more = result.with_scores("reward", [0.25, 0.75]).with_metrics({"kl": 0.1})
    assert more.metrics == {"test/length": 4.0, "reward": 0.5, "kl": 0.1}
    assert [row["reward"] for row in more.predictions] == [0.25, 0.75]
    assert "reward" not in result.predictions[0]
    assert "reward" not in result.metrics


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([Fixed({"m": ([1.0], 1.0)})], "m has 1 scores for 2 samples"),
        ([Fixed({"m": (None, float("nan"))})], "split val, epoch 3: m is nan"),
        ([Fixed({"m": ([0.0, float("inf")], 1.0)})], "m of sample 1 is inf"),
        ([Fixed({"m": (None, 1.0)}), Fixed({"m": (None, 2.0)})], 'two metrics give "m"'),
    ],
)
def test_a_metric_that_breaks_its_word_is_named(metrics: list[BaseMetric], message: str) -> None:
    with pytest.raises(RunError, match=message):
        run(*metrics)


def test_every_sample_needs_a_text() -> None:
    with pytest.raises(RunError, match="1 generations for 2 samples"):
        run(generator=lambda samples: ["only one"])


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="no samples"):
        run(samples=[])


def test_added_values_must_be_finite() -> None:
    result = run(Lengths())
    with pytest.raises(RunError, match="kl is inf"):
        result.with_metrics({"kl": float("inf")})
    with pytest.raises(RunError, match="reward has 1 scores for 2 samples"):
        result.with_scores("reward", [1.0])


class Careless(BaseMetric):
    """Changes all that it is given, however deep."""

    def compute(self, prompt_texts, generated_texts, reference_texts, meta_infos=None, model=None, split_name=None):  # type: ignore[no-untyped-def]
        prompt_texts.clear()
        generated_texts[0] = "changed"
        reference_texts[0].append("changed")
        meta_infos[0]["k"] = "changed"
        return {"test/careless": (None, 1.0)}


def test_a_metric_that_changes_what_it_is_given_changes_nothing_else() -> None:
    alone, later = run(Lengths()), Lengths()
    result = run(Careless(), later)
    assert result.predictions == alone.predictions
    assert later.given[:4] == (["one", "three"], ["ONE", "THREE"], [["uno", "eins"], ["tres"]], [{"k": 1}, None])
    assert SAMPLES[0].references == ["uno", "eins"] and SAMPLES[0].meta_data == {"k": 1}


RESERVED_KEYS = ["generated_text", "prompt_text", "ref_text", "sample_id", "split_name", "n", "epoch"]
ODD_KEYS = ["../../up", "/etc/x", "a//b", ".", "\u00fc" * 101, "", "a\nb", "\x1b[31mred", "x" * 201]


@pytest.mark.parametrize("key", [*RESERVED_KEYS, *ODD_KEYS])
def test_a_result_may_not_be_named_as_a_column_of_ours_or_break_a_table(key: str) -> None:
    with pytest.raises(RunError, match="^metric Fixed: a result named") as e:
        run(Fixed({key: ([1.0, 2.0], 1.5)}))
    assert str(e.value).isprintable() and len(str(e.value)) < 500


@pytest.mark.parametrize("result", [None, [1.0], {"m": 0.5}, {"m": (None,)}, {"m": (None, "good")}, {"m": (3, 1.0)}])
def test_a_result_of_another_shape_is_one_line(result: Any) -> None:
    with pytest.raises(RunError, match="expected"):
        run(Fixed(result))


def test_numbers_of_any_kind_are_numbers() -> None:
    scores = [np.float32(0.5), torch.tensor([1.0])]
    result = run(Fixed({7: (scores, torch.tensor(0.75)), "b": (np.array([True, False]), True)}))  # type: ignore[dict-item]
    assert result.metrics == {"7": 0.75, "b": 1.0}
    assert result.per_sample == {"7": [0.5, 1.0], "b": [1.0, 0.0]}
    json.dumps(result.predictions, allow_nan=False)


def test_a_name_that_the_evaluation_gives_itself_is_not_overwritten() -> None:
    result = run(Fixed({"reward": (None, 0.5)}))
    with pytest.raises(RunError, match='a metric gives "reward", which the evaluation gives itself'):
        result.with_scores("reward", [0.25, 0.75])


@pytest.mark.parametrize("text", [None, 5, ["a"]])
def test_a_generation_is_text(text: Any) -> None:
    with pytest.raises(RunError, match="a post-processor must return text"):
        run(generator=lambda samples: ["fine", text])


class Leaves(BaseMetric):
    def compute(self, *args: Any, **kwargs: Any) -> Any:
        raise SystemExit(0)


def test_a_metric_that_raises_is_named() -> None:
    with pytest.raises(RunError, match=r"^metric Leaves: raised SystemExit \(0\), at test_evaluator.py, line"):
        run(Leaves())
