"""A whole on-policy run from a published-schema configuration: files, determinism, exact resume."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rl4lms.config.arguments import WITHOUT_KL
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.tracking.tracker import Tracker
from rl4lms.training import on_policy
from rl4lms.training.on_policy import OnPolicyTrainer, train_on_policy
from tests.algorithms.test_trpo import EvenShare
from tests.conftest import SEQ2SEQ

NOT_COMPARED = ("timing.jsonl", "manifest.json", "checkpoints")


def config(model: Path, family: str = "gpt2", n_iters: int = 4, **changes: Any) -> RunConfig:
    kind = "seq2seq" if family in SEQ2SEQ else "causal"
    sampling = {"do_sample": True, "top_k": 0, "max_new_tokens": 6}
    value = {
        "tokenizer": {"model_name": str(model)},
        "reward_fn": {"id": "increasing_numbers", "args": {"min_tokens": 4}},
        "datapool": {"id": "dummy_pool", "args": {"prompt": "w5 w6", "n_samples": 12}},
        "env": {"n_envs": 2, "args": {"max_prompt_length": 8, "max_episode_length": 6, "terminate_on_eos": True}},
        "alg": {
            "id": "ppo",
            "args": {"n_steps": 12, "batch_size": 8, "n_epochs": 2, "learning_rate": 1e-3, "minibatch": "episodes"},
            "kl_div": {"coeff": 0.05, "target_kl": 0.1},
            "policy": {
                "id": f"{kind}_lm_actor_critic_policy",
                "args": {"model_name": str(model), "generation_kwargs": sampling},
            },
        },
        "train_evaluation": {
            "eval_batch_size": 8, "n_iters": n_iters, "eval_every": 2, "save_every": 1,
            "metrics": [{"id": "increasing_numbers", "args": {"min_tokens": 4}}],
        },
        "seed": 3,
    }  # fmt: skip
    return RunConfig.from_dict({**value, **changes})


def run(directory: Path, cfg: RunConfig, **kwargs: Any) -> None:
    train_on_policy(cfg, directory, tracker=Tracker(directory, quiet=True), **kwargs)


def contents(directory: Path) -> dict[str, str]:
    files = [p for p in sorted(directory.rglob("*")) if p.is_file()]
    kept = [p for p in files if p.relative_to(directory).parts[0] not in NOT_COMPARED]
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


class Killed(Exception):
    pass


def kill_after(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """The process dies in the middle of the update after `iteration` whole ones."""
    original = on_policy.IterationCallback._after_update

    def dies(self: Any) -> None:
        if self.trainer.algorithm.iteration == iteration + 1:
            raise Killed
        original(self)

    monkeypatch.setattr(on_policy.IterationCallback, "_after_update", dies)


def with_policy(cfg: RunConfig, **policy: Any) -> RunConfig:
    """The same run with other arguments of the policy; by NLPO where they are of a mask."""
    value = cfg.to_dict()
    value["alg"]["policy"]["args"] |= policy
    if "top_mask" in policy:
        value["alg"]["id"] = "nlpo"
        value["alg"]["policy"]["id"] = f"maskable_{value['alg']['policy']['id']}"
    return RunConfig.from_dict(value)


def with_lora(cfg: RunConfig, **policy: Any) -> RunConfig:
    return with_policy(cfg, **ADAPTERS, **policy)


ADAPTERS = {"lora": {"r": 4, "alpha": 8}}
MASK = {"top_mask": 0.5, "mask_type": "learned_top_p", "min_tokens_to_keep": 2, "target_update_iterations": 3}
POLICIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bfloat16": {"dtype": "bfloat16"},
    "lora-shared": {**ADAPTERS, "value_model": "shared"},
    "lora-separate": {**ADAPTERS, "value_model": "separate", "dtype": "bfloat16"},
    "lora-nlpo": {**ADAPTERS, "value_model": "shared", **MASK},  # when the run dies, the mask policy is not the policy
}


GROUPS = {"n_prompts": 3, "completions_per_prompt": 3, "n_minibatches": 2, "n_epochs": 2, "learning_rate": 1e-3}
# The algorithm, its further arguments, those of the policy, and the model.
WITHOUT_CRITIC: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "grpo": ("grpo", {}, {}, "gpt2"),
    "grpo-t5": ("grpo", {}, {}, "t5"),
    "grpo-lora": ("grpo", {}, ADAPTERS, "gpt2"),
    "grpo-masked": ("grpo", {}, MASK, "gpt2"),
    "dapo": ("dapo", {"completions_per_prompt": 2}, {}, "gpt2"),
    "dpo-offline": ("dpo", {"sampler": "reference"}, {}, "gpt2"),
}


def without_critic(cfg: RunConfig, algorithm: str, args: dict[str, Any], policy: dict[str, Any]) -> RunConfig:
    """The same run by an algorithm of groups."""
    value = with_policy(cfg, **policy).to_dict()
    value["alg"] |= {"id": algorithm, "args": {**GROUPS, **args}}
    value["alg"]["policy"]["args"]["value_model"] = "none"
    if algorithm in WITHOUT_KL:
        value["alg"]["kl_div"] = {"coeff": 0.0}
    return RunConfig.from_dict({**value, "reward_fn": {"id": "even_share"}})


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_resume_is_exact(model_dir, tmp_path, monkeypatch, family, policy):
    """docs/numerics.md, line 23: a run that is killed and resumed equals one that is not, with adapters and without."""
    if "lora" in policy:
        pytest.importorskip("peft")
    check_resume(with_policy(config(model_dir(family), family), **policy), tmp_path, monkeypatch)


def test_a_checkpoint_holds_adapters_without_the_weights_under_them(model_dir, tmp_path):
    pytest.importorskip("peft")
    cfg = with_policy(config(model_dir("gpt2"), n_iters=1), **POLICIES["lora-nlpo"])
    run(tmp_path / "run", cfg)
    kept = load_file(tmp_path / "run" / "checkpoints" / "00000001" / "tensors.safetensors")
    saved = {name.partition(".")[2] for name in kept if name.startswith("policy.")}
    assert {name.partition(".")[0] for name in saved} == {"policy_model", "mask_model", "value_head"}
    assert all("lora_" in name for name in saved - {"value_head.weight", "value_head.bias"})
    trainer = OnPolicyTrainer(cfg, tmp_path / "run", Tracker(tmp_path / "run"))
    with torch.no_grad():
        trainer.algorithm.policy.get_language_model().get_input_embeddings().weight[0, 0] += 1
    with pytest.raises(RunError, match="the model under its adapters has other weights than when the run began"):
        trainer.load()
    trainer.close()


@pytest.mark.parametrize("case", WITHOUT_CRITIC)
def test_resume_is_exact_without_a_critic(model_dir, tmp_path, monkeypatch, case):
    algorithm, args, policy, family = WITHOUT_CRITIC[case]
    if "lora" in policy:
        pytest.importorskip("peft")
    RewardFunctionRegistry.add("even_share", EvenShare)  # every group has some spread
    cfg = without_critic(config(model_dir(family), family), algorithm, args, policy)
    check_resume(cfg, tmp_path, monkeypatch)
    before, after = (
        load_file(path / "model.safetensors") for path in (model_dir(family), tmp_path / "whole" / "model")
    )
    assert any((before[name] != after[name]).any() for name in after), "nothing was learnt: the test shows little"


@pytest.mark.parametrize(
    "algorithm", ["dr_grpo", "gspo", "cispo", "rloo", "reinforce", "reinforce_pp", "remax", "raft"]
)
def test_the_others_run_from_a_configuration_too(model_dir, tmp_path, algorithm):
    RewardFunctionRegistry.add("even_share", EvenShare)
    run(tmp_path, without_critic(config(model_dir("gpt2"), n_iters=1), algorithm, {}, {}))
    rollout, update = (json.loads((tmp_path / f"{name}_info.jsonl").read_text()) for name in ("rollout", "training"))
    assert rollout["rollout/n_episodes"] == 9 and rollout["rollout/value_mean"] == 0
    assert rollout["rollout/n_sampled_tokens"] >= rollout["rollout/n_steps"]
    assert update["train/n_updates"] == 2 and "train/value_loss" not in update
    assert (tmp_path / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("algorithm", ["a2c", "trpo"])
def test_an_algorithm_of_one_step_logs_that_it_takes_one(model_dir, tmp_path, algorithm):
    value = config(model_dir("gpt2"), n_iters=1).to_dict()
    value["alg"] |= {"id": algorithm, "args": {"n_steps": value["alg"]["args"]["n_steps"]}}
    run(tmp_path, RunConfig.from_dict(value))
    assert json.loads((tmp_path / "training_info.jsonl").read_text())["train/n_minibatches"] == 1


def check_resume(cfg: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole", cfg)
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(tmp_path / "killed", cfg)
    interrupted = (tmp_path / "killed" / "rollout_info.jsonl").read_text().splitlines()
    assert len(interrupted) == 3, "the third rollout had been logged when the run died"
    monkeypatch.setattr(pickle, "load", None)
    monkeypatch.setattr(torch, "load", None)
    run(tmp_path / "killed", cfg)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")
    assert len((tmp_path / "whole" / "training_info.jsonl").read_text().splitlines()) == 4


def test_twice_the_same_and_another_seed(model_dir, tmp_path):
    cfg = config(model_dir("gpt2"), n_iters=2)
    run(tmp_path / "a", cfg)
    torch.rand(3)
    run(tmp_path / "b", cfg)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    run(tmp_path / "c", config(model_dir("gpt2"), n_iters=2, seed=4))
    a, c = (tmp_path / x / "rollout_info.jsonl" for x in "ac")
    assert a.read_bytes() != c.read_bytes()


def test_a_finished_run_again_changes_nothing(model_dir, tmp_path):
    cfg = config(model_dir("gpt2"), n_iters=2)
    run(tmp_path, cfg)
    before = contents(tmp_path)
    run(tmp_path, cfg)
    assert contents(tmp_path) == before


def test_published_files_and_their_contents(model_dir, tmp_path):
    run(tmp_path, config(model_dir("gpt2"), n_iters=2))
    names = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    expected = {"config.json", "rollout_info.jsonl", "training_info.jsonl", "val_split_metrics.jsonl",
                "test_split_metrics.jsonl", "epoch_0_val_split_predictions.json", "epoch_2_test_split_predictions.json",
                "model.safetensors", "timing.jsonl"}  # fmt: skip
    assert expected <= names
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    again = RunConfig.from_file(tmp_path / "config.json")
    assert again == config(model_dir("gpt2"), n_iters=2)
    lines = [json.loads(x) for x in (tmp_path / "training_info.jsonl").read_text().splitlines()]
    assert all("train/loss" in x and "train/learning_rate" in x for x in lines)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert AutoTokenizer.from_pretrained(tmp_path / "model")("w5").input_ids == [5]


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_the_model_saved_from_adapters_is_a_plain_one(model_dir, tmp_path, monkeypatch, family):
    """model/ holds no trace of peft; transformers loads it, and it scores as the policy did with its adapters."""
    pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if family in SEQ2SEQ else AutoModelForCausalLM
    ids = torch.tensor([[5, 6, 9, 11]])
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if family in SEQ2SEQ else {})}
    seen = []
    save_model = OnPolicyTrainer.save_model

    def watched(self: Any) -> None:
        seen.append(self.algorithm.policy.get_language_model()(**inputs).logits.detach())
        save_model(self)

    monkeypatch.setattr(OnPolicyTrainer, "save_model", watched)
    RewardFunctionRegistry.add("even_share", EvenShare)  # no rollout is without a signal, whatever a CPU draws
    cfg = config(model_dir(family), family, n_iters=2, reward_fn={"id": "even_share"})
    run(tmp_path, with_lora(cfg, value_model="shared"))
    assert {p.name for p in (tmp_path / "model").iterdir() if "adapter" in p.name} == set()
    saved, base = auto.from_pretrained(tmp_path / "model"), auto.from_pretrained(model_dir(family))
    assert saved.state_dict().keys() == base.state_dict().keys()
    with torch.no_grad():
        torch.testing.assert_close(saved(**inputs).logits, seen[0], rtol=0, atol=1e-5)
        assert (base(**inputs).logits - seen[0]).abs().max() > 1e-3


def damage(path: Path, how: str) -> None:
    body = path.read_bytes()
    if how == "flipped":
        path.write_bytes(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])
    elif how == "truncated":
        path.write_bytes(body[: len(body) // 2])
    elif how == "foreign":
        path.write_bytes(b"not what you expect")
    else:
        path.unlink()


@pytest.fixture(scope="module")
def whole_and_killed(model_dir, tmp_path_factory):
    """(a run of three iterations, the same run killed after two of them), to be copied."""
    directory = tmp_path_factory.mktemp("killed")
    cfg = config(model_dir("gpt2"), n_iters=3)
    run(directory / "whole", cfg)
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(directory / "killed", cfg)
    return directory / "whole", directory / "killed"


@pytest.mark.parametrize("how", ["flipped", "truncated", "foreign", "missing"])
@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_damaged_newest_checkpoint_falls_back_to_the_one_before(
    model_dir, tmp_path, whole_and_killed, caplog, how, name
):
    whole, killed = whole_and_killed
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    damage(sorted((tmp_path / "checkpoints").iterdir())[-1] / name, how)
    run(tmp_path, config(model_dir("gpt2"), n_iters=3))
    assert "trying the one before it" in caplog.text
    assert contents(tmp_path) == contents(whole)


def keeping_best(model: Path, mode: str, n_iters: int = 6) -> RunConfig:
    key = "synthetic/increasing_numbers_in_text"
    value = config(model, n_iters=n_iters).to_dict()
    value["train_evaluation"] |= {"eval_every": 1, "save_every": 4, "keep_best": {"metric": key, "mode": mode}}
    return RunConfig.from_dict(value)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_checkpoint_is_kept_beside_the_newest_two_and_its_model_is_there(
    model_dir, tmp_path, monkeypatch, mode
):
    cfg = keeping_best(model_dir("gpt2"), mode)
    run(tmp_path / "whole", cfg)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "val_split_metrics.jsonl").read_text().splitlines()]
    values = [row["metrics"][cfg.train_evaluation.keep_best.metric] for row in rows[1:]]
    best = (max if mode == "max" else min)(values)
    state = json.loads((tmp_path / "whole" / "checkpoints" / "best" / "state.json").read_text())
    assert state["iteration"] == values.index(best) + 1 and state["comparison"]["best"]["value"] == best
    assert sum(p.name != "best" for p in (tmp_path / "whole" / "checkpoints").iterdir()) == 2
    run(tmp_path / "shorter", keeping_best(model_dir("gpt2"), mode, n_iters=state["iteration"]))
    kept = (tmp_path / "whole" / "best_model" / "model.safetensors").read_bytes()
    assert kept == (tmp_path / "shorter" / "best_model" / "model.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        kill_after(patch, 3)
        with pytest.raises(Killed):
            run(tmp_path / "killed", cfg)
    run(tmp_path / "killed", cfg)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_a_metric_that_is_not_measured_cannot_choose_the_best(model_dir, tmp_path):
    value = keeping_best(model_dir("gpt2"), "max").to_dict()
    value["train_evaluation"]["keep_best"]["metric"] = "synthetic/increasing_numbers"
    with pytest.raises(ConfigError, match='keep_best.metric: unknown metric .* Did you mean "synthetic/increasing_n'):
        run(tmp_path, RunConfig.from_dict(value))


def test_a_run_killed_before_its_first_checkpoint_starts_clean(model_dir, tmp_path, monkeypatch):
    cfg = config(model_dir("gpt2"), n_iters=2)
    run(tmp_path / "whole", cfg)
    with monkeypatch.context() as patch:
        kill_after(patch, 0)
        with pytest.raises(Killed):
            run(tmp_path / "killed", cfg)
    assert (tmp_path / "killed" / "rollout_info.jsonl").exists()
    run(tmp_path / "killed", cfg)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_ctrl_c_saves_after_the_update_and_the_same_call_ends_alike(model_dir, tmp_path, monkeypatch, caplog):
    """With `save_every` at its default nothing else would have been saved."""
    value = config(model_dir("gpt2")).to_dict()
    value["train_evaluation"]["save_every"] = 20
    cfg = RunConfig.from_dict(value)
    run(tmp_path / "whole", cfg)
    original = on_policy.IterationCallback._after_update

    def told(self: Any) -> None:
        if self.trainer.algorithm.iteration == 1 != self.done:
            signal.raise_signal(signal.SIGINT)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(on_policy.IterationCallback, "_after_update", told)
        with caplog.at_level(logging.INFO, logger="rl4lms"), pytest.raises(KeyboardInterrupt):
            train_on_policy(cfg, tmp_path / "cut")
    assert "Ctrl-C: saved after iteration 1 of 4" in caplog.messages
    assert [p.name for p in (tmp_path / "cut" / "checkpoints").iterdir()] == ["00000001"]
    run(tmp_path / "cut", cfg)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_predictions_edited_before_a_resume_are_refused(model_dir, tmp_path, monkeypatch):
    cfg = config(model_dir("gpt2"))
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(tmp_path, cfg)
    path = tmp_path / "epoch_0_test_split_predictions.json"
    path.write_text(path.read_text().replace("w5", "w6"))
    with pytest.raises(RunError, match=r"epoch_0_test_split_predictions\.json: not the \d+ bytes .*; delete "):
        run(tmp_path, cfg)


def test_all_damaged_is_an_error_not_a_restart(model_dir, tmp_path):
    cfg = config(model_dir("gpt2"), n_iters=2)
    run(tmp_path, cfg)
    for checkpoint in (tmp_path / "checkpoints").iterdir():
        damage(checkpoint / "state.json", "foreign")
    with pytest.raises(RunError, match="no usable checkpoint"):
        run(tmp_path, cfg)


def test_checkpoint_of_another_configuration_is_not_resumed(model_dir, tmp_path):
    run(tmp_path, config(model_dir("gpt2"), n_iters=2))
    with pytest.raises(RunError, match="another configuration"):
        run(tmp_path, config(model_dir("gpt2"), n_iters=2, seed=9))


def test_prompt_and_episode_must_fit_the_context(model_dir, tmp_path):
    env = {"n_envs": 2, "args": {"max_prompt_length": 127, "max_episode_length": 20}}
    with pytest.raises(ConfigError, match="do not fit the 128 positions"):
        OnPolicyTrainer(config(model_dir("gpt2"), env=env), tmp_path, Tracker(tmp_path, quiet=True))


def test_logging_more_changes_nothing(model_dir, tmp_path):
    cfg = config(model_dir("gpt2"), n_iters=2)
    run(tmp_path / "a", cfg)
    train_on_policy(cfg, tmp_path / "b", tracker=Tracker(tmp_path / "b", quiet=False))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("algorithm", ["ppo", "grpo"])
def test_training_ends_after_the_iteration_in_which_the_tokens_are_spent(model_dir, tmp_path, monkeypatch, algorithm):
    value = config(model_dir("gpt2"), n_iters=9).to_dict()
    if algorithm == "grpo":
        value["alg"] |= {"id": "grpo", "args": {"n_prompts": 2, "completions_per_prompt": 2, "learning_rate": 1e-3}}
        value["alg"]["policy"]["args"]["value_model"] = "none"
    value["train_evaluation"]["total_tokens"] = 60
    cfg = RunConfig.from_dict(value)
    run(tmp_path / "whole", cfg)
    sampled = [
        json.loads(line)["rollout/n_sampled_tokens"]
        for line in (tmp_path / "whole" / "rollout_info.jsonl").read_text().splitlines()
    ]
    assert sum(sampled[:-1]) < 60 <= sum(sampled) and len(sampled) < 9
    last = json.loads((tmp_path / "whole" / "val_split_metrics.jsonl").read_text().splitlines()[-1])
    assert last["epoch"] == len(sampled)  # the end is evaluated, though eval_every does not fall on it

    kill_after(monkeypatch, 1)
    with pytest.raises(Killed):
        run(tmp_path / "resumed", cfg)
    monkeypatch.undo()
    run(tmp_path / "resumed", cfg)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
    before = contents(tmp_path / "whole")
    run(tmp_path / "whole", cfg)  # finished: nothing is sampled again
    assert contents(tmp_path / "whole") == before
