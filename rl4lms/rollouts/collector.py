"""Collects rollouts of whole episodes: generation with a cache, a pass for values, and one for the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.core.conversations import prompt_of
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
from rl4lms.rollouts.episodes import EpisodeBatch, join_episodes
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.scoring import Response, Scorer, response_of
from rl4lms.tokenization.observation import encode_prompts, left_pad
from rl4lms.tokenization.text_task import TextTask

if TYPE_CHECKING:
    from rl4lms.policies.base import LMActorCriticPolicy

# The most episodes that are generated in one batch.
MAX_WAVE = 512


@dataclass(frozen=True)
class Decoding:
    """How the responses to a prompt are made: how many, sampled or greedily, by the policy or by the reference."""

    n_per_prompt: int = 1
    greedy: bool = False
    by_reference: bool = False


SAMPLED = Decoding()


class RolloutCollector:
    """Collects exactly `n_steps` steps per iteration. The longest possible episode must fit into them.

    Episode e of iteration k depends only on (seed, k, e) and the policy, because its prompt and tokens are drawn from
    generators with these keys. Episodes fill the buffer in order. The one that exceeds its end is cut: it has no score
    and its return bootstraps with V. Later ones are dropped. In a launch, each episode is generated and scored by one
    process, and all processes get the same batch.
    """

    grouped: ClassVar[bool] = False  # whether several episodes have one prompt

    def __init__(
        self,
        task: TextTask,
        scorer: Scorer,
        kl_controller: KLController,
        *,
        n_steps: int,
        seed: int,
        norm_reward: bool = False,
        kl_in_reward: bool = True,
    ) -> None:
        if n_steps < task.max_episode_length:
            raise ConfigError(
                f"rollouts: {n_steps} steps (n_steps * n_envs) cannot hold one episode of max_episode_length "
                f"{task.max_episode_length}; it would be cut at every end of the buffer, and a cut episode has no "
                f"score. Expected at least {task.max_episode_length} steps."
            )
        self.task, self.scorer, self.kl_controller = task, scorer, kl_controller
        self.n_steps, self.seed, self.norm_reward, self.kl_in_reward = n_steps, seed, norm_reward, kl_in_reward
        self.numbers: dict[str, float] = {}  # to log, of the last rollout: what its episodes do not tell
        self.prompts = PromptSampler(weights_of(task.samples), seed, task.priority_scale)

    def collect(self, policy: LMActorCriticPolicy, iteration: int) -> EpisodeBatch:
        """The experience of one iteration, with the KL penalty."""
        waves: list[EpisodeBatch] = []
        owners: list[int] = []  # for each episode, the rank of the process that generated it
        steps = episodes = 0
        while steps < self.n_steps:
            progress.phase("rollout, step", steps, self.n_steps)
            longest = self.task.max_episode_length if not episodes else max(steps / episodes, 1.0)
            n = min(math.ceil((self.n_steps - steps) / longest), MAX_WAVE)
            for owner, wave in self._generate_together(policy, iteration, range(episodes, episodes + n)):
                waves.append(wave)
                owners += [owner] * len(wave.texts)
                steps += wave.n_steps
            episodes += n
        self.numbers = {"rollout/n_sampled_tokens": steps}
        return self._penalise(self._score(self._cut(join_episodes(waves, self.task.pad_id)), owners))

    def _generate_together(
        self, policy: LMActorCriticPolicy, iteration: int, prompts: range, decoding: Decoding = SAMPLED
    ) -> list[tuple[int, EpisodeBatch]]:
        """(rank, its episodes) for every process, in order. The result is the same on every process."""
        if world_size() == 1:
            return [(0, self._generate(policy, iteration, prompts, decoding))]
        own = shares(prompts)[rank()]
        wave = self._generate(policy, iteration, own, decoding) if own else None
        return [(owner, each) for owner, each in enumerate(gather(wave)) if each is not None]

    def _generate(
        self, policy: LMActorCriticPolicy, iteration: int, prompts: Sequence[int], decoding: Decoding
    ) -> EpisodeBatch:
        """Episodes without scores: `decoding.n_per_prompt` for each of the iteration's prompts with these numbers."""
        task, device, k = self.task, policy.device, decoding.n_per_prompt
        index = self.prompts.indices(iteration, prompts)
        read = [prompt_of(task.samples[i][0]) for i in index]
        ids = encode_prompts(task.tokenizer, read, task.max_prompt_length, task.prompt_truncation_side)
        prompt_ids, prompt_mask = (x.to(device) for x in left_pad(ids, task.pad_id))
        kwargs = policy.generation_kwargs
        if kwargs.get("max_new_tokens") not in (None, task.max_episode_length):
            raise ConfigError(
                f"generation_kwargs.max_new_tokens: {kwargs['max_new_tokens']}, but an episode of the task ends after "
                f"max_episode_length {task.max_episode_length}; make them equal."
            )
        spec = SamplingSpec.from_kwargs(kwargs, task.max_episode_length, task.terminate_on_eos)
        spec = replace(spec, do_sample=spec.do_sample and not decoding.greedy)
        draws = [self._draws(iteration, e, spec.max_new_tokens) for p in prompts for e in range(p * k, p * k + k)]
        decoded = policy.generate(
            prompt_ids,
            prompt_mask,
            spec,
            eos_id=token_set(task.stop_ids.union(token_set(kwargs.get("eos_token_id")))),
            pad_id=task.pad_id,
            uniforms=torch.stack(draws).to(device),
            n_per_prompt=k,
            by_reference=decoding.by_reference,
            texts=[task.continuation(each) for each in ids] if task.stop_strings else None,
        )
        sequences = Sequences(
            prompt_ids.repeat_interleave(k, 0),
            prompt_mask.repeat_interleave(k, 0),
            decoded.response_ids,
            decoded.response_mask,
            decoded.action_mask_bits,
            torch.tensor(prompts, device=device).repeat_interleave(k) if self.grouped else None,
        )
        logprobs, raw = decoded.logprobs, decoded.raw_logprobs
        if policy.half_precision or decoding.by_reference:  # because the sampler is not, or rounds not as, the update
            logprobs, raw = policy.sequence_logprobs(sequences)
        zeros = torch.zeros_like(logprobs)
        scored = not decoding.greedy  # nothing is learnt from the tokens of a greedy response
        return EpisodeBatch(
            sequences=sequences,
            logprobs=logprobs,
            raw_logprobs=raw,
            ref_logprobs=policy.reference_logprobs(sequences) if scored else zeros,
            values=policy.sequence_values(sequences) if scored else zeros,
            scores=zeros,
            rewards=zeros,
            ended=torch.ones(len(sequences), dtype=torch.bool, device=device),
            bootstrap=zeros[:, 0],
            prompt_index=[i for i in index for _ in range(k)],
            texts=[""] * len(sequences),
            sampler_logprobs=decoded.logprobs,
        )

    def _draws(self, iteration: int, episode: int, n: int) -> Tensor:
        generator = torch_generator(self.seed, "rollout", iteration, episode)
        return torch.rand(n, generator=generator, dtype=torch.float64)

    def _cut(self, wave: EpisodeBatch) -> EpisodeBatch:
        """The episodes that fit into the buffer. The last of them is cut at its end."""
        lengths = wave.mask.sum(1)
        before = lengths.cumsum(0) - lengths
        kept = lengths.minimum((self.n_steps - before).clamp(min=0))
        n = int((kept > 0).sum())
        kept, ended = kept[:n], (kept == lengths)[:n]
        rows = torch.arange(n, device=lengths.device)
        width = wave.values.shape[1]
        bootstrap = torch.where(ended, 0.0, wave.values[rows, kept.clamp(max=width - 1)])
        mask = torch.arange(width, device=lengths.device) < kept.unsqueeze(1)
        whole = wave.rows(rows)
        sequences = replace(whole.sequences, response_mask=mask[:, : whole.values.shape[1]])
        return replace(whole, sequences=sequences, ended=ended, bootstrap=bootstrap)

    def _score(self, wave: EpisodeBatch, owners: list[int]) -> EpisodeBatch:
        """The episodes with their texts and scores. owners: the rank that generated an episode, and scores it."""
        progress.phase("scoring the rollout")
        responses = self._responses(wave.sequences, wave.ended, wave.prompt_index)
        scores, parts = self._scores(responses, wave.mask, owners)
        return replace(wave, scores=scores, score_parts=parts, texts=[r.text for r in responses])

    def _penalise(self, batch: EpisodeBatch) -> EpisodeBatch:
        """The episodes with their rewards: scores, less the KL penalty if it is in the reward. Padding becomes 0."""
        mask = batch.mask
        names = ("logprobs", "raw_logprobs", "ref_logprobs", "values", "sampler_logprobs")
        columns: dict[str, Any] = {name: torch.where(mask, getattr(batch, name), 0.0) for name in names}
        batch = replace(batch, **columns)
        coeff = self.kl_controller.kl_coeff if self.kl_in_reward else 0.0
        rewards = torch.where(mask, batch.scores - coeff * kl_k1(batch.raw_logprobs, batch.ref_logprobs), 0.0)
        if self.norm_reward:
            rewards = whiten(rewards, mask, unbiased=False)
        return replace(batch, rewards=rewards)

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


def rollout_info(
    batch: EpisodeBatch, kl_coeff: float, *, by_reference: bool = False, kl_in_reward: bool = True
) -> dict[str, float]:
    """The logged numbers of one iteration, over its real tokens. Scores are those of episodes that ended.

    The KL is that of the policy from the reference; of the reference from the policy if it made the episodes. There is
    no reward of the KL where this is in the loss.
    """
    mask = batch.mask
    lengths = mask.sum(1).float()
    ended = batch.ended
    scores = batch.scores.sum(1)[ended] if bool(ended.any()) else batch.scores.sum(1)
    pair = (batch.raw_logprobs, batch.ref_logprobs)[:: -1 if by_reference else 1]
    kl = kl_k1(*pair)
    penalty = -kl_coeff * torch.where(mask, kl, 0.0).sum(1)
    return {
        "rollout/ep_rew_mean": float(scores.mean()),
        "rollout/ep_rew_std": float(scores.std(correction=0)),
        **{f"rollout/reward_{name}": mean(part) for name, part in batch.score_parts.items()},
        **({"rollout/ep_kl_rew_mean": float(penalty.mean())} if kl_in_reward else {}),
        "rollout/ep_len_mean": float(lengths.mean()),
        "rollout/ep_len_std": float(lengths.std(correction=0)),
        "rollout/kl_mean": float(masked_mean(kl, mask)),
        "rollout/kl_k3_mean": float(masked_mean(kl_k3(*pair), mask)),
        "rollout/kl_coeff": float(kl_coeff),
        "rollout/logprob_mean": float(masked_mean(batch.logprobs, mask)),
        "rollout/value_mean": float(masked_mean(batch.values, mask)),
        "rollout/n_episodes": len(lengths),
        "rollout/n_cut": int((~ended).sum()),
        "rollout/n_steps": batch.n_steps,
    }
