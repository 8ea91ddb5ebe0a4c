"""Builds the parts of a run from its resolved configuration: reward, environment and algorithm."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rl4lms.algorithms.on_policy_text import TextRollouts
from rl4lms.config.arguments import SCHEDULE, AlgorithmArguments
from rl4lms.config.reader import read
from rl4lms.config.schema import AlgorithmConfig, ComponentConfig, EnvConfig, RunConfig
from rl4lms.core.seeding import derive_seed
from rl4lms.core.tables import (
    AlgorithmRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
    WrapperRegistry,
)
from rl4lms.core.vocabulary import check_vocabulary
from rl4lms.data_pools.text_generation_pool import TextGenPool
from rl4lms.envs.text_generation.vec_env import make_stepping_env, make_vec_env
from rl4lms.numerics.schedules import RateSchedule
from rl4lms.policies.token_rules import token_set
from rl4lms.rollouts.scoring import BatchedScorer, Scorer, SteppedScorer
from rl4lms.tokenization.prompt_check import check_prompts
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.model_checks import check_lengths, model_config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


def build_reward(config: ComponentConfig | None, pool: TextGenPool) -> Any:
    """The reward function. If it needs a corpus (for CIDEr's IDF), it gets the references of the pool."""
    if config is None:
        return None
    reward = RewardFunctionRegistry.get(config.id, config.args)
    if getattr(reward, "needs_references", False):
        reward.fit_references([sample.references for sample, _ in pool])
    return reward


@dataclass
class BuiltAlgorithm:
    """An algorithm that is ready to `learn`, and the parts that must be closed afterwards."""

    algorithm: TextRollouts
    scorer: Scorer
    stepping_env: Any = None

    def close(self) -> None:
        self.scorer.close()
        if self.stepping_env is not None:
            self.stepping_env.close()


def build_algorithm(
    config: RunConfig, pool: TextGenPool, tokenizer: PreTrainedTokenizerBase, tracker: Tracker
) -> BuiltAlgorithm:
    """Build environment, rollouts and algorithm of an on-policy configuration."""
    alg, env = config.alg, config.env
    assert isinstance(alg, AlgorithmConfig) and isinstance(env, EnvConfig)
    name = alg.policy.model_name
    model = model_config(name, bool(alg.policy.argument("trust_remote_code")))
    episode_length = alg.policy.generation.max_new_tokens or env.args.max_episode_length
    check_lengths(model, name, env.args.max_prompt_length, episode_length)
    if (decoding := config.train_evaluation.generation_kwargs) is not None and decoding.max_new_tokens is not None:
        key = "train_evaluation.generation_kwargs.max_new_tokens"
        check_lengths(model, name, env.args.max_prompt_length, decoding.max_new_tokens, key)
    vocab_size = int(model.get_text_config().vocab_size)
    check_vocabulary(tokenizer, vocab_size, name)
    check_prompts(tokenizer, (sample for sample, _ in pool), vocab_size, env.args.max_prompt_length)
    task = _task(config, pool, tokenizer, model)
    vec_env = make_vec_env(task, n_envs=env.n_envs, vocab_size=vocab_size, seed=config.seed)
    stepping = None
    if env.vec_env == "subproc":
        stepping = make_stepping_env(task, n_envs=env.n_envs, vocab_size=vocab_size, sample=pool[0][0])
    limit_s = env.reward_timeout_s
    scorer: Scorer = (
        BatchedScorer(task, env.n_reward_workers, limit_s)
        if stepping is None
        else SteppedScorer(stepping, task, limit_s)
    )
    arguments, algorithm_class = alg.constructor_arguments(), AlgorithmRegistry.get(alg.id)
    own = {*inspect.signature(algorithm_class.__init__).parameters}  # a class of the user's may take them itself
    given = {name: arguments.pop(name) for name in SCHEDULE if name in arguments and name not in own}
    schedule = read(AlgorithmArguments, given, "alg.args", "")
    kwargs = {
        "policy": PolicyRegistry.get(alg.policy.id),
        "env": vec_env,
        "policy_kwargs": alg.policy.constructor_arguments(),
        # numpy takes seeds below 2**32
        "seed": config.seed if config.seed < 2**32 else derive_seed(config.seed, "algorithm") % 2**32,
        **arguments,
    }
    algorithm = WrapperRegistry.get(alg.id)(
        algorithm_class,
        kwargs,
        alg.kl_div.coeff,
        tracker,
        alg.kl_div.target_kl,
        alg.kl_div.norm_reward,
        scorer=scorer,
    )
    algorithm.total_tokens = config.train_evaluation.total_tokens
    algorithm.rate_schedule = rate_schedule(schedule, config.train_evaluation.n_iters)
    return BuiltAlgorithm(algorithm, scorer, stepping)


def rate_schedule(arguments: AlgorithmArguments, n_iters: int | None) -> RateSchedule:
    """How the learning rate changes over a run of so many iterations."""
    warmup = arguments.warmup_steps / n_iters if arguments.warmup_steps and n_iters else arguments.warmup_ratio
    return RateSchedule(arguments.lr_scheduler_type, warmup)


def _task(
    config: RunConfig, pool: TextGenPool, tokenizer: PreTrainedTokenizerBase, model: PreTrainedConfig
) -> TextTask:
    assert config.env is not None and isinstance(config.alg, AlgorithmConfig)
    args = config.env.args
    generation = config.alg.policy.generation
    start = generation.decoder_start_token_id if model.is_encoder_decoder else args.context_start_token
    return TextTask(
        tokenizer=tokenizer,
        reward_function=build_reward(config.reward_fn, pool),
        samples=pool,  # type: ignore[arg-type]  # a pool is a sequence of (sample, weight)
        max_episode_length=generation.max_new_tokens or args.max_episode_length,
        max_prompt_length=args.max_prompt_length,
        terminate_on_eos=args.terminate_on_eos,
        prompt_truncation_side=args.prompt_truncation_side,
        context_start_token=start,
        priority_scale=args.priority_scale,
        stop_ids=frozenset(token_set(generation.eos_token_id)),
        encoder_decoder=bool(model.is_encoder_decoder),
        pad_token_id=generation.pad_token_id,
        stop_strings=generation.stop_strings or (),
    )
