"""Golden values of the numerical contract, slow independent definitions, and invariances."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer
from torch.testing import assert_close

from rl4lms.numerics.advantages import gae
from rl4lms.numerics.categorical import (
    action_logprobs,
    entropy,
    logprobs_and_entropy,
    masked_logits,
    sample_by_inverse_cdf,
)
from rl4lms.numerics.importance import effective_sample_size, mismatch, truncated_weights
from rl4lms.numerics.kl import kl_k1, kl_k2, kl_k3
from rl4lms.numerics.losses import clipped_policy_loss, value_loss
from rl4lms.numerics.masked import masked_mean, whiten
from rl4lms.numerics.packing import pack_bits, unpack_bits

T = torch.tensor
CLOSE = {"rtol": 0, "atol": 1e-6}


def one(rewards, values, bootstrap, gamma, lam):
    mask = torch.ones(1, len(rewards), dtype=torch.bool)
    advantages, returns = gae(T([rewards]), T([values]), mask, T([bootstrap]), gamma, lam)
    return advantages[0], returns[0]


@pytest.mark.parametrize(
    ("bootstrap", "gamma", "lam", "expected"),
    [
        (0.0, 0.9, 0.8, [0.12928, 0.374, 0.7]),
        (0.2, 0.9, 0.8, [0.222592, 0.5036, 0.88]),
        (0.0, 1.0, 0.95, [0.43675, 0.565, 0.7]),
    ],
)
def test_gae_golden(bootstrap, gamma, lam, expected):
    advantages, returns = one([0.0, 0.0, 1.0], [0.5, 0.4, 0.3], bootstrap, gamma, lam)
    assert_close(advantages, T(expected), **CLOSE)
    assert_close(returns, T(expected) + T([0.5, 0.4, 0.3]), **CLOSE)


def slow_gae(rewards, values, bootstrap, gamma, lam):
    """A_t = sum_k (gamma lam)^k delta_{t+k}, term by term."""
    n = len(rewards)
    following = [*values[1:], bootstrap]
    deltas = [rewards[t] + gamma * following[t] - values[t] for t in range(n)]
    return [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]


ragged = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@given(ragged, st.integers(0, 2**31), st.floats(0.5, 1), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_gae_ragged_equals_definition_and_ignores_poisoned_padding(lengths, seed, gamma, lam):
    g = torch.Generator().manual_seed(seed)
    b, t = len(lengths), max(lengths) + 2
    rewards, values = torch.randn(b, t, generator=g).double(), torch.randn(b, t, generator=g).double()
    bootstrap = torch.where(torch.rand(b, generator=g) < 0.5, torch.randn(b, generator=g), 0.0).double()
    mask = torch.arange(t) < T(lengths).unsqueeze(1)
    poisoned = [torch.where(mask, x, torch.nan) for x in (rewards, values)]
    advantages, returns = gae(*poisoned, mask, bootstrap, gamma, lam)
    for i, n in enumerate(lengths):
        expected = slow_gae(rewards[i, :n].tolist(), values[i, :n].tolist(), float(bootstrap[i]), gamma, lam)
        assert_close(advantages[i, :n], T(expected, dtype=torch.float64), rtol=0, atol=1e-9)
    assert torch.isfinite(advantages).all() and torch.isfinite(returns).all()
    assert not advantages[~mask].any() and not returns[~mask].any()


def test_gae_equals_sb3_rollout_buffer():
    from gymnasium import spaces

    lengths, gamma, lam, last = [3, 4, 2], 0.97, 0.9, 0.37  # the third episode is cut, V(next) = last
    g = torch.Generator().manual_seed(1)
    n = sum(lengths)
    rewards, values = torch.randn(n, generator=g), torch.randn(n, generator=g)
    buffer = RolloutBuffer(n, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), device="cpu", gamma=gamma, gae_lambda=lam)
    starts = [1 if i in (0, 3, 7) else 0 for i in range(n)]
    import numpy as np

    for i in range(n):
        buffer.add(
            np.zeros((1, 1)),
            np.zeros((1, 1)),
            rewards[i : i + 1].numpy(),
            np.array([starts[i]]),
            values[i : i + 1],
            T([0.0]),
        )
    buffer.compute_returns_and_advantage(T([last]), np.array([0.0]))
    t = max(lengths)
    mask = torch.arange(t) < T(lengths).unsqueeze(1)
    padded_rewards, padded_values = torch.zeros(3, t), torch.zeros(3, t)
    padded_rewards[mask], padded_values[mask] = rewards, values
    advantages, returns = gae(padded_rewards, padded_values, mask, T([0.0, 0.0, last]), gamma, lam)
    assert_close(advantages[mask], torch.as_tensor(buffer.advantages).flatten(), rtol=0, atol=1e-5)
    assert_close(returns[mask], torch.as_tensor(buffer.returns).flatten(), rtol=0, atol=1e-5)


def test_constant_value_example_for_the_three_ends():
    """V = c everywhere, no reward, gamma 1: delta is -c where the episode ended, 0 where it was cut with V = c."""
    values, mask = torch.full((3, 2), 0.7), torch.ones(3, 2, dtype=torch.bool)
    bootstrap = T([0.0, 0.0, 0.7])  # eos, length limit, cut
    advantages, _ = gae(torch.zeros(3, 2), values, mask, bootstrap, 1.0, 1.0)
    assert_close(advantages, T([[-0.7, -0.7], [-0.7, -0.7], [0.0, 0.0]]), **CLOSE)


def test_kl_estimators_golden():
    p, q = T([-1.0, -2.0]), T([-1.5, -1.0])
    assert_close(kl_k1(p, q), T([0.5, -1.0]), **CLOSE)
    assert_close(kl_k2(p, q), T([0.125, 0.5]), **CLOSE)
    assert_close(kl_k3(p, q), T([0.10653066, 0.71828183]), **CLOSE)


def test_kl_expectations_over_three_symbols():
    p, q = T([0.5, 0.3, 0.2], dtype=torch.float64), T([0.2, 0.5, 0.3], dtype=torch.float64)
    exact = float((p * (p / q).log()).sum())
    assert exact == pytest.approx(0.2238046572, abs=1e-9)
    assert float((p * kl_k1(p.log(), q.log())).sum()) == pytest.approx(exact, abs=1e-12)
    assert float((p * kl_k3(p.log(), q.log())).sum()) == pytest.approx(exact, abs=1e-12)
    assert float((p * kl_k2(p.log(), q.log())).sum()) == pytest.approx(0.2654787944, abs=1e-9)


@pytest.mark.parametrize(("estimate", "of_the_reference"), [(kl_k2, False), (kl_k3, True)])
def test_kl_gradients_over_three_symbols(estimate, of_the_reference):
    """docs/numerics.md, line 31: with samples held fixed, k2 has the gradient of KL(p || q), k3 that of KL(q || p)."""
    q = T([0.2, 0.5, 0.3], dtype=torch.float64)
    logits = T([0.5, 0.3, 0.2], dtype=torch.float64).log().requires_grad_()
    log_p = torch.log_softmax(logits, 0)
    p = log_p.exp()
    (found,) = torch.autograd.grad((p.detach() * estimate(log_p, q.log())).sum(), logits, retain_graph=True)
    exact = [(p * (log_p - q.log())).sum(), (q * (q.log() - log_p)).sum()]
    gradients = [torch.autograd.grad(kl, logits, retain_graph=True)[0] for kl in exact]
    assert_close(found, gradients[of_the_reference], rtol=0, atol=1e-12)
    assert (found - gradients[not of_the_reference]).abs().max() > 0.01


@pytest.mark.parametrize("value", [0.1, -3.7, 0.0])
@pytest.mark.parametrize("n", [2, 28, 1001])
def test_equal_numbers_whiten_to_exactly_0(value, n):
    """Their mean is rounded; over 1e-8 and a deviation of the same size that was half a standard deviation."""
    x = torch.full((n, 2), value)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 1] = False
    x[:, 1] = torch.nan
    assert torch.equal(whiten(x, mask), torch.zeros_like(x))


def test_whitening_golden_and_slice():
    x, mask = T([1.0, 2.0, 3.0, 4.0]), T([False, True, True, False])
    assert_close(whiten(x, mask, unbiased=False)[mask], T([-1.0, 1.0]), rtol=0, atol=1e-6)
    assert_close(whiten(x, mask)[mask], T([-0.70710677, 0.70710677]), rtol=0, atol=1e-6)
    poisoned = torch.where(mask, x, torch.nan)
    assert_close(whiten(poisoned, mask), torch.where(mask, whiten(x, mask), 0.0))
    single = T([True, False, False, False])
    assert_close(whiten(x, single), T([1.0, 0.0, 0.0, 0.0]))


def test_ppo_loss_golden():
    ratio, advantage = T([1.5, 0.5, 1.5, 0.5]), T([1.0, 1.0, -1.0, -1.0])
    assert_close(clipped_policy_loss(ratio, advantage, 0.2), T([-1.2, -0.5, 1.5, 0.8]), **CLOSE)


def test_value_loss_clip():
    v, old, r = T([1.0]), T([0.0]), T([2.0])
    assert_close(value_loss(v, old, r), T([1.0]))
    assert_close(value_loss(v, old, r, 0.2), T([(2 - 0.2) ** 2]))


def test_masked_categorical_golden():
    logits, mask = T([2.0, 1.0, 0.0, -1.0]), T([True, True, False, False])
    masked = masked_logits(logits, mask)
    assert float(action_logprobs(masked, T(0))) == pytest.approx(-0.3132617, abs=1e-6)
    assert float(entropy(masked)) == pytest.approx(0.5822032, abs=1e-6)
    assert float(action_logprobs(masked, T(2))) == -math.inf
    reference = torch.distributions.Categorical(logits=logits.masked_fill(~mask, -torch.inf))
    assert_close(action_logprobs(masked, T(1)), reference.log_prob(T(1)))


@pytest.mark.parametrize("truncated", [False, True])
def test_log_probability_and_entropy_in_one_pass(truncated):
    logits, actions = torch.randn(6, 9, dtype=torch.float64, requires_grad=True), T([0, 1, 2, 2, 1, 0])
    scaled = masked_logits(logits, (torch.arange(9) < 4).expand(6, 9) if truncated else None)
    log_prob, spread = logprobs_and_entropy(scaled, actions, truncated=truncated)
    assert_close(log_prob, action_logprobs(scaled, actions), rtol=0, atol=0)
    assert_close(spread, entropy(scaled), rtol=0, atol=0)
    both = torch.autograd.grad(log_prob.sum() + 0.1 * spread.sum(), logits, retain_graph=True)[0]
    apart = torch.autograd.grad(action_logprobs(scaled, actions).sum() + 0.1 * entropy(scaled).sum(), logits)[0]
    assert_close(both, apart, rtol=0, atol=1e-14)
    _, logged = logprobs_and_entropy(scaled, actions, truncated=truncated, entropy_gradient=False)
    assert not logged.requires_grad
    assert torch.equal(logged, spread)


def test_entropy_gradient_is_finite_under_a_mask():
    logits = torch.randn(3, 8, requires_grad=True)
    mask = torch.arange(8) < 3
    entropy(masked_logits(logits, mask.expand(3, 8))).sum().backward()
    assert torch.isfinite(logits.grad).all() and logits.grad[:, :3].abs().sum() > 0


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1.0, [-0.4076060, -1.4076059, -2.4076059]), (0.7, [-0.2601184, -1.6886898, -3.1172614])],
)
def test_log_softmax_golden(temperature, expected):
    logits = masked_logits(T([2.0, 1.0, 0.0]), None, temperature)
    assert_close(torch.stack([action_logprobs(logits, T(i)) for i in range(3)]), T(expected), **CLOSE)


def test_masked_mean_over_micro_batches():
    """Micro-batches [4] and [1, 1, 1]: the token mean is 1.75, the mean of means 2.5."""
    values, mask = T([[4.0, torch.nan, torch.nan], [1.0, 1.0, 1.0]]), T([[True, False, False], [True, True, True]])
    assert float(masked_mean(values, mask)) == 1.75


@given(st.integers(1, 70), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_packed_bits_round_trip(v, seed):
    mask = torch.rand(3, 2, v, generator=torch.Generator().manual_seed(seed)) < 0.5
    packed = pack_bits(mask)
    assert packed.dtype == torch.uint8 and packed.shape == (3, 2, math.ceil(v / 8))
    assert torch.equal(unpack_bits(packed, v), mask)


def test_inverse_cdf_sampling_has_the_right_frequencies_and_never_leaves_the_mask():
    n = 40_000
    logits = masked_logits(T([2.0, 1.0, 0.0, -1.0]), T([True, False, True, True])).expand(n, 4)
    uniforms = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    counts = torch.bincount(sample_by_inverse_cdf(logits, uniforms), minlength=4) / n
    assert_close(counts, torch.softmax(logits[0], 0), rtol=0, atol=2e-4)
    ends = sample_by_inverse_cdf(logits[:2], T([0.0, 1 - 2**-53], dtype=torch.float64))
    assert ends.tolist() == [0, 3]
    first_masked = masked_logits(T([5.0, 1.0, 9.0]), T([False, True, False])).unsqueeze(0)
    for u in (0.0, 0.5, 1 - 2**-53):
        assert sample_by_inverse_cdf(first_masked, T([u], dtype=torch.float64)).item() == 1


def test_a_draw_is_the_first_action_whose_sum_exceeds_it():
    """By the definition, at the size of GPT-2's vocabulary, whole and truncated; the logits stay as they are."""
    logits = 3 * torch.randn(48, 50257, generator=torch.Generator().manual_seed(0))
    logits[::2].masked_fill_(logits[::2] < logits[::2].topk(50).values[:, -1:], -torch.inf)
    u = torch.rand(48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u[:3], u[3:6] = 0.0, 1 - 2**-53
    given = logits.clone()
    drawn = sample_by_inverse_cdf(logits, u)
    assert torch.equal(logits, given)
    for row, threshold, action in zip(logits, u, drawn, strict=True):
        sums = torch.softmax(row.double(), 0).cumsum(0)
        assert action == (sums > threshold * sums[-1]).int().argmax() and row[action] > -torch.inf
    double = given[:4].double()
    assert torch.equal(sample_by_inverse_cdf(double, u[:4]), drawn[:4]) and torch.equal(double, given[:4].double())


def test_logits_that_are_not_numbers_give_an_action_of_the_vocabulary():
    drawn = sample_by_inverse_cdf(torch.full((2, 5), torch.nan), T([0.1, 0.9], dtype=torch.float64))
    assert ((drawn >= 0) & (drawn < 5)).all()


def test_row_of_a_sampled_batch_depends_on_its_own_draw_alone():
    logits = torch.randn(5, 11, generator=torch.Generator().manual_seed(0))
    u = torch.rand(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = sample_by_inverse_cdf(logits, u)
    for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 17):
        index = torch.tensor(order)
        assert torch.equal(sample_by_inverse_cdf(logits[index], u[index]), whole[index])


def test_truncated_weights_take_out_a_noisy_samplers_bias():
    """docs/numerics.md, line 29: exact expectations over three symbols, with a planted noise in the sampler."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    mu = torch.softmax(p.log() + torch.tensor([0.4, -0.9, 0.3], dtype=torch.float64), 0)
    score = torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64)
    weights = truncated_weights(p.log(), mu.log(), cap=10.0)
    wanted, biased = float((p * score).sum()), float((mu * score).sum())
    assert abs(biased - wanted) > 0.3
    assert float((mu * weights * score).sum()) == pytest.approx(wanted, abs=1e-12)
    capped = truncated_weights(p.log(), mu.log(), cap=1.5)
    assert float(capped.max()) == pytest.approx(1.5) and not capped.requires_grad
    assert abs(float((mu * capped * score).sum()) - wanted) < abs(biased - wanted)
    far = truncated_weights(torch.tensor([0.0]), torch.tensor([-1e4]), cap=2.0)
    assert float(far) == pytest.approx(2.0), "no overflow"


def test_mismatch_golden():
    """Ratios 1, 1, 2, 4: (8)^2 / (4 * 22) of the samples count."""
    log_ratio = torch.tensor([1.0, 1.0, 2.0, 4.0]).log()
    assert float(effective_sample_size(log_ratio)) == pytest.approx(64 / 88)
    assert float(effective_sample_size(log_ratio + 1000)) == pytest.approx(64 / 88, rel=1e-3)
    seen = mismatch(log_ratio - 3, torch.full((4,), -3.0))
    assert seen["gap_mean"] == pytest.approx(3 * math.log(2) / 4, abs=1e-6)
    assert seen["gap_max"] == pytest.approx(math.log(4), abs=1e-6)
    assert seen["ess"] == pytest.approx(64 / 88, rel=1e-5)
    assert 1 <= seen["ratio_p1"] < 1.1 < 3.5 < seen["ratio_p99"] <= 4
