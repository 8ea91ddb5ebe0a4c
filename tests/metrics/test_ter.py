import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import lib_ter

from rl4lms.metrics.ter import edit_distances, edit_rate, matching_runs

words = st.lists(st.sampled_from(["a", "b", "c", "dd"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(words, words)
def test_equals_sacrebleu_on_any_words(hypothesis: list[str], reference: list[str]) -> None:
    assert edit_rate(hypothesis, reference) == lib_ter.translation_edit_rate(hypothesis, reference)


@pytest.mark.parametrize(("n_hypothesis", "n_reference"), [(20, 20), (40, 9), (9, 40), (3, 90), (90, 3)])
def test_equals_sacrebleu_where_beam_and_candidate_limit_bite(n_hypothesis: int, n_reference: int) -> None:
    rng = random.Random(n_hypothesis)
    for vocabulary in (3, 20):
        reference = [str(rng.randrange(vocabulary)) for _ in range(n_reference)]
        hypothesis = [str(rng.randrange(vocabulary)) for _ in range(n_hypothesis)]
        if n_hypothesis == n_reference:
            hypothesis = rng.sample(reference, n_reference)  # garbage that a thousand shifts do not repair
        assert edit_rate(hypothesis, reference) == lib_ter.translation_edit_rate(hypothesis, reference)


def test_examples_by_hand() -> None:
    assert edit_rate(["a", "b", "c"], ["a", "b", "c"]) == (0, 3)
    assert edit_rate(["c", "a", "b"], ["a", "b", "c"]) == (1, 3)  # one shift
    assert edit_rate(["a", "x", "c", "d"], ["a", "b", "c"]) == (2, 3)  # a substitution and a deletion
    assert edit_rate([], ["a", "b"]) == (2, 2)
    assert edit_rate(["a", "b"], []) == (2, 0)


def levenshtein(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return levenshtein(a[1:], b[1:])
    return 1 + min(levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:]))


def test_edit_distances_are_levenshteins_within_the_beam() -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 3, 6).astype(np.int32)
    hypotheses = rng.integers(0, 3, (20, 5)).astype(np.int32)
    expected = [levenshtein(tuple(h), tuple(reference)) for h in hypotheses.tolist()]
    assert edit_distances(hypotheses, reference).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(words, words)
def test_matching_runs_are_sacrebleus_in_its_order(hypothesis: list[str], reference: list[str]) -> None:
    assert list(matching_runs(hypothesis, reference)) == list(lib_ter._find_shifted_pairs(hypothesis, reference))


def test_matching_runs_stay_within_distance_and_size() -> None:
    rng = random.Random(0)
    hypothesis, reference = ([rng.randrange(3) for _ in range(n)] for n in (130, 90))
    reference[20:35] = hypothesis[40:55]
    assert list(matching_runs(hypothesis, reference)) == list(lib_ter._find_shifted_pairs(hypothesis, reference))
