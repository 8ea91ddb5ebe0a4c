"""Slow because `import evaluate` alone takes several seconds."""

from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry
from tests.metrics.conftest import random_pairs

pytestmark = pytest.mark.slow
MODULE = Path(__file__).resolve().parents[2] / "rl4lms" / "metrics" / "evaluate_module.py"

LENGTHS = """
import datasets
import evaluate

class Lengths(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=datasets.Features({"predictions": text, "references": REFERENCES}),
        )

    def _compute(self, predictions, references, factor=1):
        lengths = [factor * len(p) for p in predictions]
        seen = [r if isinstance(r, str) else "|".join(r) for r in references]
        return {"lengths": lengths, "total": sum(lengths), "first": seen[0], "nan": float("nan")}
"""


@pytest.fixture
def lengths(tmp_path: Path) -> Any:
    def write(references: str) -> str:
        path = tmp_path / "lengths.py"
        path.write_text(LENGTHS.replace("REFERENCES", references))
        return str(path)

    return write


@pytest.mark.parametrize("references", ["text", "datasets.Sequence(text)"])
def test_a_metric_of_evaluate_as_ours(lengths: Any, references: str) -> None:
    metric = MetricRegistry.get("evaluate", {"path": lengths(references), "compute_args": {"factor": 2}})
    result = metric.compute(None, ["a", "bbb"], [["x", "y"], ["z"]])
    assert result == {"evaluate/lengths/lengths": ([2.0, 6.0], 4.0), "evaluate/lengths/total": (None, 8.0)}


def test_keys_and_errors(lengths: Any, tmp_path: Path) -> None:
    path = lengths("text")
    metric = MetricRegistry.get("evaluate", {"path": path, "key": "total"})
    assert metric.compute(None, ["abc"], [["x"]]) == {"evaluate/lengths/total": (None, 3.0)}
    for key, message in (("totals", 'Did you mean "total"'), ("first", "no number"), ("nan", "no number")):
        with pytest.raises(ConfigError, match=message):
            MetricRegistry.get("evaluate", {"path": path, "key": key}).compute(None, ["a"], [["x"]])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        MetricRegistry.get("evaluate", {"path": str(tmp_path / "absent.py")})


def test_our_metrics_as_evaluates(lengths: Any) -> None:
    import evaluate

    from rl4lms.metrics.evaluate_module import RL4LMsMetric

    texts, references = random_pairs(6, seed=12, references=3)
    for name in ("meteor", "rouge_l_max", "sacre_bleu"):
        ours = MetricRegistry.get(name).compute(None, texts, references)
        loaded = evaluate.load(str(MODULE), config_name=name)
        for metric in (loaded, RL4LMsMetric(name)):
            assert metric.compute(predictions=texts, references=references) == {k: v for k, (_, v) in ours.items()}
    single = RL4LMsMetric("rouge").compute(predictions=["a b"], references=["a c"], per_text=True)
    assert single["lexical/rouge_rouge1"] == 0.5
    assert single["lexical/rouge_rouge1/per_text"] == [0.5]


def test_round_trip_through_both(lengths: Any) -> None:
    metric = MetricRegistry.get("evaluate", {"path": str(MODULE), "config_name": "chrf"})
    texts, references = random_pairs(5, seed=13, references=2)
    (value,) = metric.compute(None, texts, references).values()
    (expected,) = MetricRegistry.get("chrf").compute(None, texts, references).values()
    assert value == (None, expected[1])
