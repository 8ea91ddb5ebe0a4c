"""RunConfig: what it accepts, what it fills in, what it refuses and how it says so."""

from __future__ import annotations

import copy
import datetime
import json
import subprocess
import sys
from typing import Any

import pytest

from rl4lms.config.generation import GenerationConfig
from rl4lms.config.schema import AlgorithmConfig, RunConfig, SupervisedConfig
from rl4lms.core.errors import ConfigError
from rl4lms.core.registry import Registry
from rl4lms.core.tables import AlgorithmRegistry, PolicyRegistry, RewardFunctionRegistry

Config = dict[str, Any]


def changed(config: Config, path: str, value: Any) -> Config:
    """A copy with the key at the dotted path set, or removed where value is ...."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section: Any = config
    for name in parents:
        section = section[name]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return config


def message(config: Any) -> str:
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(config, "run.yml")
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


# What RL4LMs, stable-baselines3 and transformers take where a file says nothing, and this project's own optional keys.
DEFAULTS: dict[str, dict[str, Any]] = {
    "tokenizer": {
        "padding_side": "left", "truncation_side": "left", "pad_token_as_eos_token": True, "chat_template": "auto",
    },
    "env": {"vec_env": "batched", "n_reward_workers": 0},
    "env.args": {"terminate_on_eos": False, "priority_scale": 0.0, "prompt_truncation_side": "left"},
    "alg.args": {
        "learning_rate": 3e-4, "batch_size": 64, "n_epochs": 10, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2,
        "normalize_advantage": True, "ent_coef": 0.0, "vf_coef": 0.5, "max_grad_norm": 0.5, "minibatch": "episodes",
        "gradient_accumulation_steps": 1, "lr_scheduler_type": "constant", "warmup_ratio": 0.0, "warmup_steps": 0,
    },
    "alg.kl_div": {"norm_reward": False},
    "alg.policy.args": {
        "weight_decay": 1e-6, "apply_model_parallel": True, "prompt_truncation_side": "left",
        "value_model": "separate", "dtype": "float32", "gradient_checkpointing": False, "optimizer_kwargs": {},
        "mask_type": "learned_top_k",
        "target_update_iterations": 1000, "min_tokens_to_keep": 100,
    },
    "alg.policy.args.generation_kwargs": {
        "temperature": 1.0, "top_k": 50, "top_p": 1.0, "min_length": 0, "num_beams": 1, "no_repeat_ngram_size": 0,
        "repetition_penalty": 1.0, "length_penalty": 1.0, "early_stopping": False,
    },
    "train_evaluation": {"save_every": 20, "metrics": [{"id": "reward", "args": {}}]},
}  # fmt: skip


def test_published_defaults_are_filled_in_and_nothing_else(on_policy: Config) -> None:
    on_policy["alg"]["id"], on_policy["alg"]["policy"]["id"] = "nlpo", "maskable_causal_lm_actor_critic_policy"
    on_policy["alg"]["policy"]["args"]["top_mask"] = 5
    resolved = RunConfig.from_dict(on_policy).to_dict()
    assert (resolved["seed"], resolved["kernels"], "n_threads" in resolved) == (0, "portable", False)
    for path, defaults in DEFAULTS.items():
        given: Any = on_policy
        section: Any = resolved
        for name in path.split("."):
            given, section = given.get(name, {}), section[name]
        filled = {key: value for key, value in section.items() if key not in given}
        held = {"generation_kwargs", "max_new_tokens"} & filled.keys()
        assert {key: value for key, value in filled.items() if key not in held} == defaults, path


@pytest.mark.parametrize("kind", ["on_policy", "supervised"])
def test_the_resolved_configuration_reads_back_equal_through_json(kind: str, request: pytest.FixtureRequest) -> None:
    config = RunConfig.from_dict(request.getfixturevalue(kind))
    resolved = json.loads(json.dumps(config.to_dict()))
    again = RunConfig.from_dict(resolved)
    assert again == config
    assert again.to_dict() == resolved
    assert again.notices == ()


def test_sections_are_typed(on_policy: Config, supervised: Config) -> None:
    config = RunConfig.from_dict(changed(on_policy, "alg.args.minibatch", "transitions"))
    assert isinstance(config.alg, AlgorithmConfig)
    assert config.alg.args.minibatch == "transitions"
    assert config.alg.policy.generation.max_new_tokens == 20
    assert not hasattr(config.alg.policy.args, "generation_kwargs")
    assert not config.is_supervised
    warm = RunConfig.from_dict(supervised)
    assert warm.is_supervised
    assert isinstance(warm.alg, SupervisedConfig)
    assert warm.env is None


def test_what_a_reader_would_not_expect_is_said_once(on_policy: Config) -> None:
    notices = RunConfig.from_dict(on_policy).notices
    assert len(notices) == 2
    assert notices[0].startswith("alg.policy.args.generation_kwargs.top_k: 50, the default of transformers")
    assert notices[1].startswith("alg.args.minibatch: episodes")
    on_policy["alg"]["args"]["minibatch"] = "episodes"
    on_policy["alg"]["policy"]["args"]["generation_kwargs"]["top_k"] = 0
    assert RunConfig.from_dict(on_policy).notices == ()


@pytest.mark.parametrize("kind", ["on_policy", "supervised"])
def test_a_metric_that_is_listed_twice_is_computed_once(kind: str, request: pytest.FixtureRequest) -> None:
    """The published files of iwslt2017 list bleu twice; two metrics of one id with other arguments are two metrics."""
    metrics = [
        {"id": "bleu"},
        {"id": "rouge"},
        {"id": "bleu", "args": {}},
        {"id": "rouge", "args": {"rouge_types": []}},
    ]
    config = RunConfig.from_dict(changed(request.getfixturevalue(kind), "train_evaluation.metrics", metrics))
    assert [metric.id for metric in config.train_evaluation.metrics] == ["bleu", "rouge", "rouge"]
    assert "train_evaluation.metrics[2]: bleu is listed twice; it is computed once." in config.notices


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("rewardfn", {}, 'run.yml: unknown key "rewardfn". Did you mean "reward_fn"? Known: alg, datapool, env, '),
        ("reward_fn", ..., "run.yml: reward_fn: missing; expected a mapping."),
        ("tokenizer.model_name", ..., "run.yml: tokenizer.model_name: missing; expected text."),
        ("tokenizer.padding_side", "lft", 'run.yml: tokenizer.padding_side: expected "left" or "right", found "lft".'),
        ("reward_fn.id", "metoer", 'run.yml: reward_fn.id: unknown reward function "metoer". Did you mean "meteor"? '),
        ("reward_fn.args.min_token", 3, 'run.yml: reward_fn.args: unknown key "min_token". Did you mean "min_tokens"?'),
        ("reward_fn.args.min_tokens", "many", 'run.yml: reward_fn.args.min_tokens: expected an integer >= 1, found "m'),
        ("reward_fn.args", None, "run.yml: reward_fn.args.min_tokens: missing; expected an integer >= 1."),
        ("reward_fn.id", ..., "run.yml: reward_fn.id: missing; expected the id of a reward function."),
        ("datapool.id", "imbd", 'run.yml: datapool.id: unknown data pool "imbd". Did you mean "imdb"? Known: '),
        ("env.n_envs", 0, "run.yml: env.n_envs: expected an integer >= 1 and <= 65536, found 0."),
        (
            "env.args.max_episode_length",
            ...,
            "run.yml: env.args.max_episode_length: missing; expected an integer >= 1 and",
        ),
        (
            "env.args.terminate_on_eos",
            "yes",
            'run.yml: env.args.terminate_on_eos: expected true or false, found "yes".',
        ),
        ("env.vec_env", "dummy", 'run.yml: env.vec_env: expected "batched" or "subproc", found "dummy".'),
        ("alg.id", ..., "run.yml: alg.id: missing; expected text."),
        ("alg.id", "pppo", 'run.yml: alg.id: unknown algorithm "pppo". Did you mean "ppo"? Known: '),
        ("alg.args.n_step", 5, 'run.yml: alg.args: unknown key "n_step". Did you mean "n_steps"? Known: '),
        ("alg.args.learning_rate", "1e-5x", 'run.yml: alg.args.learning_rate: expected a number > 0, found "1e-5x".'),
        ("alg.args.minibatch", "tokens", 'run.yml: alg.args.minibatch: expected "episodes" or "transitions", found "t'),
        ("alg.kl_div", ..., "run.yml: alg.kl_div: missing; expected a mapping."),
        ("alg.kl_div.coef", 1, 'run.yml: alg.kl_div: unknown key "coef". Did you mean "coeff"? Known: '),
        ("alg.policy.id", "causal", 'run.yml: alg.policy.id: unknown policy "causal". '),
        ("alg.policy.args.model_name", ..., "run.yml: alg.policy.args.model_name: missing; expected text."),
        (
            "alg.policy.args.value_model",
            "none",
            "run.yml: alg.policy.args.value_model: none, but the algorithm has a critic; write shared.",
        ),
        (
            "alg.policy.args.lora",
            {"alpha": 8},
            "run.yml: alg.policy.args.lora.r: missing; expected an integer >= 1 and",
        ),
        (
            "alg.policy.args.generation_kwargs",
            None,
            "run.yml: alg.policy.args.generation_kwargs.do_sample: expected true",
        ),
        ("train_evaluation.n_iters", ..., "run.yml: train_evaluation.n_iters: missing; expected an integer."),
        (
            "train_evaluation.metrics",
            [{"id": "meteour"}],
            'run.yml: train_evaluation.metrics[0].id: unknown metric "met',
        ),
        ("train_evaluation.metrics", {"id": "meteor"}, "run.yml: train_evaluation.metrics: expected a list"),
        ("seed", -1, "run.yml: seed: expected an integer >= 0 and <= 9223372036854775807, found -1."),
    ],
)
def test_on_policy_refusals(on_policy: Config, path: str, value: Any, expected: str) -> None:
    assert message(changed(on_policy, path, value)).startswith(expected)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "alg.training_args.lerning_rate",
            1,
            'run.yml: alg.training_args: unknown key "lerning_rate". Did you mean "le',
        ),
        (
            "alg.training_args.output_dir",
            "x",
            "run.yml: alg.training_args.output_dir: not taken here; the run directory",
        ),
        ("alg.training_args.seed", 1, "run.yml: alg.training_args.seed: not taken here; use the top-level key seed."),
        ("alg.training_args", ..., "run.yml: alg.training_args: missing; expected a mapping."),
        ("alg.model_type", "t5", 'run.yml: alg.model_type: expected "causal" or "seq2seq", found "t5".'),
        ("alg.model_name", ..., "run.yml: alg.model_name: missing; expected text."),
        ("alg.args", {}, 'run.yml: alg: unknown key "args". '),
        (
            "alg.generation_kwargs.max_new_tokens",
            ...,
            "run.yml: alg.generation_kwargs.max_new_tokens: missing; expected",
        ),
        ("env", {}, "run.yml: env: not used by alg.id supervised; remove it."),
    ],
)
def test_supervised_refusals(supervised: Config, path: str, value: Any, expected: str) -> None:
    assert message(changed(supervised, path, value)).startswith(expected)


def test_a_supervised_run_evaluates_with_its_own_generation_or_alg_s(supervised: Config) -> None:
    """Without metrics nothing is generated, and none is needed; a length that it leaves out is alg's."""
    tokens = supervised["alg"]["generation_kwargs"]["max_new_tokens"]
    own = RunConfig.from_dict(changed(supervised, "train_evaluation.generation_kwargs", {"num_beams": 3}))
    assert own.train_evaluation.generation_kwargs == GenerationConfig(num_beams=3, max_new_tokens=tokens)
    bare = changed(changed(supervised, "alg.generation_kwargs", ...), "train_evaluation.metrics", [])
    config = RunConfig.from_dict(bare)
    assert isinstance(config.alg, SupervisedConfig) and config.alg.generation_kwargs is None
    assert RunConfig.from_dict(config.to_dict()) == config


def test_keys_that_supervised_runs_do_without_are_named(supervised: Config) -> None:
    given = changed(changed(supervised, "train_evaluation.n_iters", 3), "train_evaluation.save_every", 2)
    notices = RunConfig.from_dict(given).notices
    assert sum("without effect on alg.id supervised; alg.training_args." in notice for notice in notices) == 2
    assert "save_every" not in RunConfig.from_dict(given).to_dict()["train_evaluation"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (datetime.date(2020, 1, 2), 'found date "2020-01-02"'),
        ({1, 2}, 'found set "{1, 2}"'),
        (float("inf"), "expected a finite number, found inf"),
        ([0.9, float("nan")], "[1]: expected a finite number, found nan"),
        ("\ud800", "text with half a character"),
        ({1: 2}, "expected text as a key, found 1"),
    ],
)
def test_what_json_cannot_hold_is_refused_wherever_it_stands(on_policy: Config, value: Any, found: str) -> None:
    """Sections that are passed on unread, too: the resolved configuration is written as JSON before any work."""
    for path in ("alg.policy.args.optimizer_kwargs", "reward_fn.args.anything", "seed"):
        assert found in message(changed(on_policy, path, value))


def test_an_integer_beyond_floats_is_no_number(on_policy: Config) -> None:
    assert "expected a number > 0" in message(changed(on_policy, "alg.args.learning_rate", 10**400))


def test_a_shaping_function_must_be_registered(on_policy: Config) -> None:
    on_policy["reward_fn"] = {"id": "meteor", "args": {"shaping_fn": "common_gen_penalty"}}
    assert message(on_policy).startswith(
        'run.yml: reward_fn.args.shaping_fn: unknown reward function "common_gen_penalty". '
    )


def test_a_reward_made_of_a_metric_names_one_that_exists(on_policy: Config) -> None:
    on_policy["reward_fn"] = {"id": "metric_reward", "args": {"metric": "sacre_blue"}}
    assert 'reward_fn.args.metric: unknown metric "sacre_blue". Did you mean "sacre_bleu"?' in message(on_policy)
    on_policy["reward_fn"]["args"] = {"metric": "sacre_bleu", "args": {"tokenise": "intl"}, "scale": 2}
    assert 'reward_fn.args.args: unknown key "tokenise". Did you mean "tokenize"?' in message(on_policy)
    on_policy["reward_fn"]["args"]["args"] = {"tokenize": "intl"}
    assert RunConfig.from_dict(on_policy).reward_fn is not None


def test_the_seed_of_the_algorithm_is_the_runs(on_policy: Config) -> None:
    assert RunConfig.from_dict(changed(on_policy, "alg.args.seed", 7)).seed == 7
    both = changed(changed(on_policy, "alg.args.seed", 7), "seed", 8)
    assert message(both) == "run.yml: alg.args.seed: 7 contradicts seed 8; keep the top-level one."


def registered(kind: str, name: str) -> Registry:
    """A registry with a user's function that takes what it is given."""
    registry = Registry(kind)
    registry.add(name, lambda **arguments: None)
    return registry


def test_registered_classes_take_arguments_of_their_own(on_policy: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, name in (
        (RewardFunctionRegistry, "my_reward"),
        (AlgorithmRegistry, "my_alg"),
        (PolicyRegistry, "my_policy"),
    ):
        monkeypatch.setattr(registry, "table", registered(registry.table.kind, name))
    on_policy["reward_fn"] = {"id": "my_reward", "args": {"anything": [1]}}  # its signature is open
    on_policy["alg"] |= {"id": "my_alg", "args": {"n_steps": 4, "temperature_of_mine": 1}}
    on_policy["alg"]["policy"] = {
        "id": "my_policy",
        "args": {"model_name": "gpt2", "depth": 3, "generation_kwargs": {"do_sample": True}},
    }
    config = RunConfig.from_dict(on_policy)
    assert isinstance(config.alg, AlgorithmConfig)
    assert config.alg.args == {"n_steps": 4, "temperature_of_mine": 1, "minibatch": "episodes"}
    assert config.alg.policy.args == {"model_name": "gpt2", "depth": 3}
    assert RunConfig.from_dict(config.to_dict()) == config


def test_adapters_get_the_names_of_peft(on_policy: Config) -> None:
    on_policy["alg"]["policy"]["args"]["lora"] = {"r": 4, "alpha": 8, "dropout": 0.1, "target_modules": ["c_attn"]}
    config = RunConfig.from_dict(on_policy)
    assert isinstance(config.alg, AlgorithmConfig)
    assert config.alg.policy.constructor_arguments()["lora"] == {
        "r": 4,
        "lora_alpha": 8.0,
        "lora_dropout": 0.1,
        "target_modules": ["c_attn"],
    }
    assert config.to_dict()["alg"]["policy"]["args"]["lora"]["alpha"] == 8.0


def test_checking_a_configuration_imports_no_model_library() -> None:
    code = (
        "import sys, rl4lms.config.schema, rl4lms.config.params, rl4lms.config.stages;"
        "sys.exit(bool({'torch', 'transformers', 'datasets', 'numpy', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("alg", "n_steps", "n_envs", "least"),
    [("ppo", 4, 4, 5), ("a2c", None, 1, 20), ("a2c", None, 3, 7), ("trpo", 19, 1, 20), ("ppo", 1, 19, 2)],
)
def test_a_buffer_holds_one_episode_at_least(
    on_policy: Config, alg: str, n_steps: int | None, n_envs: int, least: int
) -> None:
    """A shorter one would cut every episode, and no cut episode is scored; A2C's own default of 5 steps reaches it."""
    on_policy["alg"] |= {"id": alg, "args": {} if n_steps is None else {"n_steps": n_steps}}
    small = changed(on_policy, "env.n_envs", n_envs)
    found = 5 if n_steps is None else n_steps
    assert message(small) == (
        f"run.yml: alg.args.n_steps: {found} * env.n_envs {n_envs} = {found * n_envs} steps cannot hold one episode of "
        f"up to 20 tokens, which would be cut and never see a score; expected at least {least}."
    )
    assert RunConfig.from_dict(changed(small, "alg.args.n_steps", least)).alg.args.n_steps == least


def test_a_buffer_holds_an_episode_as_long_as_what_is_generated(on_policy: Config) -> None:
    on_policy["alg"] |= {"id": "ppo", "args": {"n_steps": 8}}
    short = changed(on_policy, "alg.policy.args.generation_kwargs", {"do_sample": True, "max_new_tokens": 8})
    assert RunConfig.from_dict(changed(short, "env.n_envs", 1)).env.args.max_episode_length == 20
