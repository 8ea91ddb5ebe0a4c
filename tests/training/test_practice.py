"""Schedules, early stopping, limits of an evaluation and the saved adapter, in whole runs with exact resume."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, WITHOUT_KL, GroupArguments
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.tokenization.tokenizer import load_tokenizer
from tests.algorithms.test_trpo import EvenShare
from tests.conftest import SEQ2SEQ
from tests.training.test_on_policy import GROUPS, MASK, Killed, config, contents, kill_after, run, with_policy

METRIC = "synthetic/increasing_numbers_in_text"


def lines(directory: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / f"{name}.jsonl").read_text().splitlines()]


def changed(cfg: RunConfig, **changes: Any) -> RunConfig:
    """The same with other values, by dotted key with "__" for the dots."""
    value = cfg.to_dict()
    for path, new in changes.items():
        *parents, last = path.split("__")
        section = value
        for name in parents:
            section = section[name]
        section[last] = new
    return RunConfig.from_dict(value)


def check_resume(cfg: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A run equals itself if it is killed and resumed, and if it is begun again when it is over."""
    run(tmp_path / "whole", cfg)
    with monkeypatch.context() as patch:
        kill_after(patch, after)
        with pytest.raises(Killed):
            run(tmp_path / "killed", cfg)
    run(tmp_path / "killed", cfg)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    run(tmp_path / "killed", cfg)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", sorted(ALGORITHM_ARGUMENTS))
def test_every_algorithm_follows_the_schedule(model_dir: Any, tmp_path: Path, algorithm: str) -> None:
    RewardFunctionRegistry.add("even_share", EvenShare)
    cfg = config(model_dir("gpt2"), n_iters=4)
    value = (with_policy(cfg, **MASK) if algorithm == "nlpo" else cfg).to_dict()
    value["alg"]["id"] = algorithm
    if issubclass(ALGORITHM_ARGUMENTS[algorithm], GroupArguments):
        value["alg"]["args"], value["alg"]["policy"]["args"]["value_model"] = dict(GROUPS), "none"
    elif algorithm != "nlpo":
        value["alg"]["args"] = {"n_steps": 12, "learning_rate": 1e-3}
    if algorithm in WITHOUT_KL:
        value["alg"]["kl_div"] = {"coeff": 0.0}
    value["alg"]["args"] |= {"lr_scheduler_type": "linear", "warmup_steps": 2}
    value |= {"reward_fn": {"id": "even_share"}}
    value["train_evaluation"] |= {"metrics": [], "eval_every": 9}
    run(tmp_path, RunConfig.from_dict(value))
    rates = [line["train/learning_rate"] for line in lines(tmp_path, "training_info")]
    assert rates == pytest.approx([0.5e-3, 1e-3, 1e-3, 0.5e-3])


@pytest.mark.parametrize("n_tokens", [None, 40])
def test_a_schedule_is_exact_under_resume(
    model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_tokens: int | None
) -> None:
    """By iterations, or by the share of the tokens that are sampled."""
    cfg = changed(
        config(model_dir("gpt2")), train_evaluation__total_tokens=n_tokens,
        alg__args__lr_scheduler_type="cosine", alg__args__warmup_ratio=0.25,
    )  # fmt: skip
    check_resume(cfg, tmp_path, monkeypatch, after=1)
    rates = [line["train/learning_rate"] for line in lines(tmp_path / "whole", "training_info")]
    sampled = [line["rollout/n_sampled_tokens"] for line in lines(tmp_path / "whole", "rollout_info")]
    total = n_tokens or len(sampled)
    done = [sum(sampled[:k]) / total if n_tokens else k / total for k in range(len(sampled) + 1)]
    x = [min(max(0.0, (before - 0.25) / 0.75), 1.0) for before in done[:-1]]
    rise = [min(1.0, min(after, 1.0) / 0.25) for after in done[1:]]
    expected = [1e-3 * up * (1 + math.cos(math.pi * part)) / 2 for up, part in zip(rise, x, strict=True)]
    assert len(rates) > 1 and rates == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alg__args__warmup_steps": 4}, "alg.args.warmup_steps: 4, expected less than train_evaluation.n_iters 4."),
        (
            {"alg__args__importance_cap": 2.0},
            "alg.args.importance_cap: sampler and update agree in float32; write null",
        ),
        ({"alg__args__importance_cap": 0.5}, "alg.args.importance_cap: expected a number >= 1 or null, found 0.5"),
        ({"alg__args__warmup_steps": 1, "alg__args__warmup_ratio": 0.1}, "1, and warmup_ratio 0.1; keep one of them"),
        ({"alg__args__warmup_steps": 1, "train_evaluation__total_tokens": 9}, "counts iterations, but the run ends by"),
        ({"alg__args__warmup_ratio": 1.0}, "alg.args.warmup_ratio: expected a number >= 0 and < 1, found 1.0."),
        (
            {"alg__args__lr_scheduler_type": "polynomial"},
            'alg.args.lr_scheduler_type: expected "constant" or "linear" or "cosine"',
        ),
        ({"train_evaluation__early_stopping": {"mode": "max"}}, "train_evaluation.early_stopping.metric: missing"),
        ({"train_evaluation__max_samples": {"train": 3}}, 'train_evaluation.max_samples: unknown key "train".'),
        ({"train_evaluation__max_samples": {"val": 0}}, "train_evaluation.max_samples.val: expected"),
    ],
)
def test_refusals(model_dir: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        changed(config(model_dir("gpt2")), **changes)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("metric", [METRIC, "rollout/kl_mean"])
def test_training_ends_when_evaluations_do_not_improve(
    model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    """With a gain that is out of reach the first evaluation stays the best, and training ends `patience` ones later."""
    cfg = changed(
        config(model_dir("gpt2"), n_iters=9), train_evaluation__eval_every=1, train_evaluation__keep_best=None,
        train_evaluation__early_stopping={"metric": metric, "mode": "min", "patience": 2, "min_delta": 50.0},
    )  # fmt: skip
    check_resume(cfg, tmp_path, monkeypatch, after=2)
    assert [line["epoch"] for line in lines(tmp_path / "whole", "val_split_metrics")] == [0, 1, 2, 3]
    assert [line["epoch"] for line in lines(tmp_path / "whole", "test_split_metrics")] == [0, 3]
    assert len(lines(tmp_path / "whole", "rollout_info")) == 3


@pytest.mark.parametrize("metric", ["rollout/ep_rew_mean", "train/loss"])
def test_the_best_may_be_chosen_by_what_is_logged(model_dir: Any, tmp_path: Path, metric: str) -> None:
    """Without metrics, too: nothing is generated then."""
    cfg = changed(
        config(model_dir("gpt2")), train_evaluation__eval_every=1, train_evaluation__metrics=[],
        train_evaluation__keep_best={"metric": metric, "mode": "max"},
    )  # fmt: skip
    run(tmp_path, cfg)
    values = [line[metric] for line in lines(tmp_path, "rollout_info" if metric[0] == "r" else "training_info")]
    state = json.loads((tmp_path / "checkpoints" / "best" / "state.json").read_text())
    assert state["comparison"]["best"] == {"iteration": values.index(max(values)) + 1, "value": max(values)}


@pytest.mark.parametrize("key", ["keep_best", "early_stopping"])
def test_a_number_that_nobody_logs_is_refused_after_the_first_iteration(
    model_dir: Any, tmp_path: Path, key: str
) -> None:
    cfg = changed(config(model_dir("gpt2")), **{f"train_evaluation__{key}": {"metric": "rollout/ep_rew_men"}})
    with pytest.raises(ConfigError, match=f'{key}.metric: unknown metric .* Did you mean "rollout/ep_rew_mean"'):
        run(tmp_path, cfg)


def test_samples_of_an_evaluation_are_drawn_once_by_the_seed(model_dir: Any, tmp_path: Path) -> None:
    cfg = changed(config(model_dir("gpt2"), n_iters=2), train_evaluation__max_samples={"val": 4})
    run(tmp_path / "a", cfg)
    run(tmp_path / "b", changed(cfg, seed=4))
    ids = {}
    for name in "ab":
        drawn = json.loads((tmp_path / name / "evaluation_samples.json").read_text())
        assert drawn.keys() == {"val"} and drawn["val"]["of"] == 12
        for epoch in (0, 2):
            rows = json.loads((tmp_path / name / f"epoch_{epoch}_val_split_predictions.json").read_text())
            assert [row["sample_id"] for row in rows] == drawn["val"]["ids"]
        ids[name] = drawn["val"]["index"]
        assert ids[name] == sorted(set(ids[name])) and len(ids[name]) == 4
        assert len(json.loads((tmp_path / name / "epoch_0_test_split_predictions.json").read_text())) == 12
    assert ids["a"] != ids["b"]


class CharactersSeen:
    """Called at every step, so that it reads the text of observations and not the one that was generated."""

    def __call__(self, previous: Any, action: int, current: Any, done: bool, meta_info: Any = None) -> float:
        return float(len(current.context_text)) if done else 0.0


def test_an_evaluations_reward_reads_texts_up_to_the_stop_string(
    model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RewardFunctionRegistry.table._entries, "characters", CharactersSeen)
    stops = [f"w{digit}" for digit in range(1, 5)]
    cfg = changed(
        config(model_dir("gpt2"), n_iters=1), reward_fn={"id": "characters", "args": {}},
        train_evaluation__metrics=[{"id": "reward"}],
        alg__policy__args__generation_kwargs={
            "do_sample": True, "top_k": 0, "max_new_tokens": 6, "stop_strings": stops,
        },
    )  # fmt: skip
    run(tmp_path, cfg)
    rows = json.loads((tmp_path / "epoch_0_val_split_predictions.json").read_text())
    assert any(len(row["generated_text"].split()) < 6 for row in rows)
    assert [row["reward"] for row in rows] == [len(row["generated_text"]) for row in rows]


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_the_adapter_beside_the_merged_model_is_the_same_model(
    model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """peft puts it on the base model, and both say the same."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    monkeypatch.setenv("PYTHONHASHSEED", "1")
    adapters = {"r": 4, "alpha": 64, "target_modules": "all-linear"}
    RewardFunctionRegistry.add("even_share", EvenShare)  # no rollout is without a signal, whatever a CPU draws
    cfg = config(model_dir(family), family, n_iters=2, reward_fn={"id": "even_share"})
    cfg = with_policy(cfg, lora=adapters, value_model="shared")
    run(tmp_path, changed(cfg, train_evaluation__keep_best={"metric": METRIC}, alg__args__learning_rate=1e-2))
    auto = AutoModelForSeq2SeqLM if family in SEQ2SEQ else AutoModelForCausalLM
    for model, adapter in (("model", "adapter"), ("best_model", "best_adapter")):
        merged, base = auto.from_pretrained(tmp_path / model).eval(), auto.from_pretrained(model_dir(family)).eval()
        adapted = peft.PeftModel.from_pretrained(base, tmp_path / adapter).eval()
        inputs = load_tokenizer(str(tmp_path / model))(["w5 w6", "w9 w10"], return_tensors="pt")
        inputs.pop("token_type_ids", None)
        settings = {"do_sample": False, "max_new_tokens": 12}
        said = adapted.generate(**inputs, **settings)
        assert torch.equal(said, merged.generate(**inputs, **settings))
        with adapted.disable_adapter():
            assert not torch.equal(said, adapted.generate(**inputs, **settings)), "nothing was learnt"
    targets = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["target_modules"]
    assert targets == sorted(targets) and not {"lm_head", "wte", "shared"} & set(targets)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokenizer_of_the_model_pads_as_the_run_did(model_dir: Any, tmp_path: Path, side: str) -> None:
    run(tmp_path, changed(config(model_dir("gpt2"), n_iters=1), tokenizer__padding_side=side))
    assert load_tokenizer(str(tmp_path / "model")).padding_side == side
