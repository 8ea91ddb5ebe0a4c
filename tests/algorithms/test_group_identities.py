"""Algorithms of groups that equal each other under some arguments, or a computation by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.dapo import DAPO
from rl4lms.algorithms.dpo import DPO
from rl4lms.algorithms.grpo import CISPO, GRPO, GSPO, DrGRPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.algorithms.reinforce import REINFORCE, RLOO, REINFORCEPlusPlus, ReMax
from tests.algorithms.test_groups import FAMILIES, SINGLE_NORMS, build, double, filled, gradient, moved, whole


def test_rloo_is_dr_grpo_times_k_over_k_minus_1(model_dir):
    rloo, dr = (double(model_dir("gpt2"), cls) for cls in (RLOO, DrGRPO))
    assert rloo.rollout_buffer.advantages.abs().max() > 0.1
    assert_close(rloo.rollout_buffer.advantages, dr.rollout_buffer.advantages * 4 / 3, rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_grpo_without_scale_and_with_constant_weights_is_dr_grpo(model_dir, family):
    class Plain(GRPO):
        scale, aggregation = "none", "constant"

    one, other = (moved(double(model_dir(family), cls, family)) for cls in (Plain, DrGRPO))
    assert_close(gradient(one, whole(one)), gradient(other, whole(other)), rtol=0, atol=1e-10)


def test_gspo_on_one_token_episodes_is_the_clip_of_ppo(model_dir):
    gspo, grpo = (moved(double(model_dir("gpt2"), cls, length=1), 0.1) for cls in (GSPO, GRPO))
    one, other = gradient(gspo, whole(gspo)), gradient(grpo, whole(grpo))
    assert_close(one, other, rtol=0, atol=1e-10)
    assert one.abs().max() > 1e-4


@pytest.mark.parametrize(("cls", "aggregation"), [(GRPO, "sequence_mean"), (CISPO, "token_mean")])
@pytest.mark.parametrize("family", FAMILIES)
def test_at_ratio_1_the_gradient_is_that_of_reinforce(model_dir, family, cls, aggregation):
    """With the same advantages and the same aggregation."""
    algorithm = double(model_dir(family), cls, family)
    reinforce = double(model_dir(family), REINFORCE, family, n_prompts=4, completions_per_prompt=4)
    reinforce.rollout_buffer.advantages = algorithm.rollout_buffer.advantages
    reinforce.rollout_buffer.aggregation = aggregation
    expected = gradient(reinforce, whole(reinforce))
    assert expected.abs().max() > 1e-4
    assert_close(gradient(algorithm, whole(algorithm)), expected, rtol=0, atol=1e-10)


def test_equal_completions_have_no_gradient(model_dir):
    """A reward that is the same for all: 0.1 is not exact in binary, and its mean may be rounded."""
    algorithm = double(model_dir("gpt2"), GRPO, n_prompts=2, completions_per_prompt=3)
    episodes = algorithm.rollout_buffer.episodes
    rewards = torch.zeros_like(episodes.rewards)
    rewards[:, 0] = 0.1
    algorithm.rollout_buffer.add_episodes(dataclasses.replace(episodes, rewards=rewards, scores=rewards), 0)
    assert not gradient(moved(algorithm), whole(algorithm)).any()


def test_dapo_with_equal_clips_and_all_groups_is_grpo_by_tokens(model_dir):
    class ByTokens(GRPO):
        aggregation = "token_mean"

    dapo = moved(double(model_dir("gpt2"), DAPO, clip_range_high=0.2, n_rounds=1))
    grpo = moved(double(model_dir("gpt2"), ByTokens))
    assert_close(gradient(dapo, whole(dapo)), gradient(grpo, whole(grpo)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_dpo_against_a_hand_computation(model_dir, family):
    """-log sigmoid(beta * (log pi/ref of the best - that of the worst)), the mean over pairs, and its gradient."""
    dpo = double(model_dir(family), DPO, family, beta=0.3, completions_per_prompt=4)
    episodes, batch = dpo.rollout_buffer.episodes, None
    moved(dpo)
    batch = whole(dpo)
    found = gradient(dpo, batch)
    loss = dpo.accumulate(batch, dpo.loss)["loss"]
    dpo.policy.optimizer.zero_grad()
    total, n_pairs = 0.0, len(episodes.texts) // 2
    for pair in range(n_pairs):
        sums = []
        for row in (2 * pair, 2 * pair + 1):
            one = episodes.sequences.rows(torch.tensor([row]))
            n = int(one.response_mask.sum())
            logits = dpo.policy.scorer.logits(dpo.policy.policy_model, one)[0, :n]
            logprobs = torch.log_softmax(logits, -1)[torch.arange(n), one.response_ids[0, :n]]
            sums.append((logprobs - episodes.ref_logprobs[row, :n]).sum())
            scores = episodes.scores.sum(1)
        assert scores[2 * pair] > scores[2 * pair + 1]
        total = total - torch.log(torch.sigmoid(0.3 * (sums[0] - sums[1]))) / n_pairs
    assert n_pairs >= 2
    total.backward()
    expected = torch.cat([p.grad.flatten() for p in dpo.policy.parameters() if p.grad is not None])
    assert loss == pytest.approx(total.item(), abs=1e-6 if family in SINGLE_NORMS else 1e-10)
    assert_close(found, expected, rtol=0, atol=1e-6 if family in SINGLE_NORMS else 1e-10)


def test_raft_is_supervised_learning_of_the_best(model_dir):
    algorithm = build(model_dir("gpt2"), cls=RAFT, policy={"dtype": "float64"})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    chosen = algorithm.select(batch)
    scores = batch.scores.sum(1).view(4, 4)
    assert chosen.prompt_index == batch.prompt_index[::4]
    assert_close(chosen.scores.sum(1), scores.max(1).values)
    firsts = [4 * g + int(torch.nonzero(row == row.max())[0]) for g, row in enumerate(scores)]
    assert chosen.texts == [batch.texts[i] for i in firsts]
    algorithm.rollout_buffer.add_episodes(chosen, 0)
    part = whole(algorithm)
    (loss, _), n = algorithm.loss(part), int(chosen.mask.sum())
    _, raw = algorithm.policy.sequence_logprobs(chosen.sequences)
    assert float(loss.detach()) == pytest.approx(float(-raw[chosen.mask].sum() / n), abs=1e-10)


def test_remax_subtracts_the_score_of_the_greedy_response(model_dir):
    algorithm = filled(build(model_dir("gpt2"), cls=ReMax, n_prompts=3, kl=0.2))
    episodes = algorithm.rollout_buffer.episodes
    greedy = build(model_dir("gpt2"), cls=ReMax, n_prompts=3, policy={"generation_kwargs": {"do_sample": False}})
    expected = greedy.collector.collect(greedy.policy, 0).scores.sum(1)
    assert_close(episodes.baseline, expected)
    for row in range(3):
        n = int(episodes.mask[row].sum())
        for t in range(n):
            value = float(episodes.rewards[row, t:n].sum() - expected[row])
            assert float(algorithm.rollout_buffer.advantages[row, t]) == pytest.approx(value, abs=1e-6)
    tokens = algorithm.collector.numbers["rollout/n_sampled_tokens"]
    assert tokens > episodes.n_steps, "greedy tokens count"


def test_reinforce_pp_whitens_over_the_rollout(model_dir):
    plain = filled(build(model_dir("gpt2"), cls=REINFORCEPlusPlus, kl=0.1))
    episodes, advantages = plain.rollout_buffer.episodes, plain.rollout_buffer.advantages
    raw = torch.stack([row.flip(0).cumsum(0).flip(0) for row in episodes.rewards])[episodes.mask]
    assert_close(advantages[episodes.mask], (raw - raw.mean()) / (raw.std() + 1e-8), rtol=1e-4, atol=1e-5)
    args = {"baseline": "mean", "n_prompts": 4, "completions_per_prompt": 4}
    grouped = filled(build(model_dir("gpt2"), cls=REINFORCEPlusPlus, kl=0.1, **args))
    episodes, advantages = grouped.rollout_buffer.episodes, grouped.rollout_buffer.advantages
    assert_close(episodes.rewards, episodes.scores)  # its KL is in the loss
    centred = (episodes.scores.sum(1).view(4, 4) - episodes.scores.sum(1).view(4, 4).mean(1, keepdim=True)).flatten()
    raw = centred.unsqueeze(1).expand(episodes.mask.shape)[episodes.mask]
    assert_close(advantages[episodes.mask], (raw - raw.mean()) / (raw.std() + 1e-8), rtol=1e-4, atol=1e-5)
