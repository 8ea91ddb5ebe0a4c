from __future__ import annotations

import random
from collections import deque
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool, check_samples


def pool(n: int) -> TextGenPool:
    return TextGenPool([Sample(id=str(i), prompt_or_input_text=f"p{i}", references=[]) for i in range(n)])


def test_items_are_samples_with_weight_one() -> None:
    sample, weight = pool(3)[2]
    assert (sample.id, sample.meta_data, weight) == ("2", None, 1.0)
    assert len(pool(3)) == 3
    assert [s.id for s, _ in pool(3)] == ["0", "1", "2"]
    with pytest.raises(IndexError):
        pool(3)[3]


def test_split_is_consecutive_and_rounds_down() -> None:
    ids = [[s.id for s, _ in part] for part in pool(10).split([0.5, 0.25, 0.25])]
    assert ids == [list("01234"), list("56"), list("78")]
    assert [len(part) for part in pool(100).split([0.29, 0.71])] == [29, 71]  # 100 * 0.29 < 29 in floating point


def test_split_keeps_the_class_and_refuses_bad_ratios() -> None:
    class Mine(TextGenPool):
        pass

    assert isinstance(Mine(pool(4)._samples).split([0.5])[0], Mine)
    for ratios in ([0.8, 0.3], [-0.1]):
        with pytest.raises(ConfigError, match="split_ratios"):
            pool(4).split(ratios)


def test_sample_is_deterministic_covers_the_pool_and_leaves_the_global_generator_alone() -> None:
    random.seed(0)
    before = random.getstate()
    first, second = pool(5), pool(5)
    draws = [first.sample().id for _ in range(100)]
    assert draws == [second.sample().id for _ in range(100)]
    assert set(draws) == set("01234")
    assert random.getstate() == before


def test_prepare_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="TextGenPool"):
        TextGenPool.prepare("train")


class Hollow:
    id = "h"
    prompt_or_input_text = "p"


WRONG = [
    (Sample("a", None, []), "prompt_or_input_text is None, expected str"),  # type: ignore[arg-type]
    (Sample("a", 5, []), "prompt_or_input_text is of type int"),  # type: ignore[arg-type]
    (Sample("a", ["p"], []), "prompt_or_input_text is of type list"),  # type: ignore[arg-type]
    (Sample("a", b"p", []), "prompt_or_input_text is of type bytes"),  # type: ignore[arg-type]
    (Sample("a", "p\ud800", []), r"prompt_or_input_text is a str that holds half a character"),
    (Sample("a", "p", "reference"), "references is one str, expected a list of str"),  # type: ignore[arg-type]
    (Sample("a", "p", None), "references is None, expected a list of str"),  # type: ignore[arg-type]
    (Sample("a", "p", ["r", None]), r"references\[1\] is None, expected str"),  # type: ignore[list-item]
    (Sample("a", "p", {"r"}), "references is of type set, expected a list of str"),  # type: ignore[arg-type]
    (Sample("a", "p", {"r": 1}), "references is of type dict, expected a list of str"),  # type: ignore[arg-type]
    (Sample("a", "p", np.array([1, 2])), r"references\[0\] is of type int64, expected str"),  # type: ignore[arg-type]
    (Sample("a", "p", np.array("r")), "references is of type ndarray, expected a list"),  # type: ignore[arg-type]
    (Sample(None, "p", []), "id is None, expected str"),  # type: ignore[arg-type]
    (Sample(True, "p", []), "id is of type bool, expected str"),  # type: ignore[arg-type]
    (Sample(np.True_, "p", []), "id is of type bool"),  # type: ignore[arg-type]
    (Sample(1.5, "p", []), "id is of type float, expected str"),  # type: ignore[arg-type]
    (Hollow(), "an object of type Hollow, expected a Sample"),
]


@pytest.mark.parametrize(("sample", "fault"), WRONG)
def test_a_sample_of_another_shape_is_named(sample: object, fault: str) -> None:
    good = Sample("g", "é", ["r", ""], {"k": 1})
    with pytest.raises(DataError, match=rf"^datapool mine: item 1, sample .*: ({fault})"):
        check_samples([(good, 1.0), (sample, 1.0)], "datapool mine")


@pytest.mark.parametrize(
    "references", [("r", "s"), np.array(["r", "s"]), np.array(["r", "s"], dtype=object), deque(["r", "s"])]
)
@pytest.mark.parametrize("meta_data", [["meta"], ("a", 1), MappingProxyType({"k": 1}), "text", np.ones(2)])
def test_rows_of_arrays_are_made_plain(references: Any, meta_data: Any) -> None:
    sample = Sample(np.int64(7), "p", references, meta_data)  # type: ignore[arg-type]
    check_samples([(sample, 1.0)], "mine")
    assert sample.references == ["r", "s"] and [type(text) for text in sample.references] == [str, str]
    assert sample.id == 7 and type(sample.id) is int
    assert sample.meta_data is meta_data


def test_what_pools_yield_is_accepted_and_a_bare_sample_is_not() -> None:
    good = [Sample("g", "", []), Sample(7, "p", ("r",), {}), Sample("h", "p", ["r"], None)]  # type: ignore[arg-type]
    check_samples(TextGenPool(good), "mine")
    with pytest.raises(DataError, match=r"mine: item 0 is of type Sample, expected \(Sample, weight\)"):
        check_samples(good, "mine")
