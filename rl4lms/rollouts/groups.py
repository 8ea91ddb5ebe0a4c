"""Collects rollouts of whole groups: several completions of each prompt, which is run once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.metrics.base import mean
from rl4lms.numerics.advantages import has_spread
from rl4lms.rollouts.collector import MAX_WAVE, Decoding, RolloutCollector
from rl4lms.rollouts.episodes import EpisodeBatch, join_episodes
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.scoring import Scorer
from rl4lms.tokenization.text_task import TextTask

if TYPE_CHECKING:
    from rl4lms.policies.base import LMActorCriticPolicy


class GroupCollector(RolloutCollector):
    """Collects `n_prompts` groups of `completions_per_prompt` whole episodes per iteration. None is cut.

    n_tokens: groups are drawn until so many tokens have been sampled, greedy ones included, in place of `n_prompts`.

    Group g of iteration i has the prompt that (seed, i, g) draws, and completion j of it is episode g * k + j, whose
    tokens (seed, i, g * k + j) draws. In a launch the groups are shared out to the processes, and stay whole.

    by_reference: the frozen reference makes the completions, not the policy. greedy_baseline: each prompt also gets a
    greedy response, whose score is the `baseline` of its group. n_rounds: above 1, groups whose task scores are all
    equal are discarded, and so many more prompts are drawn, at most so many times ("dynamic sampling",
    arXiv:2503.14476, section 3.2). The rollout then has the groups that were found. If none has, it has those of the
    last round, from which nothing is learnt.
    """

    grouped: ClassVar[bool] = True

    def __init__(
        self,
        task: TextTask,
        scorer: Scorer,
        kl_controller: KLController,
        *,
        n_prompts: int,
        completions_per_prompt: int,
        n_tokens: int | None = None,
        by_reference: bool = False,
        greedy_baseline: bool = False,
        n_rounds: int = 1,
        **kwargs: Any,
    ) -> None:
        n_steps = n_prompts * completions_per_prompt * task.max_episode_length
        super().__init__(task, scorer, kl_controller, n_steps=n_steps, **kwargs)
        self.n_prompts, self.n_rounds, self.greedy_baseline = n_prompts, n_rounds, greedy_baseline
        self.n_tokens = n_tokens
        self.decoding = Decoding(completions_per_prompt, by_reference=by_reference)

    def collect(self, policy: LMActorCriticPolicy, iteration: int) -> EpisodeBatch:
        """The experience of one iteration."""
        drawn: list[EpisodeBatch] = []
        kept: list[EpisodeBatch] = []
        n_found = n_drawn = n_tokens = 0
        n_wanted = self.n_prompts
        while n_found < n_wanted and len(drawn) < self.n_rounds:
            if self.n_tokens is not None and not drawn:
                batch, n = self._first_round(policy, iteration, self.n_tokens)
                n_wanted = n_drawn = len(batch.texts) // self.decoding.n_per_prompt
            else:
                prompts = range(n_drawn, n_drawn + n_wanted - n_found)
                n_drawn = prompts.stop
                batch, n = self._round(policy, iteration, prompts)
            n_tokens += n
            drawn.append(batch)
            useful = self._useful(batch)
            if len(useful):
                kept.append(batch.rows(useful) if len(useful) < len(batch.texts) else batch)
            n_found += len(useful) // self.decoding.n_per_prompt
        self.numbers = {"rollout/n_sampled_tokens": n_tokens} | self._numbers(drawn, n_drawn - n_found)
        return self._penalise(join_episodes(kept or drawn[-1:], self.task.pad_id))

    def _first_round(self, policy: LMActorCriticPolicy, iteration: int, n_tokens: int) -> tuple[EpisodeBatch, int]:
        """Groups for `n_tokens` tokens, in waves: the first of full length, later ones of the mean length so far."""
        of_group = (self.decoding.n_per_prompt + self.greedy_baseline) * float(self.task.max_episode_length)
        waves: list[EpisodeBatch] = []
        n_sampled = n_groups = 0
        while n_sampled < n_tokens:
            more = math.ceil((n_tokens - n_sampled) / of_group)
            batch, n = self._round(policy, iteration, range(n_groups, n_groups + more))
            waves.append(batch)
            n_sampled, n_groups = n_sampled + n, n_groups + more
            of_group = n_sampled / n_groups
        return join_episodes(waves, self.task.pad_id), n_sampled

    def _useful(self, batch: EpisodeBatch) -> Tensor:
        """The episodes to learn from, all but with several rounds those whose group has scores that differ."""
        if self.n_rounds == 1:
            return torch.arange(len(batch.texts))
        return torch.nonzero(has_spread(batch.scores.sum(1), batch.groups)).flatten()

    def _numbers(self, drawn: list[EpisodeBatch], n_discarded: int) -> dict[str, float]:
        """What to log of all groups that were drawn: rewards of those that are kept alone would be biased."""
        numbers: dict[str, float] = {}
        scores = torch.cat([batch.scores.sum(1) for batch in drawn])
        if self.decoding.n_per_prompt > 1:
            spread = torch.cat([has_spread(batch.scores.sum(1), batch.groups) for batch in drawn])
            numbers["rollout/groups_without_spread"] = 1 - float(spread.float().mean())
        if self.n_rounds > 1:
            numbers |= {"rollout/n_rounds": len(drawn), "rollout/n_groups_discarded": n_discarded}
            numbers |= {
                "rollout/ep_rew_mean": float(scores.mean()),
                "rollout/ep_rew_std": float(scores.std(correction=0)),
            }
            for name in drawn[0].score_parts:
                numbers[f"rollout/reward_{name}"] = mean([x for batch in drawn for x in batch.score_parts[name]])
        return numbers

    def _round(self, policy: LMActorCriticPolicy, iteration: int, prompts: range) -> tuple[EpisodeBatch, int]:
        """The scored groups of these prompts, and the number of tokens that were sampled for them."""
        batch = self._respond(policy, iteration, prompts, self.decoding)
        n_tokens = batch.n_steps
        if self.greedy_baseline:
            greedy = self._respond(policy, iteration, prompts, Decoding(greedy=True))
            n_tokens += greedy.n_steps
            columns = vars(batch) | {"baseline": greedy.scores.sum(1).repeat_interleave(self.decoding.n_per_prompt)}
            batch = EpisodeBatch(**columns)
        return batch, n_tokens

    def _respond(self, policy: LMActorCriticPolicy, iteration: int, prompts: range, decoding: Decoding) -> EpisodeBatch:
        waves: list[EpisodeBatch] = []
        owners: list[int] = []
        chunk = max(1, MAX_WAVE // decoding.n_per_prompt)
        for start in range(prompts.start, prompts.stop, chunk):
            progress.phase("rollout, prompt", start, prompts.stop)
            these = range(start, min(start + chunk, prompts.stop))
            for owner, wave in self._generate_together(policy, iteration, these, decoding):
                waves.append(wave)
                owners += [owner] * len(wave.texts)
        return self._score(join_episodes(waves, self.task.pad_id), owners)
