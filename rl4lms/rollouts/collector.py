"""Collects rollouts of whole episodes: generation with a cache, a pass for values, and one for the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError
from rl4lms.core.seeding import torch_generator
from rl4lms.data_pools.sampling import PromptSampler, weights_of
from rl4lms.metrics.base import mean
from rl4lms.numerics.distributed import gather, rank, shares, world_size
from rl4lms.numerics.kl import kl_k1, kl_k3
from rl4lms.numerics.masked import masked_mean, whiten
from rl4lms.policies.sequences import Sequences
from rl4lms.policies.token_rules import token_set
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.rollouts.episodes import EpisodeBatch
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.scoring import Response, Scorer, response_of
from rl4lms.tokenization.observation import encode_prompts, left_pad
from rl4lms.tokenization.text_task import TextTask

if TYPE_CHECKING:
    from rl4lms.policies.base import LMActorCriticPolicy

# The most episodes that are generated in one batch.
MAX_WAVE = 512


@dataclass(frozen=True)
class _Wave:
    """Episodes that were generated together, before the last one is cut at the end of the buffer."""

    sequences: Sequences
    sampler_logprobs: Tensor
    logprobs: Tensor
    raw_logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    index: list[int]

    def to(self, device: torch.device | str) -> _Wave:
        columns = {k: x.to(device) for k, x in vars(self).items() if k != "index"}
        return _Wave(index=self.index, **columns)


class RolloutCollector:
    """Collects exactly `n_steps` steps per iteration. The longest possible episode must fit into them.

    Episode e of iteration k depends only on (seed, k, e) and the policy, because its prompt and tokens are drawn from
    generators with these keys. Episodes fill the buffer in order. The one that exceeds its end is cut: it has no score
    and its return bootstraps with V. Later ones are dropped. In a launch, each episode is generated and scored by one
    process, and all processes get the same batch.
    """

    def __init__(
        self,
        task: TextTask,
        scorer: Scorer,
        kl_controller: KLController,
        *,
        n_steps: int,
        seed: int,
        norm_reward: bool = False,
    ) -> None:
        if n_steps < task.max_episode_length:
            raise ConfigError(
                f"rollouts: {n_steps} steps (n_steps * n_envs) cannot hold one episode of max_episode_length "
                f"{task.max_episode_length}; it would be cut at every end of the buffer, and a cut episode has no "
                f"score. Expected at least {task.max_episode_length} steps."
            )
        self.task, self.scorer, self.kl_controller = task, scorer, kl_controller
        self.n_steps, self.seed, self.norm_reward = n_steps, seed, norm_reward
        self.prompts = PromptSampler(weights_of(task.samples), seed, task.priority_scale)

    def collect(self, policy: LMActorCriticPolicy, iteration: int) -> EpisodeBatch:
        """The experience of one iteration, with the KL penalty."""
        waves: list[_Wave] = []
        owners: list[int] = []  # for each episode, the rank of the process that generated it
        steps = episodes = 0
        while steps < self.n_steps:
            progress.phase("rollout, step", steps, self.n_steps)
            longest = self.task.max_episode_length if not episodes else max(steps / episodes, 1.0)
            n = min(math.ceil((self.n_steps - steps) / longest), MAX_WAVE)
            for owner, wave in self._generate_together(policy, iteration, range(episodes, episodes + n)):
                waves.append(wave)
                owners += [owner] * len(wave.index)
                steps += int(wave.sequences.response_mask.sum())
            episodes += n
        return self._assemble(_concatenate(waves, self.task.pad_id), owners)

    def _generate_together(
        self, policy: LMActorCriticPolicy, iteration: int, episodes: range
    ) -> list[tuple[int, _Wave]]:
        """(rank, its episodes) for every process, in order. The result is the same on every process."""
        if world_size() == 1:
            return [(0, self._generate(policy, iteration, episodes))]
        own = shares(episodes)[rank()]
        wave = self._generate(policy, iteration, own).to("cpu") if own else None
        return [(owner, each.to(policy.device)) for owner, each in enumerate(gather(wave)) if each is not None]

    def _generate(self, policy: LMActorCriticPolicy, iteration: int, episodes: Sequence[int]) -> _Wave:
        task, device = self.task, policy.device
        index = self.prompts.indices(iteration, episodes)
        texts = [task.samples[i][0].prompt_or_input_text for i in index]
        ids = encode_prompts(task.tokenizer, texts, task.max_prompt_length, task.prompt_truncation_side)
        prompt_ids, prompt_mask = (x.to(device) for x in left_pad(ids, task.pad_id))
        kwargs = policy.generation_kwargs
        if kwargs.get("max_new_tokens") not in (None, task.max_episode_length):
            raise ConfigError(
                f"generation_kwargs.max_new_tokens: {kwargs['max_new_tokens']}, but an episode of the task ends after "
                f"max_episode_length {task.max_episode_length}; make them equal."
            )
        spec = SamplingSpec.from_kwargs(kwargs, task.max_episode_length, task.terminate_on_eos)
        draws = [self._draws(iteration, e, spec.max_new_tokens) for e in episodes]
        decoded = policy.generate(
            prompt_ids,
            prompt_mask,
            spec,
            eos_id=token_set(task.stop_ids.union(token_set(kwargs.get("eos_token_id")))),
            pad_id=task.pad_id,
            uniforms=torch.stack(draws).to(device),
        )
        sequences = Sequences(
            prompt_ids, prompt_mask, decoded.response_ids, decoded.response_mask, decoded.action_mask_bits
        )
        logprobs, raw = decoded.logprobs, decoded.raw_logprobs
        if policy.half_precision:  # because the sampler and the update round differently
            logprobs, raw = policy.sequence_logprobs(sequences)
        reference, values = policy.reference_logprobs(sequences), policy.sequence_values(sequences)
        return _Wave(sequences, decoded.logprobs, logprobs, raw, reference, values, index)

    def _draws(self, iteration: int, episode: int, n: int) -> Tensor:
        generator = torch_generator(self.seed, "rollout", iteration, episode)
        return torch.rand(n, generator=generator, dtype=torch.float64)

    def _assemble(self, wave: _Wave, owners: list[int]) -> EpisodeBatch:
        """Cut the last episode at the end of the buffer, score the episodes, and add the KL penalty."""
        lengths = wave.sequences.response_mask.sum(1)
        before = lengths.cumsum(0) - lengths
        kept = lengths.minimum((self.n_steps - before).clamp(min=0))
        n = int((kept > 0).sum())
        ended = (kept == lengths)[:n]
        rows = torch.arange(n, device=lengths.device)
        bootstrap = torch.where(ended, 0.0, wave.values[rows, kept[:n].clamp(max=wave.values.shape[1] - 1)])
        steps = torch.arange(wave.values.shape[1], device=lengths.device)
        mask = steps < kept[:n].unsqueeze(1)
        bits = wave.sequences.action_mask_bits
        sequences = Sequences(
            wave.sequences.prompt_ids[:n],
            wave.sequences.prompt_mask[:n],
            wave.sequences.response_ids[:n],
            mask,
            None if bits is None else bits[:n],
        )
        progress.phase("scoring the rollout")
        responses = self._responses(sequences, ended, wave.index[:n])
        scores, parts = self._scores(responses, mask, owners)
        raw, reference = (torch.where(mask, x[:n], 0.0) for x in (wave.raw_logprobs, wave.ref_logprobs))
        rewards = torch.where(mask, scores - self.kl_controller.kl_coeff * kl_k1(raw, reference), 0.0)
        if self.norm_reward:
            rewards = whiten(rewards, mask, unbiased=False)
        return EpisodeBatch(
            sequences=sequences,
            logprobs=torch.where(mask, wave.logprobs[:n], 0.0),
            raw_logprobs=raw,
            ref_logprobs=reference,
            values=torch.where(mask, wave.values[:n], 0.0),
            scores=scores,
            rewards=rewards,
            ended=ended,
            bootstrap=bootstrap,
            prompt_index=wave.index[:n],
            texts=[r.text for r in responses],
            sampler_logprobs=torch.where(mask, wave.sampler_logprobs[:n], 0.0),
            score_parts=parts,
        )

    def _responses(self, sequences: Sequences, ended: Tensor, index: list[int]) -> list[Response]:
        lengths = sequences.response_mask.sum(1).tolist()
        rows = sequences.response_ids.tolist()
        prompts = [ids[mask].tolist() for ids, mask in zip(sequences.prompt_ids, sequences.prompt_mask, strict=True)]
        return [
            response_of(self.task, self.task.samples[i][0], row[:length], bool(end), prompt)
            for i, row, length, end, prompt in zip(index, rows, lengths, ended.tolist(), prompts, strict=True)
        ]

    def _scores(
        self, responses: list[Response], mask: Tensor, owners: list[int]
    ) -> tuple[Tensor, dict[str, list[float]]]:
        """(B, T) scores and their parts. Each episode is scored by the process that generated it."""
        own = [response for response, owner in zip(responses, owners, strict=False) if owner == rank()]
        shared = gather((self.scorer(own), self.scorer.parts) if own else ([], {}))
        rows = [iter(each) for each, _ in shared]
        parts: dict[str, list[float]] = {}
        for _, more in shared:
            for name, found in more.items():
                parts.setdefault(name, []).extend(found)
        scores = torch.zeros(mask.shape)
        for i, owner in enumerate(owners[: len(responses)]):
            row = next(rows[owner])
            scores[i, : len(row)] = torch.tensor(row)
        return scores.to(mask.device), parts


def _concatenate(waves: list[_Wave], pad_id: int) -> _Wave:
    """Join waves into one, padded to the longest prompt (left) and the longest response (right)."""
    if len(waves) == 1:
        return waves[0]
    p = max(w.sequences.prompt_ids.shape[1] for w in waves)
    t = max(w.sequences.response_ids.shape[1] for w in waves)

    def left(x: Tensor, value: Any) -> Tensor:
        return torch.nn.functional.pad(x, (p - x.shape[1], 0), value=value)

    def right(x: Tensor, value: Any) -> Tensor:
        pad = (0, 0) * (x.ndim - 2) + (0, t - x.shape[1])
        return torch.nn.functional.pad(x, pad, value=value)

    bits = [w.sequences.action_mask_bits for w in waves]
    width = next((b.shape[-1] for b in bits if b is not None), 0)
    if width:
        full = [
            torch.full((*w.values.shape, width), 255, dtype=torch.uint8, device=w.values.device) if b is None else b
            for b, w in zip(bits, waves, strict=True)
        ]
    sequences = Sequences(
        torch.cat([left(w.sequences.prompt_ids, pad_id) for w in waves]),
        torch.cat([left(w.sequences.prompt_mask, False) for w in waves]),
        torch.cat([right(w.sequences.response_ids, pad_id) for w in waves]),
        torch.cat([right(w.sequences.response_mask, False) for w in waves]),
        torch.cat([right(b, 255) for b in full]) if width else None,
    )
    columns = ("sampler_logprobs", "logprobs", "raw_logprobs", "ref_logprobs", "values")
    joined = {name: torch.cat([right(getattr(w, name), 0.0) for w in waves]) for name in columns}
    return _Wave(sequences, **joined, index=[i for w in waves for i in w.index])


def rollout_info(batch: EpisodeBatch, kl_coeff: float) -> dict[str, float]:
    """The logged numbers of one iteration, over its real tokens. Scores are those of episodes that ended."""
    mask = batch.mask
    lengths = mask.sum(1).float()
    ended = batch.ended
    scores = batch.scores.sum(1)[ended] if bool(ended.any()) else batch.scores.sum(1)
    kl = kl_k1(batch.raw_logprobs, batch.ref_logprobs)
    penalty = -kl_coeff * torch.where(mask, kl, 0.0).sum(1)
    return {
        "rollout/ep_rew_mean": float(scores.mean()),
        "rollout/ep_rew_std": float(scores.std(correction=0)),
        **{f"rollout/reward_{name}": mean(part) for name, part in batch.score_parts.items()},
        "rollout/ep_kl_rew_mean": float(penalty.mean()),
        "rollout/ep_len_mean": float(lengths.mean()),
        "rollout/kl_mean": float(masked_mean(kl, mask)),
        "rollout/kl_k3_mean": float(masked_mean(kl_k3(batch.raw_logprobs, batch.ref_logprobs), mask)),
        "rollout/kl_coeff": float(kl_coeff),
        "rollout/logprob_mean": float(masked_mean(batch.logprobs, mask)),
        "rollout/value_mean": float(masked_mean(batch.values, mask)),
        "rollout/n_episodes": len(lengths),
        "rollout/n_cut": int((~ended).sum()),
        "rollout/n_steps": batch.n_steps,
    }
