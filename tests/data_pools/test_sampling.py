from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from rl4lms.core.errors import ConfigError
from rl4lms.core.seeding import numpy_generator
from rl4lms.data_pools import sampling
from rl4lms.data_pools.sampling import PromptSampler, weights_of
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


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


# Released results depend on these draws.
PINNED = [
    (2000, 0, 0, [1057, 1038, 1229, 1110, 688, 1403, 377]),
    (2000, 3, 5, [252, 403, 193, 624, 374, 367, 969]),
    (1200, 1, 2, [1022, 193, 1190, 748, 874, 1028, 276]),
    (300_000, 7, 1, [153453, 103125, 224282, 111444, 290496, 198503, 209480]),
]


@pytest.mark.parametrize(("n", "seed", "iteration", "expected"), PINNED)
def test_uniform_draws_are_those_of_released_results(n: int, seed: int, iteration: int, expected: list[int]) -> None:
    assert PromptSampler(np.ones(n), seed).indices(iteration, [0, 1, 2, 3, 255, 256, 600]) == expected


@pytest.mark.parametrize("n", [1, 7, 1200, 2000])
def test_uniform_draws_are_the_whole_part_of_the_number_times_the_size(n: int) -> None:
    sampler = PromptSampler(np.full(n, 3.0), seed=5, priority_scale=2.0)
    uniform = np.concatenate([numpy_generator(5, "prompt", 9, block).random(256) for block in range(40)])
    assert sampler.indices(9, range(256 * 40)) == np.floor(uniform * n).astype(int).tolist()


class LargestNumber:
    """Stands for a generator that draws the largest number below 1."""

    def random(self, n: int) -> NDArray[np.float64]:
        return np.full(n, np.nextafter(1.0, 0.0))


@pytest.mark.parametrize("weights", [[0.1] * 10 + [0.0] * 5, [1e300] * 3 + [0.0], [1.0] * 10 + [1e-17, 0.0]])
def test_rounding_draws_no_sample_of_weight_zero(weights: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "numpy_generator", lambda *keys: LargestNumber())
    drawn = PromptSampler(weights, seed=0, priority_scale=1.0).index(0, 0)
    assert weights[drawn] > 0


def test_weights_of_pools_and_pairs() -> None:
    samples = [Sample(str(i), "p", []) for i in range(3)]

    class Favourites(TextGenPool):
        def __getitem__(self, ix: int) -> tuple[Sample, float]:
            return self._samples[ix], ix / 2

    assert weights_of(TextGenPool(samples)).tolist() == [1.0, 1.0, 1.0]
    assert weights_of(Favourites(samples)).tolist() == [0.0, 0.5, 1.0]
    assert weights_of([(sample, 2.0) for sample in samples]).tolist() == [2.0, 2.0, 2.0]


def test_a_weighted_draw_from_300_000_takes_less_than_20_microseconds() -> None:
    sampler = PromptSampler(np.arange(1.0, 300_001), seed=0, priority_scale=1.0)
    started = time.process_time()
    for iteration in range(40):
        sampler.indices(iteration, range(1024))
    assert (time.process_time() - started) / 40_960 < 20e-6  # a scan of the weights would take 300
