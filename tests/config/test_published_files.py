"""Files in the form that RL4LMs publishes them are taken unchanged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rl4lms.config.schema import AlgorithmConfig, RunConfig, SupervisedConfig

NARRATIVE_QA = """
tokenizer:
  model_name: t5-base
  padding_side: left
  truncation_side: left
  pad_token_as_eos_token: False

reward_fn:
  id: rouge_l_max
  args: {max_n: 4, limit_length: True, length_limit: 100, length_limit_type: "words", apply_avg: True,
         apply_best: True, alpha: 0.5, weight_factor: 1.2, stemming: True}

datapool:
  id: narrative_qa

env:
  n_envs: 10
  args:
    max_prompt_length: 512
    max_episode_length: 50
    terminate_on_eos: True
    context_start_token: 0
    prompt_truncation_side: "right"

alg:
  id: ppo
  args:
    n_steps: 256
    batch_size: 64
    verbose: 1
    learning_rate: 0.000002
    n_epochs: 5
  kl_div:
    coeff: 0.001
    target_kl: 1.0
  policy:
    id: seq2seq_lm_actor_critic_policy
    args:
      model_name: t5-base
      apply_model_parallel: True
      prompt_truncation_side: "right"
      generation_kwargs:
        do_sample: True
        top_k: 50

train_evaluation:
  eval_batch_size: 50
  n_iters: 100
  eval_every: 10
  save_every: 1
  metrics:
    - id: meteor
      args: {}
    - id: rouge
      args:
        use_single_ref: False
    - id: rouge_l_max
      args:
        apply_best: True,
        alpha: 0.5
        weight_factor: 1.2
    - id: diversity
      args: {}
  generation_kwargs:
    num_beams: 4
"""

IMDB_SUPERVISED = """
tokenizer: {model_name: gpt2, padding_side: left, truncation_side: left, pad_token_as_eos_token: True, max_length: 64}
datapool:
  id: "imdb"
  args:
alg:
  id: supervised
  training_args:
    per_device_train_batch_size: 16
    logging_steps: 200
    num_train_epochs: 10
    lr_scheduler_type: "constant"
    learning_rate: 0.00001
    save_total_limit: 1
    weight_decay: 0.1
  model_type: causal
  model_name: gpt2
  generation_kwargs: {do_sample: True, min_length: 48, max_new_tokens: 48, post_processing_fn: null}
train_evaluation:
  eval_batch_size: 256
  metrics:
    - id: learned_reward
      args: {model_name: lvwerra/distilbert-imdb, label_ix: 1, batch_size: 100}
    - id: causal_perplexity
      args: {tokenizer_id: gpt2, stride: 512, model_type: causal, use_text_from_meta_data: True}
    - id: sacre_bleu
      args: {tokenize: "intl"}
"""


def load(tmp_path: Path, text: str) -> RunConfig:
    path = tmp_path / "published.yml"
    path.write_text(text)
    return RunConfig.from_file(path)


def test_an_on_policy_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        config = load(tmp_path, NARRATIVE_QA)
    assert [m.split(": ", 1)[1] for m in caplog.messages] == [
        'train_evaluation.metrics[2].args.apply_best: read "True," as the boolean it means; remove the comma.'
    ]
    assert isinstance(config.alg, AlgorithmConfig)
    assert config.train_evaluation.metrics[2].args["apply_best"] is True
    assert config.alg.args.learning_rate == 2e-6
    assert config.alg.args.verbose == 1
    # neither says how long a response may be: the episode does
    assert config.alg.policy.generation.max_new_tokens == 50
    assert config.train_evaluation.generation_kwargs is not None
    assert config.train_evaluation.generation_kwargs.max_new_tokens == 50
    assert config.train_evaluation.generation_kwargs.num_beams == 4
    assert [n.split(":")[0] for n in config.notices] == ["alg.args.minibatch"]


def test_a_supervised_file(tmp_path: Path) -> None:
    config = load(tmp_path, IMDB_SUPERVISED)
    assert isinstance(config.alg, SupervisedConfig)
    assert config.alg.generation_kwargs.top_k == 50
    assert config.notices[0].startswith("alg.generation_kwargs.top_k: 50")


def test_a_runs_config_json_is_such_a_file(tmp_path: Path) -> None:
    import json

    config = load(tmp_path, NARRATIVE_QA)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.to_dict(), indent=2))
    assert RunConfig.from_file(path) == config
