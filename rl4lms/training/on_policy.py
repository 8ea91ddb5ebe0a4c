"""Trains with an on-policy algorithm: one call of `learn()`, with evaluation and checkpoints in a callback."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from rl4lms.config.schema import AlgorithmConfig, RunConfig
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import write_json
from rl4lms.core.kernels import settle_process
from rl4lms.core.manifest import build_manifest
from rl4lms.core.seeding import seed_everything
from rl4lms.numerics.distributed import gather, process_group, rank
from rl4lms.tokenization.tokenizer import build_tokenizer
from rl4lms.tracking.tracker import SilentTracker, Tracker
from rl4lms.training.builders import BuiltAlgorithm, build_algorithm, build_reward
from rl4lms.training.checkpoint import (
    generator_state,
    load_generator_state,
    load_newest_checkpoint,
    load_training,
    resumed,
    save_checkpoint,
    training_tensors,
)
from rl4lms.training.comparison import Comparison
from rl4lms.training.hub import check_push, push_model
from rl4lms.training.identity import RunIdentity
from rl4lms.training.one_decoding import with_token_facts
from rl4lms.training.preemption import Preemption
from rl4lms.training.saving import save_model
from rl4lms.training.split_evaluation import SplitEvaluation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
FROZEN = ("reference_model.",)  # not saved, because it is a copy of the initial model


class OnPolicyTrainer:
    """One run of an on-policy algorithm in a directory, with RL4LMs' file names.

    evaluate_test: also score the test split before and after training, as RL4LMs does; in the pipeline a later stage
    does it. identity: the identity of the run, if it has been computed already.
    """

    def __init__(
        self,
        config: RunConfig,
        out_dir: Path,
        tracker: Tracker,
        evaluate_test: bool = True,
        identity: RunIdentity | None = None,
    ) -> None:
        if not isinstance(config.alg, AlgorithmConfig) or config.env is None:
            raise ConfigError("alg.id: a supervised configuration was given to the on-policy trainer.")
        self.out_dir, self.tracker, self.evaluate_test = out_dir, tracker, evaluate_test
        check_push(config.push_to_hub)
        settle_process(config.kernels, config.n_threads)  # a command has done so, but not another program
        self.identity = identity or RunIdentity(config, evaluate_test=evaluate_test)
        self.digest = self.identity.digest
        self.tokenizer: PreTrainedTokenizerBase = build_tokenizer(config.to_dict()["tokenizer"])
        self.config = config = with_token_facts(config, self.tokenizer)
        assert isinstance(config.alg, AlgorithmConfig) and config.env is not None
        self.evaluation = config.train_evaluation
        assert self.evaluation.n_iters is not None and self.evaluation.eval_every is not None
        self.n_iters: int = self.evaluation.n_iters
        self.eval_every: int = self.evaluation.eval_every
        self.comparison = Comparison(self.evaluation.keep_best, self.evaluation.early_stopping)
        self.writes = rank() == 0  # only the first process of a launch writes files
        seed_everything(config.seed)
        self.pools = self.identity.pools
        self.splits = SplitEvaluation(
            self.pools,
            self.evaluation.metrics,
            self.tokenizer,
            tracker,
            make_reward=lambda: build_reward(config.reward_fn, self.pools["train"]),
            n_reward_workers=config.env.n_reward_workers,
            reward_timeout_s=config.env.reward_timeout_s,
            generation=self.evaluation.generation_kwargs or config.alg.policy.generation,
            max_prompt_length=config.env.args.max_prompt_length,
            batch_size=self.evaluation.eval_batch_size,
            seed=config.seed,
            max_samples=self.evaluation.max_samples,
            prompt_truncation_side=config.env.args.prompt_truncation_side,
            arithmetic=self._arithmetic,
        )
        self.built: BuiltAlgorithm = build_algorithm(config, self.pools["train"], self.tokenizer, tracker)
        self.algorithm: Any = self.built.algorithm

    @property
    def checkpoints(self) -> Path:
        return self.out_dir / "checkpoints"

    def train(self) -> None:
        """Train to the end, from the newest checkpoint if there is one, and save the model."""
        for notice in self.config.notices:
            self.tracker.log_info(notice)
        if self.writes:
            write_json(self.out_dir / "config.json", self.config.to_dict())
            device = str(self.algorithm.device)
            manifest = build_manifest(seed=self.config.seed, device=device, inputs=self.identity.inputs)
            write_json(self.out_dir / "manifest.json", manifest)
        progress.phase("loading")
        self.algorithm.set_logger(Logger(folder=None, output_formats=[]))
        done = self.load()
        progress.steps(done, self.n_iters, "iteration", spent=self.spent)
        if done == 0:
            self.tracker.load_state_dict({})  # removes lines of a run that was killed before its first checkpoint
            self.evaluate(0)
            self.evaluate_test_split(0)
        if not self.is_finished:
            with Preemption() as preemption:
                self.algorithm.learn(
                    (self.n_iters - done) * self.algorithm.budget,
                    callback=IterationCallback(self, done, preemption),
                    log_interval=None,
                    reset_num_timesteps=False,
                )
        self.save_model()
        if self.writes:
            push_model(self.config.push_to_hub, self.out_dir / "model")

    def evaluate(self, epoch: int, train_numbers: Mapping[str, float] | None = None) -> None:
        """Score val with the policy after `epoch` iterations, and compare it. train_numbers: of the last update."""
        scores = self._score("val", epoch)
        self.comparison.see(epoch, {**scores, **self.algorithm.rollout_numbers, **(train_numbers or {})})

    def evaluate_test_split(self, epoch: int) -> None:
        """Score test, if `evaluate_test` is set, as before and after training."""
        if self.evaluate_test:
            self._score("test", epoch)

    def _score(self, split: str, epoch: int) -> dict[str, float]:
        result = self.splits.score(self.algorithm.policy.get_language_model(), split, epoch)
        if result is None:
            return {}
        self.tracker.log_split_metrics(split, epoch, result.metrics)
        return result.metrics

    def _arithmetic(self) -> AbstractContextManager[None]:
        """The context in which the policy's language model generates for an evaluation (autocast)."""
        policy = self.algorithm.policy
        context: AbstractContextManager[None] = policy.arithmetic(policy.get_language_model())
        return context

    @property
    def is_finished(self) -> bool:
        """Whether the iterations, or the tokens that may be sampled, are used up, or evaluations do not improve."""
        return self.spent >= 1.0 or self.algorithm.iteration >= self.n_iters or self.comparison.says_stop

    @property
    def spent(self) -> float:
        """The share of the tokens that may be sampled that have been; 0 if they are not limited."""
        total = self.algorithm.total_tokens
        return 0.0 if total is None else self.algorithm.n_sampled_tokens / total

    @property
    def is_best(self) -> bool:
        """Whether the evaluation after the last iteration is the best so far."""
        best = self.comparison.best
        return best is not None and bool(best["iteration"] == self.algorithm.iteration)

    def save(self) -> None:
        """Save a checkpoint of everything that the rest of the run depends on."""
        if not self.writes:
            return
        progress.phase("saving a checkpoint")
        policy = self.algorithm.policy
        tensors, rest = training_tensors(policy, policy.optimizer, "policy", FROZEN)
        state = {
            "digest": self.digest,
            "num_timesteps": self.algorithm.num_timesteps,
            "n_updates": self.algorithm._n_updates,
            "n_sampled_tokens": self.algorithm.n_sampled_tokens,
            "kl_controller": self.algorithm.kl_controller.state_dict(),
            "optimizer": rest,
            "tracker": self.tracker.state_dict(),
            "generators": generator_state(),
            "comparison": self.comparison.state_dict(),
        }
        if self.is_best:
            self.save_model("best_model")
        save_checkpoint(self.checkpoints, self.algorithm.iteration, tensors, state, is_best=self.is_best)

    def load(self) -> int:
        """Restore the newest checkpoint. Returns the number of finished iterations, 0 if there is no checkpoint."""
        found = load_newest_checkpoint(self.checkpoints, self.digest)
        if found is None:
            return 0
        tensors, state = found
        algorithm, policy = self.algorithm, self.algorithm.policy
        load_training(policy, policy.optimizer, "policy", tensors, state["optimizer"], FROZEN)
        algorithm.num_timesteps, algorithm._n_updates = state["num_timesteps"], state["n_updates"]
        algorithm.iteration, algorithm.n_sampled_tokens = state["iteration"], state["n_sampled_tokens"]
        algorithm.kl_controller.load_state_dict(state["kl_controller"])
        self.tracker.load_state_dict(state["tracker"])
        load_generator_state(state["generators"])
        self.comparison.load_state_dict(state["comparison"])
        self.tracker.log_info(resumed("iteration", algorithm.iteration, self.n_iters))
        return int(algorithm.iteration)

    def save_model(self, name: str = "model") -> None:
        """See `rl4lms.training.saving.save_model`; of a launch the first process writes."""
        if self.writes:
            save_model(self.algorithm.policy.get_language_model(), self.tokenizer, self.config, self.out_dir, name)

    def close(self) -> None:
        self.splits.close()
        self.built.close()


class IterationCallback(BaseCallback):
    """Logs, evaluates and saves after each update, and ends the run there if a signal has asked for it."""

    def __init__(self, trainer: OnPolicyTrainer, done: int, preemption: Preemption) -> None:
        super().__init__()
        self.trainer, self.done, self.preemption = trainer, done, preemption
        self._clock = time.perf_counter(), time.process_time()

    def _on_rollout_start(self) -> None:
        self._after_update()

    def _on_training_end(self) -> None:
        self._after_update()

    def _on_step(self) -> bool:
        return True

    def _after_update(self) -> None:
        trainer, iteration = self.trainer, self.trainer.algorithm.iteration
        if iteration == self.done:
            return
        terminated = any(gather(self.preemption.requested))  # so that all processes stop after the same update
        self.done = iteration
        logged = self.logger.name_to_value
        info = {k: float(v) for k, v in sorted(logged.items()) if k.startswith("train/")}
        logged.clear()
        trainer.tracker.log_training(iteration - 1, info)
        self._log_time(iteration)
        if trainer.is_finished or iteration % trainer.eval_every == 0:
            trainer.evaluate(iteration, info)
        last = trainer.algorithm.ended = trainer.is_finished
        if last:
            trainer.evaluate_test_split(iteration)
        if last or terminated or trainer.is_best or iteration % trainer.evaluation.save_every == 0:
            trainer.save()
        if terminated and not last:
            trainer.tracker.log_info(
                f"{self.preemption.reason}: saved after iteration {iteration} of {trainer.n_iters}"
            )
            self.preemption.leave()
        if last and iteration < trainer.n_iters and trainer.comparison.says_stop:
            trainer.tracker.log_info(f"stopped early after iteration {iteration} of {trainer.n_iters}")

    def _log_time(self, iteration: int) -> None:
        now = time.perf_counter(), time.process_time()
        wall, cpu = (after - before for after, before in zip(now, self._clock, strict=True))
        self._clock = now
        n_steps = self.trainer.algorithm.collector.numbers["rollout/n_sampled_tokens"]
        self.trainer.tracker.log_timing(
            iteration - 1, {"time/iteration_s": wall, "time/iteration_cpu_s": cpu, "time/steps_per_s": n_steps / wall}
        )
        progress.steps(iteration, self.trainer.n_iters, "iteration", spent=self.trainer.spent)
        progress.numbers({"steps/s": n_steps / wall})
        progress.phase("")
        self.trainer.tracker.log_progress(progress.state().line(time.monotonic()))


def train_on_policy(
    config: RunConfig,
    out_dir: Path,
    *,
    tracker: Tracker | None = None,
    evaluate_test: bool = True,
    identity: RunIdentity | None = None,
) -> None:
    """Run an on-policy configuration in `out_dir`, from its newest checkpoint if there is one.

    Under torchrun or accelerate launch every process calls this, and only the first one writes.
    """
    with process_group():
        silent = rank() > 0
        tracker = SilentTracker(out_dir) if silent else tracker or Tracker(out_dir)
        trainer = OnPolicyTrainer(config, out_dir, tracker, evaluate_test, identity)
        try:
            trainer.train()
        finally:
            trainer.close()
