"""Configurations in the published schema, built anew for each test."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def on_policy() -> dict[str, Any]:
    """A small on-policy run with little written out."""
    return {
        "tokenizer": {"model_name": "gpt2"},
        "reward_fn": {"id": "increasing_numbers", "args": {"min_tokens": 20}},
        "datapool": {"id": "dummy_pool", "args": {"prompt": "Count:", "n_samples": 8}},
        "env": {"n_envs": 4, "args": {"max_prompt_length": 5, "max_episode_length": 20}},
        "alg": {
            "id": "ppo",
            "args": {"n_steps": 16},
            "kl_div": {"coeff": 0.1},
            "policy": {
                "id": "causal_lm_actor_critic_policy",
                "args": {"model_name": "gpt2", "generation_kwargs": {"do_sample": True}},
            },
        },
        "train_evaluation": {"eval_batch_size": 4, "n_iters": 2, "eval_every": 1},
    }


@pytest.fixture
def supervised() -> dict[str, Any]:
    return {
        "tokenizer": {"model_name": "t5-base", "max_length": 64},
        "datapool": {"id": "commongen", "args": {"prefix": "generate a sentence with: "}},
        "alg": {
            "id": "supervised",
            "training_args": {"num_train_epochs": 2, "learning_rate": 1e-5, "lr_scheduler_type": "cosine"},
            "model_type": "seq2seq",
            "model_name": "t5-base",
            "generation_kwargs": {"num_beams": 5, "min_length": 5, "max_new_tokens": 20, "post_processing_fn": None},
        },
        "train_evaluation": {"eval_batch_size": 4, "metrics": [{"id": "meteor", "args": {}}, {"id": "rouge"}]},
    }
