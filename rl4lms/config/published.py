"""The values that RL4LMs' configurations take where they say nothing, each with where it comes from.

One table: the schema reads its defaults here, and the documentation prints it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

_BUILDERS = "RL4LMs, envs/text_generation/training_utils.py"
_ENV = "RL4LMs, envs/text_generation/env.py"
_POLICY = "RL4LMs, envs/text_generation/policy/base_policy.py"
_MASKED = "RL4LMs, envs/text_generation/policy/causal_policy.py"
_PPO = "stable-baselines3, PPO (RL4LMs, algorithms/ppo/ppo.py)"
_GENERATE = "transformers, GenerationConfig"
_OURS = "this project"


@dataclasses.dataclass(frozen=True)
class Default:
    value: Any
    source: str


DEFAULTS: dict[str, Default] = {
    "tokenizer.padding_side": Default("left", _BUILDERS),
    "tokenizer.truncation_side": Default("left", _BUILDERS),
    "tokenizer.pad_token_as_eos_token": Default(True, _BUILDERS),
    "env.n_envs": Default(1, _BUILDERS),
    "env.vec_env": Default("batched", _OURS),
    "env.n_reward_workers": Default(0, _OURS),
    "env.args.terminate_on_eos": Default(False, _ENV),
    "env.args.priority_scale": Default(0.0, _ENV),
    "env.args.context_start_token": Default(None, _ENV),
    "env.args.prompt_truncation_side": Default("left", _ENV),
    "alg.args.learning_rate": Default(3e-4, _PPO),
    "alg.args.n_steps": Default(2048, _PPO),
    "alg.args.batch_size": Default(64, _PPO),
    "alg.args.n_epochs": Default(10, _PPO),
    "alg.args.gamma": Default(0.99, _PPO),
    "alg.args.gae_lambda": Default(0.95, _PPO),
    "alg.args.clip_range": Default(0.2, _PPO),
    "alg.args.clip_range_vf": Default(None, _PPO),
    "alg.args.normalize_advantage": Default(True, _PPO),
    "alg.args.ent_coef": Default(0.0, _PPO),
    "alg.args.vf_coef": Default(0.5, _PPO),
    "alg.args.max_grad_norm": Default(0.5, _PPO),
    "alg.args.target_kl": Default(None, _PPO),
    "alg.args.minibatch": Default("episodes", _OURS + "; `transitions` is RL4LMs'"),
    "alg.kl_div.target_kl": Default(None, _BUILDERS),
    "alg.kl_div.norm_reward": Default(False, _BUILDERS),
    "alg.policy.args.weight_decay": Default(1e-6, _POLICY),
    "alg.policy.args.apply_model_parallel": Default(True, _POLICY),
    "alg.policy.args.prompt_truncation_side": Default("left", _POLICY),
    "alg.policy.args.value_model": Default("separate", _OURS + "; what RL4LMs does"),
    "alg.policy.args.dtype": Default("float32", _OURS + "; what RL4LMs does"),
    "alg.policy.args.mask_type": Default("learned_top_k", _MASKED),
    "alg.policy.args.target_update_iterations": Default(1000, _MASKED),
    "alg.policy.args.min_tokens_to_keep": Default(100, _MASKED),
    "train_evaluation.save_every": Default(20, _BUILDERS),
    "generation_kwargs.do_sample": Default(False, _GENERATE),
    "generation_kwargs.temperature": Default(1.0, _GENERATE),
    "generation_kwargs.top_k": Default(50, _GENERATE),
    "generation_kwargs.top_p": Default(1.0, _GENERATE),
    "generation_kwargs.min_length": Default(0, _GENERATE),
    "generation_kwargs.num_beams": Default(1, _GENERATE),
    "generation_kwargs.no_repeat_ngram_size": Default(0, _GENERATE),
    "generation_kwargs.repetition_penalty": Default(1.0, _GENERATE),
    "generation_kwargs.length_penalty": Default(1.0, _GENERATE),
    "generation_kwargs.early_stopping": Default(False, _GENERATE),
    "seed": Default(0, _OURS + "; RL4LMs sets none"),
    "n_threads": Default(None, _OURS + "; OMP_NUM_THREADS, or every core"),
    "kernels": Default("portable", _OURS + "; RL4LMs leaves them to the CPU"),
}


def published(path: str) -> Any:
    """The default of the key at `path`, as a dataclass field."""
    return dataclasses.field(default=DEFAULTS[path].value)
