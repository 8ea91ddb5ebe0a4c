"""docs/numerics.md, line 15: the logged numbers of a rollout are over real tokens; joining waves changes nothing."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
import torch

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.policies.decoding import Decoded
from rl4lms.policies.sequences import Sequences
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.rollouts.collector import RolloutCollector, rollout_info
from rl4lms.rollouts.episodes import EpisodeBatch
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.scoring import BatchedScorer
from rl4lms.tokenization.text_task import TextTask
from tests.conftest import EOS, PAD, word_tokenizer


def batch(extra: int = 0, value: float = 0.0) -> EpisodeBatch:
    g = torch.Generator().manual_seed(0)
    mask = torch.arange(5) < torch.tensor([5, 2, 3]).unsqueeze(1)

    def column() -> torch.Tensor:
        x = torch.where(mask, torch.randn(3, 5, generator=g), 0.0)
        return torch.cat([x, torch.full((3, extra), value)], 1)

    wide = torch.cat([mask, torch.zeros(3, extra, dtype=torch.bool)], 1)
    ids = torch.zeros(3, 5 + extra, dtype=torch.int64)
    prompt = torch.ones(3, 2, dtype=torch.int64)
    sequences = Sequences(prompt, prompt.bool(), ids, wide)
    logprobs, raw, ref, values = (column() for _ in range(4))
    scores = torch.zeros(3, 5 + extra)
    scores[0, 4], scores[1, 1] = 0.5, 1.5
    return EpisodeBatch(
        sequences,
        logprobs,
        raw,
        ref,
        values,
        scores,
        scores,
        torch.tensor([True, True, False]),
        torch.zeros(3),
        [0, 1, 2],
        [""] * 3,
    )


def test_hand_values():
    info = rollout_info(batch(), 0.1)
    assert info["rollout/ep_rew_mean"] == pytest.approx(1.0), "over the episodes that ended"
    assert info["rollout/ep_len_mean"] == pytest.approx(10 / 3)
    assert (info["rollout/n_episodes"], info["rollout/n_cut"], info["rollout/n_steps"]) == (3, 1, 10)
    b = batch()
    kl = (b.raw_logprobs - b.ref_logprobs)[b.mask]
    assert info["rollout/kl_mean"] == pytest.approx(float(kl.mean()))
    assert info["rollout/ep_kl_rew_mean"] == pytest.approx(float(-0.1 * kl.sum() / 3))


def test_padding_changes_no_logged_number():
    padded = batch(extra=100, value=float("nan"))
    zeroed = dataclasses.replace(padded, scores=torch.nan_to_num(padded.scores))
    assert rollout_info(zeroed, 0.1) == pytest.approx(rollout_info(batch(), 0.1))


class Lengths(BatchedRewardFunction):
    """1 + the number of words: no episode that ended scores 0."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [1.0 + len(text.split()) for text in gen_texts]


class DrawnLengths:
    """A policy whose texts end by eos after a drawn number of tokens, `early` of them before the limit."""

    device, half_precision, generation_kwargs = torch.device("cpu"), False, {"do_sample": True}

    def __init__(self, early: float) -> None:
        self.early = early

    def generate(self, prompt_ids: Any, prompt_mask: Any, spec: Any, *, uniforms: Any, **_: Any) -> Decoded:
        limit = spec.max_new_tokens
        drawn = (uniforms[:, -1] / max(self.early, 1e-9) * limit).long() + 1
        n = torch.where(uniforms[:, -1] < self.early, drawn.clamp(max=limit), limit)
        t = int(n.max())
        mask = torch.arange(t) < n.unsqueeze(1)
        ids = torch.where(mask, 7, PAD)
        ids[torch.arange(len(n)), n - 1] = torch.where(n < limit, EOS, 7)
        return Decoded(ids, mask, torch.zeros(mask.shape), torch.zeros(mask.shape), None)

    def reference_logprobs(self, sequences: Sequences) -> torch.Tensor:
        return torch.zeros(sequences.response_ids.shape)

    def sequence_values(self, sequences: Sequences) -> torch.Tensor:
        return torch.arange(1.0, sequences.response_ids.shape[1] + 1).expand(sequences.response_ids.shape)


def collector(n_steps: int, longest: int) -> RolloutCollector:
    samples = [(Sample(str(i), "w5", [""]), 1.0) for i in range(3)]
    task = TextTask(word_tokenizer(), Lengths(), samples, longest, 4, terminate_on_eos=True)
    return RolloutCollector(task, BatchedScorer(task), KLController(0.0), n_steps=n_steps, seed=0)


def test_every_buffer_is_filled_exactly_and_the_last_episode_alone_is_cut_once() -> None:
    draw = random.Random(0)
    n_cut = 0
    for _ in range(150):
        longest, n_envs = draw.randint(1, 12), draw.randint(1, 5)
        n_steps = n_envs * draw.randint(-(-longest // n_envs), 20)
        batch = collector(n_steps, longest).collect(DrawnLengths(draw.choice([0.0, 0.5, 1.0])), draw.randint(0, 9))  # type: ignore[arg-type]
        lengths = batch.mask.sum(1).tolist()
        assert batch.n_steps == n_steps and min(lengths) > 0 and max(lengths) <= longest
        assert batch.ended[:-1].all()
        ends = batch.sequences.response_ids[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
        for i, (n, end, ended) in enumerate(zip(lengths, ends.tolist(), batch.ended.tolist(), strict=True)):
            whole = n == longest or end == EOS
            assert ended == whole, "an episode ends by eos or at the limit, and a cut one by neither"
            assert (batch.scores[i] != 0).nonzero().flatten().tolist() == ([n - 1] if ended else [])
            assert float(batch.bootstrap[i]) == (0.0 if ended else n + 1), "V of the state after the cut"
        n_cut += int(not batch.ended[-1])
    assert n_cut > 30


@pytest.mark.parametrize(("n_steps", "longest"), [(7, 8), (4, 8), (1, 2)])
def test_a_buffer_that_cannot_hold_an_episode_is_refused(n_steps: int, longest: int) -> None:
    with pytest.raises(ConfigError, match=rf"{n_steps} steps .* cannot hold one episode .* at least {longest} steps"):
        collector(n_steps, longest)
    assert collector(longest, longest).collect(DrawnLengths(0.0), 0).ended.tolist() == [True]  # type: ignore[arg-type]
