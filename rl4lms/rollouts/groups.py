"""Collects rollouts of whole groups: several completions of each prompt, which is run once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch

from rl4lms.core import progress
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
        by_reference: bool = False,
        greedy_baseline: bool = False,
        n_rounds: int = 1,
        **kwargs: Any,
    ) -> None:
        n_steps = n_prompts * completions_per_prompt * task.max_episode_length
        super().__init__(task, scorer, kl_controller, n_steps=n_steps, **kwargs)
        self.n_prompts, self.n_rounds, self.greedy_baseline = n_prompts, n_rounds, greedy_baseline
        self.decoding = Decoding(completions_per_prompt, by_reference=by_reference)

    def collect(self, policy: LMActorCriticPolicy, iteration: int) -> EpisodeBatch:
        """The experience of one iteration."""
        kept: list[EpisodeBatch] = []
        n_found = n_drawn = n_discarded = n_tokens = 0
        for n_round in range(1, self.n_rounds + 1):
            prompts = range(n_drawn, n_drawn + self.n_prompts - n_found)
            n_drawn = prompts.stop
            batch, n = self._round(policy, iteration, prompts)
            n_tokens += n
            if self.n_rounds > 1:
                useful = has_spread(batch.scores.sum(1), batch.groups)
                n_useful = int(useful.sum()) // self.decoding.n_per_prompt
                n_discarded += len(prompts) - n_useful
                if n_useful or (n_round == self.n_rounds and not n_found):
                    kept.append(batch.rows(torch.nonzero(useful).flatten()) if n_useful else batch)
                n_found += n_useful
            else:
                kept, n_found = [batch], self.n_prompts
            if n_found == self.n_prompts:
                break
        rollout = join_episodes(kept, self.task.pad_id)
        alike = 1 - float(has_spread(rollout.scores.sum(1), rollout.groups).float().mean())
        self.numbers = {"rollout/n_sampled_tokens": n_tokens, "rollout/groups_without_spread": alike}
        if self.n_rounds > 1:
            self.numbers |= {"rollout/n_rounds": n_round, "rollout/n_groups_discarded": n_discarded}
        return self._penalise(rollout)

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
