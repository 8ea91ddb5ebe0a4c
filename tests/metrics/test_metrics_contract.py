"""What every metric of texts must hold, whatever it measures."""

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl4lms.core.errors import DataError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.base import BaseMetric, mean
from tests.metrics.cases import CASES
from tests.metrics.conftest import random_pairs

TEXT_METRICS: dict[str, dict[str, Any]] = {
    name: case.args for name, case in CASES.items() if name not in ("parent_totto", "bleu_totto")
}
PER_TEXT = sorted(set(TEXT_METRICS) - {"diversity", "cider"})
UNBOUNDED = {"ter", "diversity", "cider"}


@pytest.fixture(params=sorted(TEXT_METRICS))
def metric(request: pytest.FixtureRequest) -> BaseMetric:
    built: BaseMetric = MetricRegistry.get(request.param, TEXT_METRICS[request.param])
    return built


WEIRD = ["", " ", "\n", "...", "東京 タワー", "a" * 300, "\u0000\u200b", "<null> <skipped> &amp;", "I I I I I I I I"]


def test_weird_texts_are_finite_and_in_range(metric: BaseMetric) -> None:
    for references in ([[w] for w in WEIRD], [[w, ""] for w in WEIRD[::-1]], [[""] for _ in WEIRD]):
        for scores, value in metric.compute(None, WEIRD, references).values():
            assert isinstance(value, float)
            assert math.isfinite(value)
            assert scores is None or (len(scores) == len(WEIRD) and all(map(math.isfinite, scores)))
            if getattr(metric, "name", "") not in UNBOUNDED:
                assert -1e-9 <= value <= 1 + 1e-9
                assert scores is None or all(-1e-9 <= s <= 1 + 1e-9 for s in scores)


@pytest.mark.parametrize("name", PER_TEXT)
def test_permutation_and_one_by_one(name: str) -> None:
    metric = MetricRegistry.get(name, TEXT_METRICS[name])
    texts, references = random_pairs(16, seed=11, references=2, lines=2)
    texts, references = texts + texts[:2], references + references[:2]  # repeated samples score alike
    result = metric.compute(None, texts, references)
    reverse = metric.compute(None, texts[::-1], references[::-1])
    for key, (scores, value) in result.items():
        assert scores is not None
        assert reverse[key][0] == scores[::-1]
        assert reverse[key][1] == pytest.approx(value, abs=1e-12)
        assert scores[-2:] == scores[:2]
        alone = [metric.compute(None, [t], [r])[key] for t, r in zip(texts, references, strict=True)]
        assert [own for (own,), _ in alone] == scores
        assert [own for _, own in alone] == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("name", sorted({"meteor", "rouge", "rouge_l_max", "bleu", "sacre_bleu", "chrf"}))
@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=40), reference=st.text(max_size=40))
def test_any_unicode_pair(name: str, text: str, reference: str) -> None:
    result = MetricRegistry.get(name, TEXT_METRICS[name]).compute(None, [text], [[reference]])
    assert all(-1e-9 <= value <= 1 + 1e-9 for _, value in result.values())


@pytest.mark.parametrize("name", ["meteor", "rouge", "rouge_l_max", "bleu", "sacre_bleu", "chrf"])
def test_a_copy_scores_best(name: str) -> None:
    metric = MetricRegistry.get(name, TEXT_METRICS[name])
    for copied, changed in ((("the old man sat down"), ("the old man stood up")),):
        good, bad = (next(iter(metric.compute(None, [t], [[copied]]).values()))[1] for t in (copied, changed))
        assert good > 0.99 > bad


def test_no_texts_is_an_error(metric: BaseMetric) -> None:
    with pytest.raises(DataError, match="no texts"):
        metric.compute([], [], [])


def test_mean_is_correctly_rounded() -> None:
    assert mean([1e16, 1.0, -1e16, 1.0]) == 0.5
    with pytest.raises(ValueError, match="no scores"):
        mean([])


def test_scoring_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry\n"
        f"for name, args in {TEXT_METRICS!r}.items():\n"
        "    MetricRegistry.get(name, args).compute(None, ['a b'], [['a c']])\n"
        "RewardFunctionRegistry.get('meteor', {'shaping_fn': 'common_gen_repeat_penalty'})\n"
        "import rl4lms.metrics.learned, rl4lms.metrics.perplexity, rl4lms.rewards.learned\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_published_face() -> None:
    from rl4lms.envs.text_generation import metric as face

    assert face.MeteorMetric().compute(None, ["a"], [["a"]])
    assert face.chrFmetric.name == "chrf"
    assert issubclass(face.ParentToTTo, face.BaseMetric)
    published = """BERTScoreMetric BLEUMetric BLEURTMetric BLEUToTTo CIDERMetric DiversityMetrics Perplexity RougeLMax
        IntentAccuracyDailyDialog LearnedRewardMetric RougeMetric SacreBLEUMetric SpiceMetric SummaCConvMetric
        SummaCZSMetric TERMetric""".split()
    assert all(issubclass(getattr(face, name), face.BaseMetric) for name in published)
