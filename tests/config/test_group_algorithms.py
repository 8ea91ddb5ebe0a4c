"""Configurations of algorithms without a critic: what is filled in and refused, and the runs that params/ gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.arguments import (
    ALGORITHM_ARGUMENTS,
    PUBLISHED_WITHOUT_KL,
    WITHOUT_KL,
    GroupArguments,
    OnPolicyArguments,
    group_arguments,
)
from rl4lms.config.compose import compose_rl
from rl4lms.config.params import Params
from rl4lms.config.schema import KLConfig, RunConfig
from tests.config.test_schema import Config, changed, message

PARAMS = Path(__file__).resolve().parents[2] / "params"
GROUPS = [name for name in ALGORITHM_ARGUMENTS if group_arguments(name)]
ALGS = sorted(path.stem for path in (PARAMS / "algs").glob("*.yaml"))
SIZES = {"n_prompts": 4, "completions_per_prompt": 2}


def by(on_policy: Config, algorithm: str, **args: Any) -> Config:
    """The small run by an algorithm of groups."""
    coeff = 0.0 if algorithm in WITHOUT_KL else 0.1
    parts = {"id": algorithm, "args": args, "kl_div": {"coeff": coeff}}
    return {**on_policy, "alg": {**on_policy["alg"], **parts}}


def test_there_are_eleven() -> None:
    assert len(GROUPS) == 11


@pytest.mark.parametrize("name", GROUPS)
def test_defaults_are_filled_in_without_a_critic(on_policy: Config, name: str) -> None:
    config = RunConfig.from_dict(by(on_policy, name))
    kind = ALGORITHM_ARGUMENTS[name]
    assert config.alg.args == kind()
    resolved = config.to_dict()
    assert resolved["alg"]["policy"]["args"]["value_model"] == "none"
    assert RunConfig.from_dict(resolved) == config
    assert not any("minibatch" in notice for notice in config.notices), "there is no choice to make"


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("alg.policy.args.value_model", "shared", "shared, but the algorithm has no critic; write none."),
        ("alg.policy.args.value_model", "separate", "separate, but the algorithm has no critic; write none."),
        ("alg.kl_div.norm_reward", True, "not used by an algorithm of groups; write false."),
        (
            "alg.args.n_minibatches",
            5,
            "5 steps, but there may be only 4 groups (n_prompts), and a step has whole groups.",
        ),
        ("alg.args.n_prompts", 0, "expected an integer >= 1"),
        ("alg.args.completions_per_prompt", 0, "expected an integer >= "),
        ("alg.args.max_grad_norm", 0, "expected a number > 0 or null, found 0."),
    ],
)
def test_what_none_of_them_takes(on_policy: Config, name: str, path: str, value: Any, expected: str) -> None:
    assert message(changed(by(on_policy, name, **SIZES), path, value)).startswith(f"run.yml: {path}: {expected}")


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize(
    "key", ["n_steps", "minibatch", "batch_size", "gamma", "gae_lambda", "vf_coef", "normalize_advantage"]
)
def test_arguments_of_a_critic_are_unknown(on_policy: Config, name: str, key: str) -> None:
    told = message(by(on_policy, name, **{key: 1}))
    assert told.startswith(f'run.yml: alg.args: unknown key "{key}".') and "n_prompts" in told
    if key == "minibatch":
        assert 'Did you mean "n_minibatches"?' in told


@pytest.mark.parametrize("name", GROUPS)
def test_only_advantages_are_weighted_by_importance(on_policy: Config, name: str) -> None:
    value = changed(by(on_policy, name, importance_cap=2.0, **SIZES), "alg.policy.args.dtype", "bfloat16")
    if name in WITHOUT_KL:
        assert message(value) == f"run.yml: alg.args.importance_cap: {name} learns from no advantages; write null."
    else:
        assert RunConfig.from_dict(value).alg.args.importance_cap == 2.0


@pytest.mark.parametrize("name", ["ppo", "nlpo", "a2c", "trpo"])
def test_an_algorithm_with_a_critic_needs_values(on_policy: Config, name: str) -> None:
    config = changed(changed(on_policy, "alg.id", name), "alg.policy.args.value_model", "none")
    expected = "run.yml: alg.policy.args.value_model: none, but the algorithm has a critic; write shared."
    assert message(config) == expected


@pytest.mark.parametrize("name", [name for name in GROUPS if name not in ("reinforce", "reinforce_pp", "remax")])
def test_a_group_has_two_completions_at_least(on_policy: Config, name: str) -> None:
    told = message(by(on_policy, name, completions_per_prompt=1))
    assert told.startswith("run.yml: alg.args.completions_per_prompt: expected an integer >= 2, found 1.")


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        (
            "reinforce_pp",
            {"baseline": "mean"},
            "alg.args.completions_per_prompt: expected at least 2 with baseline mean, found 1.",
        ),
        ("reinforce_pp", {"baseline": "leave_one_out"}, 'alg.args.baseline: expected "none" or "mean", found "le'),
        ("reinforce", {"baseline": "mean"}, 'alg.args.baseline: expected "none" or "leave_one_out", found "mean".'),
        ("dapo", {"overlong_tokens": 4}, "alg.args.overlong_tokens: without env.args.terminate_on_eos: true every re"),
        ("dapo", {"n_rounds": 4}, "alg.args.n_rounds: expected an integer >= 1 and <= 3, found 4."),
        ("dapo", {"overlong_penalty": -1}, "alg.args.overlong_penalty: expected a number >= 0, found -1."),
        (
            "grpo",
            {"clip_range_high": 0.1},
            "alg.args.clip_range_high: 0.1, expected at least clip_range 0.2; null clips",
        ),
        ("gspo", {"clip_range": 0.2}, "alg.args.clip_range_high: 0.0004, expected at least clip_range 0.2; null clips"),
        (
            "reinforce",
            {"n_prompts": 1},
            "alg.args.n_prompts: 1 text a rollout, expected at least 2 with baseline leave_",
        ),
        ("dpo", {"beta": -0.1}, "alg.args.beta: expected a number > 0, found -0.1."),
        ("dpo", {"sampler": "start"}, 'alg.args.sampler: expected "policy" or "reference", found "start".'),
        ("dpo", {"beta": 0}, "alg.args.beta: expected a number > 0, found 0."),
        ("cispo", {"ratio_cap": 0.5}, "alg.args.ratio_cap: expected a number >= 1, found 0.5."),
        ("cispo", {"clip_range": 0.2}, 'alg.args: unknown key "clip_range".'),
        ("grpo", {"ratio_cap": 5}, 'alg.args: unknown key "ratio_cap".'),
        ("dpo", {"ent_coef": 0.1}, 'alg.args: unknown key "ent_coef".'),
        ("gspo", {"clip_range_high": 0}, "alg.args.clip_range_high: expected a number > 0 or null, found 0."),
        ("grpo", {"completion_per_prompt": 2}, 'alg.args: unknown key "completion_per_prompt". Did you mean "comple'),
    ],
)
def test_what_one_of_them_refuses(on_policy: Config, name: str, args: Config, expected: str) -> None:
    assert message(by(on_policy, name, **args)).startswith(f"run.yml: {expected}")


@pytest.mark.parametrize(("name", "responses"), [("grpo", 2), ("remax", 2), ("reinforce", 1)])
def test_a_step_has_a_whole_group_of_the_fewest_that_the_tokens_give(
    on_policy: Config, name: str, responses: int
) -> None:
    """Three groups, if every response has the longest length of 20 tokens; of ReMax with the greedy one."""
    sizes = {"completions_per_prompt": 2 if name == "grpo" else 1, "n_tokens": 3 * responses * 20}
    assert RunConfig.from_dict(by(on_policy, name, n_minibatches=3, **sizes)).alg.args.n_minibatches == 3
    told = message(by(on_policy, name, n_minibatches=4, **sizes))
    assert "alg.args.n_minibatches: 4 steps, but there may be only 3 groups (n_tokens)" in told


@pytest.mark.parametrize("name", ["raft", "dpo"])
def test_a_penalty_that_is_not_read_is_refused(on_policy: Config, name: str) -> None:
    told = message(changed(by(on_policy, name), "alg.kl_div.coeff", 0.1))
    assert told == f"run.yml: alg.kl_div.coeff: {name} has no KL penalty; write 0."


@pytest.mark.parametrize("name", ["ppo", "grpo", "dapo", "raft"])
def test_a_target_for_no_penalty_is_refused(on_policy: Config, name: str) -> None:
    given = by(on_policy, name) if name in GROUPS else on_policy
    config = changed(given, "alg.kl_div", {"coeff": 0.0, "target_kl": 0.1})
    assert message(config) == "run.yml: alg.kl_div.target_kl: adapts coeff, which is 0 and stays so; write null."


def test_the_penalty_begins_within_the_longest_response(on_policy: Config) -> None:
    """That is max_new_tokens where it is given, else env.args.max_episode_length."""
    ends = changed(on_policy, "env.args.terminate_on_eos", True)
    whole, over = (by(ends, "dapo", overlong_tokens=n) for n in (20, 21))
    assert RunConfig.from_dict(whole).alg.args.overlong_tokens == 20
    assert message(over) == "run.yml: alg.args.overlong_tokens: expected at most 20, the longest response."
    short = changed(whole, "alg.policy.args.generation_kwargs", {"do_sample": True, "max_new_tokens": 12})
    assert message(short).endswith("expected at most 12, the longest response.")


def test_a_buffer_of_groups_is_never_too_short(on_policy: Config) -> None:
    one = by(on_policy, "reinforce", n_prompts=1, completions_per_prompt=1, baseline="none")
    assert RunConfig.from_dict(one).alg.args.n_prompts == 1


# -- params/ -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALGS)
def test_every_shipped_algorithm_composes_for_every_task(name: str) -> None:
    """Algorithms of groups get the tokens that the task gives an iteration, as those with a critic do."""
    for suite in ("mini", "tiny", "real", "paper"):
        params = Params.open(PARAMS, suite)
        for task in params.grue()["tasks"]:
            rl, own = params.rl(task), params.alg(name).get("tasks", {}).get(task, {})
            for start, changes in (("", {}), ("supervised_", rl.get("supervised", {}))):
                run = compose_rl(params, task, start + name, 0, data_dir="D", model_dir="M", reward_model_dir="R")
                config = RunConfig.from_dict(run, f"{suite}, {task}, {start}{name}")
                assert config.notices == ()
                args = config.alg.args
                if isinstance(args, GroupArguments):
                    of_task = own.get("supervised", {}) if start else {}
                    said = rl["args"] | changes.get("args", {}) | own.get("args", {}) | of_task.get("args", {})
                    assert args.n_tokens == said["n_steps"] * config.env.n_envs, (suite, task, start)


@pytest.mark.parametrize("name", [name for name in ALGS if name not in ("ppo", "nlpo")])
def test_the_suite_paper_takes_from_ppo_of_the_task_what_it_shares_with_it(name: str) -> None:
    """Rate, tokens, iterations and, where its paper has one, KL. A step has whole groups."""
    params = Params.open(PARAMS, "paper")
    for task in params.grue()["tasks"]:
        for start in ("", "supervised_"):
            ours, ppo = (
                RunConfig.from_dict(
                    compose_rl(params, task, start + each, 0, data_dir="D", model_dir="M", reward_model_dir="R")
                )
                for each in (name, "ppo")
            )
            assert ours.alg.args.learning_rate == ppo.alg.args.learning_rate <= 2e-6
            assert ours.train_evaluation.n_iters == ppo.train_evaluation.n_iters
            without = ours.alg.id in PUBLISHED_WITHOUT_KL
            assert ours.alg.kl_div == (KLConfig(0.0) if without else ppo.alg.kl_div), (task, start)
            if isinstance(ours.alg.args, OnPolicyArguments):
                assert ours.alg.args.n_steps == ppo.alg.args.n_steps
                continue
            clipped = hasattr(ours.alg.args, "clip_range") or ours.alg.id == "cispo"
            assert ours.alg.args.n_epochs == (ppo.alg.args.n_epochs if clipped and ours.alg.id != "rloo" else 1)
            assert ours.alg.args.n_tokens == ppo.alg.args.n_steps * ppo.env.n_envs


def test_prompts_that_are_given_win_over_the_tasks_tokens() -> None:
    params = Params.open(PARAMS, "tiny")
    alg = params.alg("grpo")

    class Given(Params):
        def alg(self, name: str) -> Any:
            return {**alg, "args": {**alg["args"], "n_prompts": 3}}

    given = Given(**{f.name: getattr(params, f.name) for f in dataclasses.fields(params)})
    composed = compose_rl(given, "imdb", "grpo", 0, data_dir="D", model_dir="M", reward_model_dir="R")
    assert composed["alg"]["args"]["n_prompts"] == 3 and not {"n_steps", "n_tokens"} & set(composed["alg"]["args"])


def test_a_class_of_the_users_gets_the_tasks_tokens() -> None:
    """It is one of groups if its params say how many completions a prompt has."""
    params = Params.open(PARAMS, "tiny")
    grpo = params.alg("grpo")

    class Own(Params):
        def alg(self, name: str) -> Any:
            return {**grpo, "id": "mine:Own"}

    own = Own(**{f.name: getattr(params, f.name) for f in dataclasses.fields(params)})
    theirs, ours = (
        compose_rl(each, "imdb", "grpo", 0, data_dir="D", model_dir="M", reward_model_dir="R")["alg"]["args"]
        for each in (own, params)
    )
    assert theirs == ours and theirs["n_tokens"] > 0 and "n_steps" not in theirs


@pytest.mark.parametrize(("task", "kind"), [("imdb", "causal"), ("common_gen", "seq2seq")])
def test_a_learned_mask_needs_a_maskable_policy_under_any_algorithm(task: str, kind: str) -> None:
    params = Params.open(PARAMS, "mini")
    ids = [
        compose_rl(params, task, name, 0, data_dir="D", model_dir="M", reward_model_dir="R")["alg"]["policy"]["id"]
        for name in ("grpo", "grpo_masked", "nlpo")
    ]
    plain = f"{kind}_lm_actor_critic_policy"
    assert ids == [plain, f"maskable_{plain}", f"maskable_{plain}"]
