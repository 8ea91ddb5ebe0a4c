"""Which items a study has: drawn from a seed, blind, balanced; and its key."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.crowd.study import Study, make_study

from .conftest import METHODS, predictions, row


def study(kind: str = "pairwise", **changes: Any) -> Study:
    given: dict[str, Any] = {"n_samples": 8, "per_page": 5, "seed": 0} | changes
    by_method = given.pop("predictions", None) or predictions("imdb")
    return make_study(kind, given.pop("task", "imdb"), by_method, **given)


def test_every_method_of_every_drawn_sample_is_rated_once() -> None:
    items = study("likert").items
    assert len({item.sample_id for item in items}) == 8
    assert Counter(item.methods for item in items) == {(method,): 8 for method in METHODS}
    assert [item.id for item in items] == [f"i{n:03}" for n in range(1, 25)]
    assert Counter(item.page for item in items) == {1: 5, 2: 5, 3: 5, 4: 5, 5: 4}


def test_every_two_methods_meet_on_every_sample_and_each_comes_first_half_of_the_time() -> None:
    items = study().items
    shown = Counter(item.methods for item in items)
    assert len(shown) == 6 and set(shown.values()) == {4}
    assert len({(item.sample_id, frozenset(item.methods)) for item in items}) == len(items) == 24


def test_a_baseline_meets_each_other_method_alone() -> None:
    pairs = {frozenset(item.methods) for item in study(baseline="ppo").items}
    assert pairs == {frozenset({"ppo", "nlpo"}), frozenset({"ppo", "supervised"})}


def test_the_seed_alone_decides_samples_and_order() -> None:
    assert study() == study()
    assert study().digest != study(seed=1).digest
    first = [(item.sample_id, item.methods) for item in study().items]
    assert first != [(item.sample_id, item.methods) for item in study(seed=1).items]
    assert [sample for sample, _ in first] != sorted(sample for sample, _ in first)


def test_equal_texts_are_nobodys_question() -> None:
    rows = {"a": [row(i, "p", "same" if i < 3 else "one") for i in range(5)]}
    rows["b"] = [row(i, "p", " same\n" if i < 3 else "two") for i in range(5)]
    made = study(predictions=rows)
    assert sorted(item.sample_id for item in made.items) == ["test_3", "test_4"]
    assert made.equal == tuple((f"test_{i}", "a", "b") for i in range(3))
    with pytest.raises(DataError, match="equal texts for every sample; there is nothing to choose"):
        study(predictions={"a": rows["a"], "b": rows["a"]})


def test_samples_that_a_method_lacks_are_not_used() -> None:
    rows = predictions("imdb")
    rows["ppo"] = rows["ppo"][4:]
    assert set(study("likert", predictions=rows, n_samples=None).samples) == {f"test_{i}" for i in range(4, 12)}
    with pytest.raises(DataError, match=r"a, b: no sample_id in common; expected predictions of the same split\."):
        study(predictions={"a": [row(0, "p", "x")], "b": [row(1, "p", "y")]})
    with pytest.raises(DataError, match=r"sample test_0: b and a have other prompts; expected the same data\."):
        study(predictions={"a": [row(0, "p", "x")], "b": [row(0, "q", "y")]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "imdbb"}, '--task: unknown task "imdbb". Did you mean "imdb"?'),
        ({"predictions": {"a": [row(0, "p", "x")]}}, "pairs need the predictions of two methods or more"),
        ({"per_page": 0}, "--per-page and --samples must be at least 1"),
        ({"n_samples": 0}, "--per-page and --samples must be at least 1"),
        ({"baseline": "pppo"}, "--baseline pppo: expected, for pairs, one of the methods given"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        study(**changes)
    assert message in str(error.value)


def test_the_key_reads_back_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    path, made = tmp_path / "key.json", study()
    path.write_text(json.dumps(made.to_dict()))
    assert Study.read(path) == made
    content = made.to_dict()
    content["items"][0]["methods"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="key.json: changed since the pages were made"):
        Study.read(path)
    for broken in ([], {"study": "x"}, {**made.to_dict(), "items": [1]}):
        path.write_text(json.dumps(broken))
        with pytest.raises(DataError, match="key.json: not the key of a study"):
            Study.read(path)
