"""Runs on-policy algorithms of Stable-Baselines3 on whole episodes of text."""

from __future__ import annotations

import inspect
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import update_learning_rate
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError
from rl4lms.numerics.distributed import sum_gradients, sum_numbers
from rl4lms.numerics.schedules import RateSchedule
from rl4lms.policies.base import LMActorCriticPolicy
from rl4lms.policies.token_rules import token_set
from rl4lms.rollouts.buffer import EpisodeRolloutBuffer
from rl4lms.rollouts.collector import RolloutCollector, rollout_info
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples
from rl4lms.rollouts.kl_controller import KLController
from rl4lms.rollouts.reproduction import check_reproduction
from rl4lms.rollouts.scoring import BatchedScorer, Scorer
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tracking.tracker import Tracker

log = logging.getLogger(__name__)

Loss = tuple[torch.Tensor, dict[str, torch.Tensor]]  # and the terms to log, scalars


def check_positive(**arguments: Any) -> None:
    """Raises ConfigError for a number of `alg.args` that is not above 0. None and schedules are not checked."""
    for name, value in arguments.items():
        if isinstance(value, int | float) and not value > 0:
            raise ConfigError(f"alg.args.{name}: expected a number above 0, found {value}.")


def norm_limit(max_grad_norm: float | None) -> float:
    """`max_grad_norm` as a number, as SB3 needs it; None becomes infinity, with which gradients are not clipped."""
    return math.inf if max_grad_norm is None else max_grad_norm


UPDATE_HOOKS = ("train", "accumulate_gradients", "loss")  # methods in which a user's class may whiten advantages
WHITENING = {"std", "std_mean", "var", "var_mean", "masked_std", "whiten"}


def _whitens(method: Any) -> bool:
    """Whether a method calls functions that whitening needs, and does not read `normalize_advantage`."""
    code = getattr(inspect.unwrap(method), "__code__", None) if method is not None else None
    called = set() if code is None else {*code.co_names}
    return bool(called & WHITENING) and "normalize_advantage" not in called


class TextRollouts(OnPolicyAlgorithm):
    """A mixin that gives an on-policy algorithm of SB3 rollouts of whole episodes. It stands before the class of SB3.

    `set_rollouts` must be called once before `learn`. `learn` is called once for the whole run, so that schedules cover
    it. At update k of N the remaining progress is 1 - k/N; in SB3 it is 1 - (k+1)/N, with a last learning rate of 0
    (docs/numerics.md, line 16).
    """

    policy: LMActorCriticPolicy  # type: ignore[assignment]
    rollout_buffer: EpisodeRolloutBuffer  # type: ignore[assignment]
    collector: RolloutCollector
    tracker: Tracker | None = None
    iteration: int = 0
    n_sampled_tokens: int = 0  # of all iterations: every token that the sampler emitted, discarded ones included
    total_tokens: int | None = None  # sampled tokens after which training ends, if iterations do not end it before
    rate_schedule: RateSchedule = RateSchedule()  # a factor of SB3's schedule of the learning rate
    _rate_factor: float = 1.0
    rollout_numbers: Mapping[str, float] = MappingProxyType({})  # as logged, of the last iteration
    ended: bool = False  # set where training is to end before the next rollout
    kl_coeff: float = 0.0  # of this iteration, in its rewards or its loss; the controller's is the next one's
    whitens_itself: ClassVar[bool] = False  # True for a class whose `train()` was written for SB3's buffer
    kl_in_reward: bool = True  # False if the KL to the reference is in the loss (docs/numerics.md, line 31)
    by_reference: bool = False  # whether the frozen reference makes the episodes
    critic: ClassVar[bool | None] = None  # whether the policy must have values; None: either, as a user's class decides
    aggregation: ClassVar[str] = "token_mean"  # of the loss (docs/numerics.md, line 32)

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.critic is not None and getattr(self.policy, "has_critic", True) is not self.critic:
            name = type(self).__name__
            wrong = "needs a critic; write shared." if self.critic else "has no critic; write value_model: none."
            raise ConfigError(f"alg.policy.args.value_model: {name} {wrong}")

    @property
    def budget(self) -> int:
        """What an iteration adds to `num_timesteps`: the steps of a rollout."""
        return self.n_steps * self.n_envs

    def make_collector(
        self, task: TextTask, scorer: Scorer, kl_controller: KLController, norm_reward: bool
    ) -> RolloutCollector:
        """What collects the rollouts of this algorithm."""
        return RolloutCollector(
            task, scorer, kl_controller, n_steps=self.budget, seed=self.seed or 0, norm_reward=norm_reward,
            kl_in_reward=self.kl_in_reward,
        )  # fmt: skip

    def set_rollouts(self, collector: RolloutCollector, tracker: Tracker | None = None) -> None:
        self.collector, self.tracker = collector, tracker
        self.kl_coeff = collector.kl_controller.kl_coeff
        self.rollout_buffer.aggregation = self.aggregation
        self.rollout_buffer.longest = collector.task.max_episode_length
        self._settle_whitening()

    def _settle_whitening(self) -> None:
        """Whiten advantages in the buffer and not in minibatches of whole episodes (docs/numerics.md, line 12).

        For a class with `normalize_advantage` in its `train()`, as those of SB3, it is set to False, because the buffer
        whitens. A notice says so.
        """
        name, episodes = type(self).__name__, self.rollout_buffer.minibatch == "episodes"
        if getattr(self, "normalize_advantage", False) and (episodes or not self.whitens_itself):
            self.rollout_buffer.normalize_advantage, self.normalize_advantage = True, False
            if self.whitens_itself:
                self._say(
                    f"algorithm {name}: normalize_advantage is done once, over the whole rollout, instead of in "
                    "train(), whose minibatch may be a single episode; write alg.args.minibatch: transitions for the "
                    "latter."
                )
        if episodes and any(_whitens(getattr(type(self), hook, None)) for hook in UPDATE_HOOKS):
            self._say(
                f"algorithm {name}: does its update whiten the advantages of a minibatch? It may be a single episode, "
                "which then looks neither good nor bad; take normalize_advantage: bool as an argument and leave it to "
                "the buffer, or write alg.args.minibatch: transitions."
            )

    def _say(self, message: str) -> None:
        if self.tracker is None:
            log.warning("%s", message)
        else:
            self.tracker.log_info(message)

    @property
    def kl_controller(self) -> KLController:
        return self.collector.kl_controller

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """Where the update is in the run: by iterations, or by the budget of tokens if there is one."""
        before, after, total = num_timesteps - self.budget, num_timesteps, total_timesteps
        if self.total_tokens is not None:
            after, total = self.n_sampled_tokens, self.total_tokens
            before = after - int(self.rollout_numbers["rollout/n_sampled_tokens"])
        self._current_progress_remaining = 1.0 - before / total
        self._rate_factor = self.rate_schedule(before / total, after / total)

    def _update_learning_rate(self, optimizers: Any) -> None:
        rate = self.lr_schedule(self._current_progress_remaining) * self._rate_factor
        self.logger.record("train/learning_rate", rate)
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            update_learning_rate(optimizer, rate)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Fill the buffer with the episodes of an iteration. Returns False, which ends `learn`, once `ended` is set."""
        callback.on_rollout_start()
        if self.ended:
            return False
        self.policy.before_rollout(self.iteration)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        self.kl_coeff = self.kl_controller.kl_coeff
        batch = self.collector.collect(self.policy, self.iteration)
        sampler_numbers = self._check_reproduction(batch)
        info = rollout_info(batch, self.kl_coeff, by_reference=self.by_reference, kl_in_reward=self.kl_in_reward)
        info |= {"rollout/n_sampled_tokens": batch.n_steps} | self.collector.numbers | sampler_numbers
        rollout_buffer.add_episodes(self.select(batch), self.iteration)
        progress.numbers({"reward": info["rollout/ep_rew_mean"], "KL": info["rollout/kl_mean"]})
        part = "rollout/reward_"
        progress.parts({key.removeprefix(part): value for key, value in info.items() if key.startswith(part)})
        self.rollout_numbers = info
        if self.tracker is not None:
            self.tracker.log_rollout(self.iteration, info)
        self.kl_controller.step(info["rollout/kl_mean"])
        self.num_timesteps += self.budget
        self.n_sampled_tokens += int(info["rollout/n_sampled_tokens"])
        self.iteration += 1
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def select(self, batch: EpisodeBatch) -> EpisodeBatch:
        """The episodes of a rollout from which the update learns: all, unless an algorithm overrides this."""
        return batch

    def accumulate(
        self, batch: RolloutSamples, loss: Callable[[RolloutSamples], Loss], n_micro_batches: int = 1
    ) -> dict[str, float]:
        """Set `.grad` to the gradient of the loss of an optimiser step. Returns the sums of the numbers to log.

        loss: the loss of a part of the step's tokens and numbers to log, all weighted sums over these tokens, so that
        parts add up. The parts are micro-batches of whole episodes, divided among the processes.
        """
        self.policy.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, float] = {}
        for part in batch.own_parts(n_micro_batches):
            value, terms = loss(part)
            value.backward()
            numbers = torch.stack([value.detach(), *(term.detach() for term in terms.values())]).tolist()
            for name, number in zip(("loss", *terms), numbers, strict=True):
                totals[name] = totals.get(name, 0.0) + number
        sum_gradients(p for p in self.policy.parameters() if p.requires_grad)
        return sum_numbers(totals)

    def run_epochs(
        self, n_epochs: int, batch_size: int | None, step: Callable[[RolloutSamples], dict[str, float]],
        target_kl: float | None = None,
    ) -> None:  # fmt: skip
        """Passes over the rollout with an optimiser step for each minibatch, and the mean of each number in the log.

        step: sets the gradients of a minibatch and returns numbers to log. target_kl: no step is taken, and the passes
        end, once the number approx_kl exceeds 1.5 times it, as in SB3.
        """
        logs: dict[str, list[float]] = {}
        stop = False
        for _ in range(n_epochs):
            for batch in self.rollout_buffer.get(batch_size):
                stats = step(batch)
                for name, value in stats.items():
                    logs.setdefault(name, []).append(value)
                stop = target_kl is not None and stats["approx_kl"] > 1.5 * target_kl
                if stop:
                    break
                self.optimizer_step()
            self._n_updates += 1
            if stop:
                break
        for name, values in logs.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))
        self.logger.record("train/n_updates", self._n_updates)
        self.logger.record("train/n_minibatches", max((len(values) for values in logs.values()), default=0))

    def optimizer_step(self) -> None:
        """One step of the policy's optimiser, with gradients clipped to `max_grad_norm`."""
        if self.max_grad_norm < math.inf:
            self._clip_gradients(self.policy.optimizer)
        self.policy.optimizer.step()

    def _clip_gradients(self, optimizer: Any) -> None:
        """Clip the gradients. A fused AdamW does so itself if it is given `grad_scale`, which saves a pass."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters])
        exceeds = bool(norm > self.max_grad_norm)
        if optimizer.defaults.get("fused") and norm.dtype == torch.float32:
            optimizer.grad_scale = norm / self.max_grad_norm if exceeds else None
        elif exceeds:
            nn.utils.clip_grads_with_norm_(parameters, self.max_grad_norm, norm)

    def _check_reproduction(self, batch: EpisodeBatch) -> dict[str, float]:
        """Check that the update computes the rollout's log-probabilities and values, so that all ratios start at 1."""
        numbers, notice = check_reproduction(self.policy, batch, self.iteration)
        if notice:
            self._say(notice)
        return numbers


def compose_algorithm(alg_class: type[OnPolicyAlgorithm]) -> type[TextRollouts]:
    """`alg_class` if it has text rollouts, else a subclass of it that has them."""
    if issubclass(alg_class, TextRollouts):
        return alg_class
    members = {"__doc__": alg_class.__doc__, "whitens_itself": True}
    return type(alg_class.__name__, (TextRollouts, alg_class), members)


# Arguments that SB3's OnPolicyAlgorithm requires and for which a user's constructor may have no default.
SB3_DEFAULTS: dict[str, Any] = {
    "learning_rate": 3e-4,
    "n_steps": 128,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "use_sde": False,
    "sde_sample_freq": -1,
}
# Attributes that `train()` of a user's class reads, and that are set if its constructor does not take them.
TRAIN_DEFAULTS: dict[str, Any] = {"batch_size": 64, "n_epochs": 10}


def construct_algorithm(alg_class: type[OnPolicyAlgorithm], kwargs: Mapping[str, Any]) -> TextRollouts:
    """An instance of an algorithm with text rollouts. A class of the user's gets SB3_DEFAULTS and TRAIN_DEFAULTS.

    kwargs: policy, env, policy_kwargs and the arguments of the algorithm. `minibatch`, `importance_cap` and `seed` go
    to the buffer.
    """
    composed = compose_algorithm(alg_class)
    arguments = dict(kwargs)
    buffer_kwargs = {
        "minibatch": arguments.pop("minibatch", "episodes"),
        "importance_cap": arguments.pop("importance_cap", None),
        "seed": arguments.get("seed") or 0,
    }
    parameters = inspect.signature(alg_class.__init__).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    attributes: dict[str, Any] = {}
    if not issubclass(alg_class, TextRollouts):  # ours have defaults of their own
        for name, value in SB3_DEFAULTS.items():
            required = name in parameters and parameters[name].default is inspect.Parameter.empty
            if required or (open_ended and name not in parameters):
                arguments.setdefault(name, value)
        attributes = {n: arguments.pop(n, v) for n, v in TRAIN_DEFAULTS.items() if n not in parameters}
    accepted = {"rollout_buffer_class": EpisodeRolloutBuffer, "rollout_buffer_kwargs": buffer_kwargs}
    if "rollout_buffer_class" in parameters or open_ended:
        algorithm = _made(composed, {**arguments, **accepted})
    else:
        algorithm = _made(composed, arguments)
        algorithm.rollout_buffer = EpisodeRolloutBuffer(
            algorithm.n_steps, algorithm.observation_space, algorithm.action_space, device=algorithm.device,
            gae_lambda=algorithm.gae_lambda, gamma=algorithm.gamma, n_envs=algorithm.n_envs, **buffer_kwargs,
        )  # fmt: skip
    for name, value in attributes.items():
        setattr(algorithm, name, value)
    return algorithm


def _made(cls: type[TextRollouts], arguments: Mapping[str, Any]) -> TextRollouts:
    """An instance. Raises ConfigError for an argument of the configuration that the class does not take."""
    try:
        return cls(**arguments)
    except TypeError as error:
        found = re.search(r"__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
        if found is None or found[1] not in arguments:
            raise
        raise ConfigError(f"alg.args.{found[1]}: {cls.__name__} takes no such argument; remove it.") from None


def wrap_onpolicy_alg(
    alg_class: type[OnPolicyAlgorithm],
    alg_kwargs: Mapping[str, Any],
    kl_coeff: float,
    tracker: Tracker | None = None,
    target_kl: float | None = None,
    norm_reward: bool = False,
    *,
    scorer: Scorer | None = None,
) -> TextRollouts:
    """An algorithm on `alg_kwargs["env"]` with KL-penalised text rollouts, ready to `learn`. Published by RL4LMs."""
    algorithm = construct_algorithm(alg_class, alg_kwargs)
    assert algorithm.env is not None
    task = algorithm.env.get_attr("task", [0])[0]
    if scorer is None:  # the environment was made by the caller, and does not know the model
        stop_ids = task.stop_ids.union(token_set(algorithm.policy.generation_kwargs.get("eos_token_id")))
        strings = task.stop_strings or tuple(algorithm.policy.generation_kwargs.get("stop_strings") or ())
        task = replace(task, stop_ids=stop_ids, encoder_decoder=algorithm.policy.seq2seq, stop_strings=strings)
    collector = algorithm.make_collector(
        task, scorer or BatchedScorer(task), KLController(kl_coeff, target_kl), norm_reward
    )
    algorithm.set_rollouts(collector, tracker)
    return algorithm
