"""PPO over episodes: the update, its schedule, its invariances, and that it learns."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from torch.testing import assert_close

from docs.examples.algorithm import Reinforce
from rl4lms.algorithms.a2c import A2C
from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.algorithms.ppo import PPO
from rl4lms.algorithms.trpo import TRPO
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.tables import PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.numerics.advantages import gae
from rl4lms.numerics.masked import whiten
from rl4lms.numerics.packing import unpack_bits
from rl4lms.policies.sequences import all_tokens
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.rollouts.buffer import EpisodeRolloutBuffer
from rl4lms.tokenization.text_task import TextTask
from tests.conftest import EOS, SEQ2SEQ, VOCAB, word_tokenizer

TARGET = "w7"
NO_PPO = {"batch_size": None, "n_epochs": None}  # arguments that A2C does not take


class TargetShare(BatchedRewardFunction):
    """The share of words that are the target."""

    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        return [sum(w == TARGET for w in t.split()) / max(len(t.split()), 1) for t in gen_texts]


def build(directory: Any, family: str = "gpt2", cls: Any = PPO, length: int = 8, eos: bool = True, reward: Any = None,
          kl: float = 0.0, policy: dict | None = None, kl_target: float | None = None, **args: Any) -> Any:  # fmt: skip
    tokenizer = word_tokenizer()
    samples = [
        (Sample(str(i), " ".join(f"w{4 + (i * k) % 50}" for k in range(1, 2 + i % 5)), [""]), 1.0) for i in range(20)
    ]
    seq2seq = family in SEQ2SEQ
    task = TextTask(
        tokenizer,
        reward or TargetShare(),
        samples,
        length,
        8,
        terminate_on_eos=eos,
        context_start_token=0 if seq2seq else None,
    )
    env = make_vec_env(task, n_envs=4, vocab_size=VOCAB, seed=0)
    kind = "seq2seq" if seq2seq else "causal"
    maskable = "maskable_" if "top_mask" in (policy or {}) else ""
    defaults = {"n_steps": 16, "batch_size": 32, "n_epochs": 2, "learning_rate": 1e-3, "seed": 0, "device": "cpu"}
    kwargs = {
        "policy": PolicyRegistry.get(f"{maskable}{kind}_lm_actor_critic_policy"),
        "env": env,
        "policy_kwargs": {"model_name": str(directory), **(policy or {})},
        **{k: v for k, v in {**defaults, **args}.items() if v is not None or k == "max_grad_norm"},
    }
    algorithm = wrap_onpolicy_alg(cls, kwargs, kl, target_kl=kl_target)
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm


def weights(algorithm: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in algorithm.policy.parameters() if p.requires_grad])


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_rollout_fills_exactly_and_places_rewards(model_dir, family):
    """docs/numerics.md, lines 8 and 10: one score per ended row, at its last step; row sum == score - coef * sum KL."""
    algorithm = build(
        model_dir(family), family, kl=0.3, n_steps=100, policy={"generation_kwargs": {"temperature": 9.0}}
    )
    with torch.no_grad():  # so that there is a KL
        for p in algorithm.policy.policy_model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    batch = algorithm.collector.collect(algorithm.policy, 0)
    lengths = batch.mask.sum(1)
    assert batch.n_steps == 400 and len(set(lengths.tolist())) > 1
    kl = batch.raw_logprobs - batch.ref_logprobs
    assert kl[batch.mask].abs().max() > 1e-3
    for i, n in enumerate(lengths.tolist()):
        entries = batch.scores[i].nonzero().flatten().tolist()
        assert entries in ([], [n - 1])
        assert float(batch.rewards[i].sum()) == pytest.approx(
            float(batch.scores[i].sum() - 0.3 * kl[i, :n].sum()), abs=1e-5
        )
        assert not batch.rewards[i, n:].any()
    cut = (~batch.ended).nonzero().flatten().tolist()
    assert cut in ([], [len(lengths) - 1])
    assert not batch.bootstrap[batch.ended].any()


def test_without_terminate_on_eos_episodes_run_to_the_limit(model_dir):
    algorithm = build(model_dir("gpt2"), n_steps=100, eos=False, policy={"generation_kwargs": {"temperature": 5.0}})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    ids = batch.sequences.response_ids
    assert (batch.mask.sum(1) == 8).all()
    has_inner_eos = (ids[:, :-1] == 2).any(1)
    assert has_inner_eos.any(), "no eos was sampled: the test shows nothing"
    assert all(s[:-1].eq(0).all() for s in batch.scores)


RULES = {"forced_bos_token_id": 33, "forced_eos_token_id": [34], "suppress_tokens": [7], "bad_words_ids": [[8]]}


@pytest.mark.parametrize("policy", [{}, {"top_mask": 1, "mask_type": "learned_top_k"}], ids=["ppo", "nlpo"])
@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_token_rules_are_masks_of_the_rollout(model_dir, tmp_path, family, policy):
    """Line 33: what the model's own file says of tokens holds in rollouts, what it says of sampling does not; line 4:
    the update scores what was sampled; line 20: a learned mask takes out no stop token."""
    directory = tmp_path / "model"
    shutil.copytree(model_dir(family), directory)
    settings = json.loads((directory / "generation_config.json").read_text())
    settings |= {"eos_token_id": [EOS, 9], "temperature": 0.01, "repetition_penalty": 9.0, "min_length": 8, **RULES}
    del settings["forced_bos_token_id"]
    (directory / "generation_config.json").write_text(json.dumps(settings))
    kwargs = {"temperature": 4.0, "forced_bos_token_id": 33}
    algorithm = build(directory, family, n_steps=60, policy={"generation_kwargs": kwargs, **policy})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    masks = unpack_bits(batch.sequences.action_mask_bits, VOCAB)
    lengths = batch.mask.sum(1)
    for ids, allowed, n, ended in zip(batch.sequences.response_ids, masks, lengths, batch.ended, strict=True):
        row = ids[:n].tolist()
        assert row[0] == 33 and not {7, 8} & set(row) and not {EOS, 9} & set(row[:-1])
        assert allowed[0].sum() == 1 and not allowed[1:n, [7, 8]].any()
        assert allowed[1 : min(n, 7), [EOS, 9]].all()
        assert not ended or row[-1] in (EOS, 9) or (n == 8 and row[-1] == 34 and allowed[7].sum() == 1)
    assert not batch.logprobs[:, 0].any(), "a forced token has probability 1"
    assert any(9 in row for row in batch.sequences.response_ids.tolist()) or policy
    algorithm.learn(240)  # whose first minibatch must have ratio 1


def test_without_a_rule_no_mask_is_kept(model_dir):
    algorithm = build(model_dir("gpt2"))
    assert algorithm.collector.collect(algorithm.policy, 0).sequences.action_mask_bits is None


@pytest.mark.parametrize("length", [5, 9])
def test_a_policy_that_generates_another_length_than_an_episodes_is_refused(model_dir, length):
    algorithm = build(model_dir("gpt2"), policy={"generation_kwargs": {"max_new_tokens": length}})
    with pytest.raises(ConfigError, match=f"max_new_tokens: {length}, but an episode of the task ends after .* 8"):
        algorithm.collector.collect(algorithm.policy, 0)


def test_cut_episode_bootstraps_with_the_next_value(model_dir):
    algorithm = build(model_dir("gpt2"), n_steps=15, eos=False)  # 60 steps: seven episodes of 8 and one cut at 4
    torch.nn.init.normal_(algorithm.policy.value_head.weight)
    batch = algorithm.collector.collect(algorithm.policy, 0)
    assert batch.mask.sum(1).tolist() == [8] * 7 + [4] and batch.ended.tolist() == [True] * 7 + [False]
    rerun = build(model_dir("gpt2"), n_steps=16, eos=False)
    rerun.policy.load_state_dict(algorithm.policy.state_dict())
    whole = rerun.collector.collect(rerun.policy, 0)
    assert float(batch.bootstrap[7]) == pytest.approx(float(whole.values[7, 4]), abs=1e-5) != 0
    assert not batch.scores[7].any() and whole.scores[:7].eq(batch.scores[:7]).all()


def test_zero_kl_at_iteration_0(model_dir):
    for family in ("gpt2", "t5", "llama", "bart"):
        algorithm = build(model_dir(family), family)
        batch = algorithm.collector.collect(algorithm.policy, 0)
        assert (batch.raw_logprobs - batch.ref_logprobs).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["gpt2", "t5", "llama", "bart"])
@pytest.mark.parametrize("unit", ["episodes", "transitions"])
@pytest.mark.parametrize("value_model", ["separate", "shared"])
def test_first_minibatch_has_ratio_one_and_the_rollouts_values(model_dir, family, unit, value_model):
    """docs/numerics.md, line 13."""
    generation = {"temperature": 1.5, "top_k": 20, "min_length": 2}
    algorithm = build(
        model_dir(family), family, minibatch=unit, policy={"generation_kwargs": generation, "value_model": value_model}
    )
    torch.nn.init.normal_(algorithm.policy.value_head.weight)
    algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
    for batch in algorithm.rollout_buffer.get(16):
        values, logprobs, entropy = algorithm.policy.evaluate_actions(batch.observations, batch.actions)
        assert_close(logprobs, batch.old_log_prob, rtol=0, atol=1e-4)
        assert_close(values, batch.old_values, rtol=0, atol=1e-4)
        assert torch.isfinite(entropy).all() and (entropy >= 0).all()


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_half_precision_keeps_the_updates_own_log_probabilities(model_dir, family):
    """docs/numerics.md, line 4: in bfloat16 the old log-probabilities are those of the update's forward path."""
    algorithm = build(model_dir(family), family, policy={"dtype": "bfloat16", "generation_kwargs": {"top_k": 20}})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    algorithm.rollout_buffer.add_episodes(batch, 0)
    assert (
        batch.logprobs.dtype == torch.float32 and (batch.logprobs[batch.mask] >= batch.raw_logprobs[batch.mask]).all()
    )
    for samples in algorithm.rollout_buffer.get(32):
        logprobs = algorithm.policy.evaluate_actions(samples.observations, samples.actions).log_prob
        assert (logprobs - samples.old_log_prob).abs().mean() < 0.02
    algorithm.learn(64, log_interval=None)


def test_dropout_is_caught(model_dir, monkeypatch):
    algorithm = build(model_dir("gpt2"))
    for module in algorithm.policy.policy_model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
            module.train()
    monkeypatch.setattr(algorithm.policy, "set_training_mode", lambda mode: None)
    with pytest.raises(RunError, match="does not reproduce its own rollout"):
        algorithm.learn(64, log_interval=None)


@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_every_step_is_in_one_minibatch(model_dir, unit):
    algorithm = build(model_dir("gpt2"), minibatch=unit)
    buffer = algorithm.rollout_buffer
    buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
    epochs = []
    for _ in range(2):
        sizes, seen = [], []
        for batch in buffer.get(24):
            sizes.append(len(batch))
            seen += batch.returns.tolist()
        assert sorted(seen) == sorted(buffer.returns.tolist())
        assert all(n <= 24 + (unit == "episodes") * 8 for n in sizes)  # an episode has at most 8 steps
        assert len(sizes) == {"episodes": round(64 / 24), "transitions": math.ceil(64 / 24)}[unit]
        epochs.append(seen)
    assert epochs[0] != epochs[1], "epochs are shuffled apart"


@pytest.mark.parametrize(
    ("lengths", "batch_size", "sizes"),
    [
        ([48] * 4, 64, [48, 96, 48]),  # as many minibatches as 192 / 64, of 1.33 episodes
        ([48] * 4, 96, [96, 96]),
        ([48] * 4, 24, [48] * 4),  # an episode is never cut
        ([5, 0, 90, 5], 50, None),  # empty rows are left out
        ([7], 1000, [7]),
    ],
)
def test_batch_size_is_the_mean_of_whole_episodes(lengths, batch_size, sizes):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    generator = torch.Generator().manual_seed(0)
    parts = list(EpisodeRolloutBuffer._episode_minibatches(mask, batch_size, generator))
    assert sorted(place for rows, cols in parts for place in zip(rows.tolist(), cols.tolist(), strict=True)) == [
        (i, t) for i, n in enumerate(lengths) for t in range(n)
    ]
    assert all((mask[rows].sum(1) > 0).all() for rows, _ in parts)
    if sizes is not None:
        assert sorted(len(rows) for rows, _ in parts) == sorted(sizes)


def full_batch_gradient(algorithm: Any, unit: str) -> torch.Tensor:
    buffer = algorithm.rollout_buffer
    buffer.minibatch = unit
    buffer.compute_returns_and_advantage()
    (batch,) = list(buffer.get(None))
    algorithm.accumulate_gradients(batch, 0.2)
    return torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_units_and_the_naive_loop_have_the_same_gradient(model_dir, family):
    """docs/numerics.md, line 27: episodes == transitions == one forward per token, on a full batch, in float64."""
    algorithm = build(model_dir(family), family, policy={"generation_kwargs": {"temperature": 2.0}}, ent_coef=0.01)
    torch.nn.init.normal_(algorithm.policy.value_head.weight)
    batch = algorithm.collector.collect(algorithm.policy, 0)
    algorithm.rollout_buffer.add_episodes(batch, 0)
    double(algorithm)
    by_episode, by_transition = (full_batch_gradient(algorithm, u) for u in ("episodes", "transitions"))
    assert_close(by_episode, by_transition, rtol=0, atol=1e-10)
    tolerance = 1e-6 if family == "t5" else 1e-10  # T5's norm computes its variance in float32 whatever the dtype
    assert_close(naive_gradient(algorithm), by_episode, rtol=0, atol=tolerance)


def double(algorithm: Any) -> None:
    """Policy and rollout in float64."""
    algorithm.policy.double()
    buffer = algorithm.rollout_buffer
    e = buffer.episodes
    columns = {n: getattr(e, n).double() for n in ("logprobs", "values", "rewards", "bootstrap")}
    buffer.episodes = dataclasses.replace(e, **columns)
    buffer.compute_returns_and_advantage()


@pytest.mark.parametrize("cls", [PPO, A2C])
@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_micro_batches_have_the_gradient_of_the_batch(model_dir, cls, unit):
    """docs/numerics.md, lines 12 and 14: one batch of 8 ragged episodes == 8 micro-batches of 1, in float64."""
    algorithm = build(model_dir("gpt2"), cls=cls, n_steps=100, ent_coef=0.01, normalize_advantage=True, minibatch=unit,
                      policy={"generation_kwargs": {"temperature": 9.0}}, **({} if cls is PPO else NO_PPO))  # fmt: skip
    torch.nn.init.normal_(algorithm.policy.value_head.weight)
    algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
    double(algorithm)
    (batch,) = algorithm.rollout_buffer.get(None)
    assert len(set(algorithm.rollout_buffer.episodes.mask.sum(1).tolist())) > 1
    args = (0.2,) if cls is PPO else ()
    gradients, logs = [], []
    for n in (1, 8):
        algorithm.gradient_accumulation_steps = n
        logs.append(algorithm.accumulate_gradients(batch, *args))
        gradients.append(torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None]))
    assert_close(*gradients, rtol=0, atol=1e-10)
    assert logs[0] == pytest.approx(logs[1], abs=1e-10)


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_a2c_is_ppo_with_one_step_and_no_clipping(model_dir, family):
    """docs/numerics.md, line 25."""
    algorithm = build(model_dir(family), family, ent_coef=0.01, normalize_advantage=False)
    torch.nn.init.normal_(algorithm.policy.value_head.weight)
    algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
    double(algorithm)
    (batch,) = algorithm.rollout_buffer.get(None)
    with torch.no_grad():  # the rollout's log-probabilities in float64
        old = algorithm.policy.evaluate_actions(batch.observations, batch.actions).log_prob
    batch = dataclasses.replace(batch, old_log_prob=old)
    algorithm.accumulate_gradients(batch, clip_range=1e9)
    by_ppo = torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])
    algorithm.accumulate(batch, lambda part: A2C.loss(algorithm, part))
    by_a2c = torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])
    assert by_a2c.abs().max() > 1e-3
    assert_close(by_a2c, by_ppo, rtol=0, atol=1e-10)


def naive_gradient(algorithm: Any) -> torch.Tensor:
    """The PPO loss with one forward of policy and value model per token, unpadded, nothing vectorised."""
    policy, buffer = algorithm.policy, algorithm.rollout_buffer
    batch = buffer.episodes
    advantages, returns = gae(batch.rewards, batch.values, batch.mask, batch.bootstrap, buffer.gamma, buffer.gae_lambda)
    advantages = advantages[batch.mask]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    policy.optimizer.zero_grad()
    losses, k = [], 0
    for i, n in enumerate(batch.mask.sum(1).tolist()):
        s = batch.sequences
        prompt = s.prompt_ids[i][s.prompt_mask[i]]
        for t in range(n):
            so_far, action = s.response_ids[i, :t], s.response_ids[i, t]
            logits, value = naive_state(policy, prompt, so_far)
            logits = logits / policy.temperature
            logp = torch.log_softmax(logits, -1)
            ratio = torch.exp(logp[action] - batch.logprobs[i, t])
            a = advantages[k]
            policy_loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.2) * a)
            v_loss = (returns[i, t] - value) ** 2
            entropy = -(logp.exp() * logp).sum()
            losses.append(policy_loss + algorithm.vf_coef * v_loss - algorithm.ent_coef * entropy)
            k += 1
    torch.stack(losses).mean().backward()
    return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])


def naive_state(policy: Any, prompt: torch.Tensor, so_far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if policy.seq2seq:
        decoder = torch.cat([torch.zeros(1, dtype=torch.int64), so_far])[None]
        logits = policy.policy_model(input_ids=prompt[None], decoder_input_ids=decoder).logits[0, -1]
        trunk = policy.value_trunk
        encoded = trunk.get_encoder()(input_ids=prompt[None]).last_hidden_state
        h = trunk.get_decoder()(input_ids=decoder, encoder_hidden_states=encoded).last_hidden_state[0, -1]
    else:
        ids = torch.cat([prompt, so_far])[None]
        logits = policy.policy_model(input_ids=ids).logits[0, -1]
        h = policy.value_trunk(input_ids=ids).last_hidden_state[0, -1]
    return logits, (policy.value_head.weight @ h)[0]


def test_linear_schedule_never_reaches_zero(model_dir):
    """docs/numerics.md, line 16."""
    algorithm = build(model_dir("gpt2"), learning_rate=lambda progress: 1e-3 * progress)
    seen = []
    train = algorithm.train
    algorithm.train = lambda: (train(), seen.append(algorithm.policy.optimizer.param_groups[0]["lr"]))
    algorithm.learn(64 * 4, log_interval=None)
    assert seen == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])


def test_optimiser_groups_partition_the_trainable_parameters(model_dir):
    """docs/numerics.md, line 17."""
    policy = build(model_dir("gpt2"), policy={"top_mask": 0.9, "mask_type": "learned_top_p"}).policy
    groups = policy.optimizer.param_groups
    grouped = [id(p) for g in groups for p in g["params"]]
    trainable = {id(p) for p in policy.parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped)) and set(grouped) == trainable
    frozen = {id(p) for m in (policy.reference_model, policy.mask_model) for p in m.parameters()}
    assert not frozen & set(grouped)
    assert all(p.ndim >= 2 for p in groups[0]["params"]) and all(p.ndim < 2 for p in groups[1]["params"])
    assert groups[0]["weight_decay"] > 0 == groups[1]["weight_decay"]


@pytest.mark.parametrize("max_grad_norm", [1e-2, 1e9])
def test_a_clip_inside_the_optimisers_pass_is_a_clip_before_it(model_dir, max_grad_norm):
    """A fused AdamW's step on gradients above and below the limit, against the unfused one after torch's clip."""
    moved = []
    for fused in (True, False):
        algorithm = build(model_dir("gpt2"), max_grad_norm=max_grad_norm, policy={"optimizer_kwargs": {"fused": fused}})
        algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
        before = weights(algorithm)
        for batch in algorithm.rollout_buffer.get(32):  # more than one, so that Adam's moments tell scales apart
            algorithm.accumulate_gradients(batch, 0.2)
            for p in algorithm.policy.value_trunk.parameters():
                p.grad = None  # and a parameter without a gradient is left alone
            algorithm.optimizer_step()
        moved.append((algorithm.policy.optimizer.state_dict()["state"], weights(algorithm) - before))
    (state, fused), (other, unfused) = moved
    assert state.keys() == other.keys()
    for index in state:
        assert_close(state[index]["exp_avg"], other[index]["exp_avg"], rtol=1e-3, atol=1e-8)
    assert_close(fused, unfused, rtol=0, atol=2e-5)
    assert fused.any()


def test_gradients_are_not_clipped_where_no_limit_is_given(model_dir):
    """`max_grad_norm: null` steps as a limit that no gradient reaches, and a limit of 1e-2 does not."""

    def step(max_grad_norm: float | None) -> torch.Tensor:
        algorithm = build(model_dir("gpt2"), max_grad_norm=max_grad_norm)
        algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
        algorithm.accumulate_gradients(next(algorithm.rollout_buffer.get(64)), 0.2)
        algorithm.optimizer_step()
        state = algorithm.policy.optimizer.state_dict()["state"]
        return torch.cat([state[index]["exp_avg"].flatten() for index in sorted(state)])

    assert torch.equal(step(None), step(1e9)) and not torch.equal(step(None), step(1e-2))


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_rollout_scored_in_parts_is_the_rollout_scored_at_once(model_dir, monkeypatch, family):
    """Parts are of episodes of like length, in another order than the rollout's."""
    algorithm = build(model_dir(family), family, n_steps=32)
    policy = algorithm.policy
    torch.nn.init.normal_(policy.value_head.weight)
    sequences = algorithm.collector.collect(policy, 0).sequences
    scored = []
    for limit in (1, 40, 2**20):
        monkeypatch.setattr("rl4lms.policies.base.MAX_POSITIONS_ON_CPU", limit)
        parts = policy._chunks(sequences)
        assert sorted(torch.cat(parts).tolist()) == list(range(len(sequences)))
        assert len(parts) == {1: len(sequences), 2**20: 1}.get(limit, len(parts))
        scored.append((policy.sequence_values(sequences), *policy.sequence_logprobs(sequences),
                       policy.reference_logprobs(sequences)))  # fmt: skip
    assert len(sequences) > 3 and scored[0][0].any()
    for each in scored[:2]:
        for part, whole in zip(each, scored[2], strict=True):
            assert_close(part, whole, rtol=0, atol=1e-5)


def test_reference_is_untouched_by_updates(model_dir):
    """docs/numerics.md, line 19: its log-probabilities are bit-identical after updates."""
    algorithm = build(model_dir("gpt2"))
    batch = algorithm.collector.collect(algorithm.policy, 0)
    before = algorithm.policy.reference_logprobs(batch.sequences)
    algorithm.learn(64 * 2, log_interval=None)
    assert torch.equal(before, algorithm.policy.reference_logprobs(batch.sequences))
    own, _ = algorithm.policy.sequence_logprobs(batch.sequences)
    assert not torch.equal(before, own)


def test_seed_decides_everything(model_dir):
    """docs/numerics.md, line 22."""

    def run(seed: int) -> torch.Tensor:
        algorithm = build(model_dir("gpt2"), seed=seed)
        algorithm.learn(64 * 2, log_interval=None)
        return weights(algorithm)

    first = run(3)
    torch.rand(7), np.random.rand(7)  # the global generators' state must not matter
    assert torch.equal(first, run(3)) and not torch.equal(first, run(4))


def test_first_episodes_do_not_depend_on_the_number_of_steps(model_dir):
    short, long = (build(model_dir("gpt2"), n_steps=n).collector for n in (16, 32))
    policy = build(model_dir("gpt2")).policy
    a, b = short.collect(policy, 1), long.collect(policy, 1)
    n = len(a.texts) - 1
    assert a.prompt_index[:n] == b.prompt_index[:n] and a.texts[:n] == b.texts[:n]


def test_adaptive_kl_moves_by_the_trained_steps(model_dir):
    algorithm = build(model_dir("gpt2"), kl=0.2, kl_target=0.1)
    algorithm.learn(64, log_interval=None)
    assert algorithm.kl_controller.kl_coeff == pytest.approx(0.2 * 0.98)  # KL 0 is far below target


def test_norm_reward(model_dir):
    algorithm = build(model_dir("gpt2"), kl=0.1)
    algorithm.collector.norm_reward = True
    batch = algorithm.collector.collect(algorithm.policy, 0)
    rewards = batch.rewards[batch.mask]
    assert float(rewards.mean()) == pytest.approx(0, abs=1e-6)
    assert float(rewards.std(correction=0)) == pytest.approx(1, abs=1e-3)


def test_a_users_algorithm_from_sb3_trains(model_dir):
    """The example: only `train()`, straight from SB3's class."""
    algorithm = build(model_dir("gpt2"), cls=Reinforce)
    assert isinstance(algorithm, TextRollouts) and isinstance(algorithm, Reinforce)
    before = weights(algorithm).clone()
    algorithm.learn(64, log_interval=None)
    assert not torch.equal(before, weights(algorithm))


class Whitening(Reinforce):
    """Whitens each minibatch, whatever it is told."""

    def train(self) -> None:
        for batch in self.rollout_buffer.get(self.batch_size):
            advantages = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
            _, log_prob, _ = self.policy.evaluate_actions(batch.observations, batch.actions)
            self.policy.optimizer.zero_grad()
            (-(advantages * log_prob).mean()).backward()
            self.policy.optimizer.step()


class WhiteningPPO(PPO):
    """Whitens in a documented hook of the library's own algorithm."""

    def loss(self, batch, clip_range, clip_range_vf=None):
        white = whiten(batch.advantages, torch.ones_like(batch.advantages, dtype=torch.bool))
        return super().loss(dataclasses.replace(batch, advantages=white), clip_range, clip_range_vf)


class AskingPPO(PPO):
    """Whitens a minibatch where `normalize_advantage` says so, as docs/howto/algorithm.md has it."""

    def loss(self, batch, clip_range, clip_range_vf=None):
        assert not self.normalize_advantage, "the buffer has done it"
        return super().loss(batch, clip_range, clip_range_vf)


@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_a_class_of_the_librarys_own_kind_whitens_once(model_dir, unit):
    algorithm = build(model_dir("gpt2"), cls=AskingPPO, minibatch=unit)
    assert (algorithm.normalize_advantage, algorithm.rollout_buffer.normalize_advantage) == (False, True)
    algorithm.set_rollouts(algorithm.collector)  # once more is no other setting
    assert algorithm.rollout_buffer.normalize_advantage
    algorithm.learn(64, log_interval=None)


@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_sb3s_own_ppo_is_whitened_once(model_dir, caplog, unit):
    """Under `episodes` the buffer does what its `train()` would do to single episodes, and the log says so, once."""
    with caplog.at_level(logging.WARNING):
        algorithm = build(model_dir("gpt2"), cls=stable_baselines3.PPO, minibatch=unit, policy={})
        batch = algorithm.collector.collect(algorithm.policy, 0)
        algorithm.rollout_buffer.add_episodes(batch, 0)
    buffer = algorithm.rollout_buffer
    raw, _ = gae(batch.rewards, batch.values, batch.mask, batch.bootstrap, buffer.gamma, buffer.gae_lambda)
    white = unit == "episodes"
    assert_close(buffer.advantages, whiten(raw, batch.mask) if white else raw)
    seen = torch.cat([minibatch.advantages for minibatch in buffer.get(32)])
    assert_close(seen.sort().values, buffer.advantages[batch.mask].sort().values)
    assert (algorithm.normalize_advantage, buffer.normalize_advantage) == (not white, white)
    said = [line for line in caplog.messages if "normalize_advantage" in line and "minibatch: transitions" in line]
    assert len(said) == int(white)
    algorithm.train()  # SB3's own, with the buffer's minibatches
    assert all(math.isfinite(value) for value in algorithm.logger.name_to_value.values())


@pytest.mark.parametrize(
    ("cls", "unit", "arguments", "n_said"),
    [
        (Whitening, "episodes", {}, 1),
        (Whitening, "transitions", {}, 0),
        (Reinforce, "episodes", {}, 0),
        (PPO, "episodes", {}, 0),
        (A2C, "episodes", {"normalize_advantage": True, **NO_PPO}, 0),
        (TRPO, "episodes", {"n_epochs": None}, 0),
        (WhiteningPPO, "episodes", {}, 1),
        (WhiteningPPO, "transitions", {}, 0),
        (stable_baselines3.PPO, "episodes", {"normalize_advantage": False}, 0),
    ],
)
def test_a_train_that_whitens_single_episodes_is_told(model_dir, caplog, cls, unit, arguments, n_said):
    with caplog.at_level(logging.WARNING):
        build(model_dir("gpt2"), cls=cls, minibatch=unit, **arguments)
    assert sum("minibatch: transitions" in line for line in caplog.messages) == n_said


@pytest.mark.parametrize("cls", [PPO, A2C, TRPO])
@pytest.mark.parametrize("value", [0, -0.5, math.nan])
def test_a_number_that_must_be_above_0_is_refused_through_the_api(cls, value):
    """Before anything is loaded; a configuration refuses the same."""
    names = {PPO: ("target_kl", "clip_range", "n_epochs", "batch_size"), TRPO: ("target_kl", "batch_size"), A2C: ()}
    for name in (*names[cls], "gradient_accumulation_steps"):
        with pytest.raises(ConfigError, match=rf"alg\.args\.{name}: expected a number above 0, found {value}\."):
            cls("policy", None, **{name: value})


@pytest.mark.parametrize(
    ("family", "dtype"),
    [*((family, "float32") for family in ("gpt2", "t5", "llama", "opt", "bart", "mt5")), ("gpt2", "bfloat16")],
)
def test_values_of_a_shared_trunk_compute_no_logits(model_dir, family, dtype):
    """Bit for bit the values that a forward with logits gives, with no token shown to the vocabulary's head."""
    algorithm = build(model_dir(family), family, policy={"value_model": "shared", "dtype": dtype})
    policy = algorithm.policy
    torch.nn.init.normal_(policy.value_head.weight)
    view = all_tokens(algorithm.collector.collect(policy, 0).sequences)
    _, wanted = policy._states(view)
    shown = []
    head = policy.policy_model.get_output_embeddings()
    head.register_forward_hook(lambda module, inputs, out: shown.append(tuple(out.shape)))
    assert torch.equal(policy.evaluate_values(view), wanted) and wanted.any()
    assert shown == [(0, VOCAB)]
