from __future__ import annotations

import time

import numpy as np
import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.sampling import PromptSampler


def test_a_draw_is_a_pure_function_of_seed_iteration_and_episode() -> None:
    sampler, again = PromptSampler([1.0] * 1000, seed=3), PromptSampler([1.0] * 1000, seed=3)
    whole = sampler.indices(2, range(600))
    assert again.indices(2, range(599, -1, -1)) == whole[::-1]  # order, batches and earlier draws do not matter
    assert [i for start in range(0, 600, 7) for i in again.indices(2, range(start, min(start + 7, 600)))] == whole
    assert again.index(2, 511) == whole[511]
    assert sampler.indices(3, range(600)) != whole
    assert PromptSampler([1.0] * 1000, seed=4).indices(2, range(600)) != whole


def test_scale_zero_is_uniform_whatever_the_weights() -> None:
    sampler = PromptSampler([0.0, 1.0, 5.0, 9.0], seed=0)
    counts = np.bincount(sampler.indices(0, range(40_000)), minlength=4)
    # chi-square with 3 degrees of freedom: 16.3 is exceeded once in 1,000
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 16.3


def test_probability_is_weight_to_the_scale() -> None:
    weights = np.array([1.0, 0.0, 2.0, 3.0])
    sampler = PromptSampler(weights, seed=1, priority_scale=2.0)
    counts = np.bincount(sampler.indices(5, range(28_000)), minlength=4)
    expected = 28_000 * weights**2 / 14
    assert counts[1] == 0
    assert ((counts - expected)[[0, 2, 3]] ** 2 / expected[[0, 2, 3]]).sum() < 13.8  # 2 degrees of freedom


def test_last_index_is_never_a_weight_of_zero() -> None:
    sampler = PromptSampler([0.1] * 10 + [0.0] * 5, seed=0, priority_scale=1.0)
    assert max(sampler.indices(0, range(20_000))) == 9


def test_bad_weights() -> None:
    for weights, scale in (([], 0.0), ([0.0, 0.0], 1.0), ([1.0, -1.0], 1.0), ([1.0, float("nan")], 1.0), ([0.0], -1.0)):
        with pytest.raises(ConfigError, match="prompt sampler"):
            PromptSampler(weights, seed=0, priority_scale=scale)


def test_a_draw_from_300_000_takes_less_than_20_microseconds() -> None:
    sampler = PromptSampler(np.ones(300_000), seed=0)
    started = time.process_time()
    for iteration in range(10):
        sampler.indices(iteration, range(1000))
    assert (time.process_time() - started) / 10_000 < 20e-6
