"""What algorithms without a critic share: rollouts of whole groups of completions, and the passes of an update."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from rl4lms.algorithms.on_policy_text import Loss, TextRollouts, check_positive, norm_limit
from rl4lms.core.errors import ConfigError
from rl4lms.rollouts.collector import RolloutCollector
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples
from rl4lms.rollouts.groups import GroupCollector
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.scoring import Scorer
from rl4lms.tokenization.text_task import TextTask

# Arguments of SB3's class that have no use without values of states.
FIXED: dict[str, Any] = {"gamma": 1.0, "gae_lambda": 1.0, "vf_coef": 0.0, "use_sde": False, "sde_sample_freq": -1}


class GroupRollouts(TextRollouts):
    """An algorithm whose iteration has `n_prompts` prompts with `completions_per_prompt` whole episodes each.

    Its budget counts episodes; with n_tokens it counts tokens, and an iteration has as many prompts as give so many.
    There is no critic: the policy has `value_model: none`, and `advantages` compares episodes. n_minibatches: the
    optimiser steps of one of the `n_epochs` passes; each has whole groups. gradient_accumulation_steps: the parts into
    which a step is divided to save memory. ent_coef: of the entropy.
    """

    critic: ClassVar[bool | None] = False
    least_completions: ClassVar[int] = 2  # of a prompt; 1 if no completion is compared with the others of its prompt
    kl_in_reward: bool = False
    greedy_baseline: bool = False  # whether the score of a greedy response to the prompt is needed
    n_rounds: int = 1  # of dynamic sampling (`rl4lms.rollouts.groups`)
    target_kl: float | None = None  # ends the passes of an update, as in PPO

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: Any = 1e-6,
        n_prompts: int = 8,
        completions_per_prompt: int = 8,
        n_minibatches: int = 1,
        n_epochs: int = 1,
        ent_coef: float = 0.0,
        max_grad_norm: float | None = 1.0,
        gradient_accumulation_steps: int = 1,
        n_tokens: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive(
            n_tokens=n_tokens, n_prompts=n_prompts, completions_per_prompt=completions_per_prompt, n_epochs=n_epochs
        )
        check_positive(n_minibatches=n_minibatches, gradient_accumulation_steps=gradient_accumulation_steps)
        if completions_per_prompt < self.least_completions:
            raise ConfigError(
                f"alg.args.completions_per_prompt: {completions_per_prompt}, expected at least "
                f"{self.least_completions}: a completion is compared with the others of its prompt."
            )
        self.n_prompts, self.completions_per_prompt, self.n_tokens = n_prompts, completions_per_prompt, n_tokens
        self.n_minibatches, self.n_epochs = n_minibatches, n_epochs
        self.gradient_accumulation_steps = gradient_accumulation_steps
        for name in ("n_steps", *FIXED):
            if name in kwargs:
                raise ConfigError(
                    f"alg.args.{name}: {type(self).__name__} has no critic, and an iteration is n_prompts times "
                    "completions_per_prompt episodes; remove it."
                )
        super().__init__(
            policy,
            env,
            learning_rate,
            ent_coef=ent_coef,
            max_grad_norm=norm_limit(max_grad_norm),
            n_steps=self.budget,
            **FIXED,
            **kwargs,
        )

    @property
    def budget(self) -> int:
        """The episodes of an iteration, or its tokens."""
        return self.n_prompts * self.completions_per_prompt if self.n_tokens is None else self.n_tokens

    def make_collector(
        self, task: TextTask, scorer: Scorer, kl_controller: KLController, norm_reward: bool
    ) -> RolloutCollector:
        if norm_reward:
            raise ConfigError("alg.kl_div.norm_reward: not used by an algorithm without a critic; write false.")
        return GroupCollector(
            task,
            scorer,
            kl_controller,
            n_prompts=self.n_prompts,
            n_tokens=self.n_tokens,
            completions_per_prompt=self.completions_per_prompt,
            by_reference=self.by_reference,
            greedy_baseline=self.greedy_baseline,
            n_rounds=self.n_rounds,
            seed=self.seed or 0,
            kl_in_reward=self.kl_in_reward,
        )

    def train(self) -> None:
        """One update: `n_epochs` passes over the groups in `n_minibatches` optimiser steps."""
        self._update_learning_rate(self.policy.optimizer)
        self.run_epochs(self.n_epochs, None, self.accumulate_gradients, self.target_kl)

    def accumulate_gradients(self, batch: RolloutSamples) -> dict[str, float]:
        """Set `.grad` to the gradient of an optimiser step's loss. Returns the numbers to log."""
        return self.accumulate(batch, self.loss, self.gradient_accumulation_steps)

    def _check_reproduction(self, batch: EpisodeBatch) -> dict[str, float]:
        return {} if self.by_reference else super()._check_reproduction(batch)

    def set_rollouts(self, *args: Any) -> None:
        super().set_rollouts(*args)
        self.rollout_buffer.estimator, self.rollout_buffer.n_minibatches = self.advantages, self.n_minibatches

    @abstractmethod
    def loss(self, batch: RolloutSamples) -> Loss:
        """The loss of a part of an optimiser step, and the terms to log: weighted sums over its tokens."""

    @abstractmethod
    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        """(B,) advantages of episodes, or (B, T) of tokens."""
