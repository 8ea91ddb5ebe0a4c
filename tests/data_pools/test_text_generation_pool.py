from __future__ import annotations

import random

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


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
