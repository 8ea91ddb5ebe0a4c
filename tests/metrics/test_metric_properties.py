"""Properties of every metric that needs no model, on any samples: hypothesis draws texts, references and prompts."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl4lms.core.errors import UserError
from rl4lms.core.tables import MetricRegistry
from tests.metrics.cases import CASES, NEED_A_MODEL, NEED_A_PROGRAM, PER_TEXT, build
from tests.metrics.conftest import WORDS
from tests.metrics.test_table import row


class Drawn(NamedTuple):
    """One sample."""

    prompt: str
    text: str
    references: list[str]
    overlap: bool


_WORD = st.sampled_from([*WORDS, "the", "cat", "2022-10-03", "7", "Mr.", "U.S.", "''", "&amp;", "(", "€", "東京", "é"])
_SENTENCE = st.lists(_WORD, max_size=12).map(" ".join)
_TEXT = st.one_of(
    st.just(""), _SENTENCE, st.text(max_size=30), st.sampled_from(["\n", " \t ", "...", "<null>", "a\nb c"])
)
_SAMPLE = st.builds(
    Drawn, st.sampled_from(["p", "q"]), _TEXT, st.lists(_TEXT, min_size=1, max_size=3), st.booleans()
)  # two prompts, so that they repeat
_SAMPLES = st.lists(_SAMPLE, min_size=1, max_size=5)
_HYPOTHESIS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY = pytest.mark.parametrize("name", sorted(CASES))


def compute(metric: Any, samples: Sequence[Drawn]) -> dict[str, tuple[list[float] | None, float]]:
    tables = [
        {"raw_table": row(sentence_annotations=[{"final_sentence": r} for r in s.references], overlap_subset=s.overlap)}
        for s in samples
    ]
    columns = ([s.prompt for s in samples], [s.text for s in samples], [s.references for s in samples])
    result: dict[str, tuple[list[float] | None, float]] = metric.compute(*columns, tables)
    return result


def test_every_registered_metric_is_tried_here_or_needs_more_than_texts() -> None:
    """A metric that is added to the registry joins one of these lists."""
    assert set(MetricRegistry.table.ids()) - NEED_A_MODEL - NEED_A_PROGRAM == set(CASES)


@EVERY
@_HYPOTHESIS
@given(samples=_SAMPLES)
def test_scores_are_finite_and_in_range(name: str, samples: list[Drawn]) -> None:
    case = CASES[name]
    for key, (scores, value) in compute(build(name), samples).items():
        for number in (value, *(scores or [])):
            assert type(number) is float, key
            assert math.isfinite(number), key
            assert case.lower <= number <= case.upper, key
        assert scores is None or len(scores) == len(samples)


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if math.isfinite(case.upper)))
@_HYPOTHESIS
@given(words=st.lists(_WORD, min_size=4, max_size=40), n=st.integers(1, 3))
def test_a_perfect_text_is_not_better_than_perfect(name: str, words: list[str], n: int) -> None:
    """Sums of logarithms made sacrebleu's BLEU 1.0000000000000004 of a text that is its reference."""
    case, text = CASES[name], " ".join(words)
    for scores, value in compute(build(name), [Drawn("p", text, [text], True)] * n).values():
        assert all(case.lower <= number <= case.upper for number in (value, *(scores or [])))


@EVERY
@_HYPOTHESIS
@given(samples=_SAMPLES, data=st.data())
def test_order_permutes_the_texts_scores_and_keeps_the_sets(name: str, samples: list[Drawn], data: Any) -> None:
    order = data.draw(st.permutations(range(len(samples))))
    metric = build(name)
    before, after = compute(metric, samples), compute(metric, [samples[i] for i in order])
    assert set(before) == set(after)
    for key, (scores, value) in before.items():
        moved, other = after[key]
        assert (moved is None) == (scores is None)
        assert moved is None or scores is None or moved == [scores[i] for i in order]
        assert key in CASES[name].by_order or other == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", PER_TEXT)
@_HYPOTHESIS
@given(samples=_SAMPLES)
def test_a_text_scores_alike_alone_and_in_any_set(name: str, samples: list[Drawn]) -> None:
    """Repeated prompts and repeated samples included: the set holds each of them twice."""
    metric = build(name)
    together = {key: scores for key, (scores, _) in compute(metric, samples * 2).items() if scores is not None}
    assert together
    for i, sample in enumerate(samples):
        alone = compute(metric, [sample])
        for key, scores in together.items():
            assert alone[key][0] == [scores[i]] == [scores[i + len(samples)]]
            assert alone[key][1] == pytest.approx(scores[i], abs=1e-12)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"increasing_numbers", "dates", "diversity"}))
def test_what_is_missing_is_one_clear_error(name: str) -> None:
    metric = build(name)
    for columns in (
        ([], [], [], []),
        (None, ["a"], None, None),
        (None, ["a", "b"], [["a"]], [{"raw_table": row()}]),
        (None, ["a"], ["a"], [None]),
        (None, ["a"], [[]], [{}]),
    ):
        with pytest.raises(UserError) as caught:
            metric.compute(*columns)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(f"metric {metric.name}: ")


LONG = [("ter", 1), ("rouge", 400)]  # 7 and 20 CPU-seconds; the others take less than one
LONG_TEXTS = [
    pytest.param(name, lines, marks=pytest.mark.long if (name, lines) in LONG else pytest.mark.slow)
    for name in sorted(CASES)
    for lines in ((1, 400) if name in ("rouge", "rouge_l_max", "meteor") else (1,))
]


@pytest.mark.parametrize(("name", "lines"), LONG_TEXTS)
def test_texts_of_ten_thousand_words(name: str, lines: int) -> None:
    rng = random.Random(0)
    vocabulary = [*WORDS, *(f"word{i}" for i in range(2000)), "12", "Mr.", "東京"]

    def text() -> str:
        words = [rng.choice(vocabulary) + rng.choice(["", "", "", ".", ","]) for _ in range(10_000)]
        size = len(words) // lines
        return "\n".join(" ".join(words[i : i + size]) for i in range(0, len(words), size))

    case = CASES[name]
    for scores, value in compute(build(name), [Drawn("p", text(), [text()], True)]).values():
        assert all(case.lower <= number <= case.upper for number in (value, *(scores or [])))


GARBAGE = {
    "one word": "the " * 2000,
    "two words": "the cat " * 1000,
    "two words turned": "cat the " * 700,
    "one letter": "a" * 4000,
    "one word and a name": "the " * 1000 + "Oslo " + "the " * 999,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_garbage_costs_no_more_than_text(name: str) -> None:
    """In CPU-seconds, with room: repeated words took TER 13 s a text of 20,000 words, where all of them match all."""
    metric, texts = build(name), list(GARBAGE.values())
    samples = [Drawn("p", text, [reference], True) for text in texts for reference in [*texts, "the cat sat on Oslo"]]
    start = time.process_time()
    compute(metric, samples)
    assert time.process_time() - start < 30, "30 pairs of 2,000 words"
