import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import lib_ter

from rl4lms.metrics import ter
from rl4lms.metrics.ter import distance_and_trace, edit_distances, edit_rate, matching_runs

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


@settings(max_examples=100, deadline=None)
@given(words, words, st.data())
def test_runs_with_an_error_are_those_of_all_that_hold_one(a: list[str], b: list[str], data: st.DataObject) -> None:
    flags = [data.draw(st.lists(st.integers(0, 1), min_size=len(text), max_size=len(text))) for text in (a, b)]
    expected = [
        (start, other, n)
        for start, other, n in lib_ter._find_shifted_pairs(a, b)
        if any(flags[0][start : start + n]) and any(flags[1][other : other + n])
    ]
    assert list(matching_runs(a, b, *flags)) == expected


@settings(max_examples=150, deadline=None)
@given(words, words.filter(len))
def test_distance_and_edits_are_sacrebleus(hypothesis: list[str], reference: list[str]) -> None:
    assert distance_and_trace(hypothesis, reference) == lib_ter.BeamEditDistance(reference)(hypothesis)


@pytest.mark.parametrize(("n_hypothesis", "n_reference"), [(60, 60), (200, 40), (40, 200), (3, 190), (190, 3), (0, 5)])
def test_distance_and_edits_are_sacrebleus_beyond_the_beam(n_hypothesis: int, n_reference: int) -> None:
    rng = random.Random(n_hypothesis)
    for vocabulary in (1, 3, 50):
        hypothesis, reference = ([rng.randrange(vocabulary) for _ in range(n)] for n in (n_hypothesis, n_reference))
        expected = lib_ter.BeamEditDistance(reference)(hypothesis)  # type: ignore[arg-type]
        assert distance_and_trace(hypothesis, reference) == expected


def test_the_search_ends_after_so_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the shifts that were found count, and the distance that is left. A short pair never gets there."""
    reference = [f"w{i}" for i in range(20)]
    hypothesis = [*reference[15:], *reference[5:15], *reference[:5], "x"]
    whole = edit_rate(hypothesis, reference)
    assert whole == lib_ter.translation_edit_rate(hypothesis, reference)
    found = []
    for limit in (0, 21, 42, 63, 84):
        monkeypatch.setattr(ter, "MAX_WORDS_READ", limit)
        found.append(edit_rate(hypothesis, reference))
    assert found[0] == (lib_ter.BeamEditDistance(reference)(hypothesis)[0], 20)
    assert found[0] > found[-1] == whole and found == sorted(found, reverse=True)


def test_repeated_words_are_not_matched_with_each_other() -> None:
    """Every one of 20,000 equal words was compared with a hundred: 13 s. No run of them holds an error of both."""
    assert list(matching_runs([7] * 20_000, [7] * 10_000, [1] * 20_000, [0] * 10_000)) == []
    assert edit_rate(["the"] * 2000, ["the"] * 1000) == (1000, 1000)
