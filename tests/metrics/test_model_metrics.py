"""What the metrics that ask a neural model must hold, whatever the text; test_metrics_contract.py has the others."""

import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from rl4lms.core.errors import DataError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.base import BaseMetric
from tests.metrics.model_files import WORDS
from tests.metrics.test_summac import head_state

pytest.importorskip("bert_score", reason="the extra bert is not installed")
pytest.importorskip("punkt", reason="the extra summac is not installed")

RANGES = {
    "bert_score": (-1.0, 1.0), "bleurt": (-math.inf, math.inf), "summaCZS": (-1.0, 1.0), "summaCConv": (0.0, 1.0),
    "learned_reward": (0.0, 1.0),
}  # fmt: skip
Build = Callable[..., BaseMetric]
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.sampled_from(
        ["", " ", "\n\n", "\u0000\u200b", "東京 タワー は高い です", "w5 " * 500, "a" * 2000, "<EOU> [SEP] [CLS]"]
    ),
)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=4)
QUIET = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def build(
    encoder_dir: str, bert_regression_dir: str, nli_dir: str, classifier_dir: str, tmp_path_factory: Any
) -> Build:
    """build(id, batch_size=...) -> the metric on its tiny model."""
    head: Path = tmp_path_factory.mktemp("summac") / "head.safetensors"
    save_file(head_state(50), head)
    arguments: dict[str, dict[str, Any]] = {
        "bert_score": {"model_name": encoder_dir, "num_layers": 2},
        "bleurt": {"config_name": bert_regression_dir},
        "summaCZS": {"model_name": nli_dir, "granularity": "mixed-sentence"},
        "summaCConv": {"models": [nli_dir], "start_file": str(head)},
        "learned_reward": {"model_name": classifier_dir, "label_ix": 1},
    }

    def make(name: str, **more: Any) -> BaseMetric:
        metric: BaseMetric = MetricRegistry.get(name, {**arguments[name], "device": "cpu", **more})
        return metric

    return make


def scores(metric: BaseMetric, rows: list[tuple[str, str, list[str]]]) -> tuple[list[float], float]:
    prompts, texts, references = (list(column) for column in zip(*rows, strict=True))
    ((own, value),) = metric.compute(prompts, texts, references).values()
    assert own is not None and len(own) == len(rows)
    return own, value


@pytest.mark.parametrize("name", RANGES)
@QUIET
@given(rows=ROWS)
def test_any_texts_score_finitely_and_alike_alone(name: str, rows: Any, build: Build) -> None:
    metric = build(name)
    own, value = scores(metric, rows)
    low, high = RANGES[name]
    assert all(math.isfinite(score) and low - 1e-5 <= score <= high + 1e-5 for score in own)
    assert value == pytest.approx(math.fsum(own) / len(own), abs=1e-9)
    alone = [scores(metric, [row])[0][0] for row in rows]
    assert own == pytest.approx(alone, abs=1e-5)
    assert scores(metric, rows[::-1])[0] == pytest.approx(own[::-1], abs=1e-5)


def rows_of(n: int) -> list[tuple[str, str, list[str]]]:
    rng = random.Random(6)

    def text() -> str:
        return ". ".join(" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(rng.randint(1, 3)))

    return [(text(), text(), [text() for _ in range(rng.randint(1, 2))]) for _ in range(n)]


@pytest.mark.parametrize("name", RANGES)
def test_the_batch_size_moves_nothing(name: str, build: Build) -> None:
    rows = rows_of(15)
    own, _ = scores(build(name), rows)
    assert max(own) - min(own) > 1e-4
    for batch_size in (1, 4):
        assert scores(build(name, batch_size=batch_size), rows)[0] == pytest.approx(own, abs=1e-5)
    assert scores(build(name), rows * 2)[0] == pytest.approx(own * 2, abs=1e-5)


@pytest.mark.parametrize("name", RANGES)
def test_ten_thousand_words_are_cut(name: str, build: Build) -> None:
    long = ". ".join(" ".join(WORDS[i % 50 : i % 50 + 8]) for i in range(1250))
    row = rows_of(1)[0]
    (score,), _ = scores(build(name), [(long, long, [long])])
    assert math.isfinite(score)
    assert math.isfinite(scores(build(name), [(row[0], long, row[2])])[1])


@pytest.mark.parametrize("name", RANGES)
def test_no_texts_is_an_error(name: str, build: Build) -> None:
    with pytest.raises(DataError, match="no texts"):
        build(name).compute([], [], [])


def test_their_modules_import_nothing_heavy() -> None:
    """A configuration that names them is checked, and a registry read, without torch."""
    modules = "bert_score bleurt nli preference sentences summac"
    code = (
        "import importlib, sys\n"
        f"for name in {modules.split()!r}:\n"
        "    importlib.import_module('rl4lms.metrics.' + name)\n"
        "for name in ('learned', 'preference', 'spider'):\n"
        "    importlib.import_module('rl4lms.rewards.' + name)\n"
        "heavy = {'torch', 'transformers', 'bert_score', 'punkt', 'nltk', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
