"""`--dry-run`: what it refuses would not have started, in one line; what it calls valid starts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.cli.train_text_generation import main
from rl4lms.config.schema import RunConfig
from rl4lms.core.io import write_jsonl
from rl4lms.training.on_policy import train_on_policy
from tests.conftest import tiny_model, word_tokenizer

Config = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gpt2/, t5/: whole; bare/: no weights; classifier/: two labels; data/: rows of imdb; own/: of columns; empty/."""
    root = tmp_path_factory.mktemp("models")
    for family in ("gpt2", "t5"):
        tiny_model(family).save_pretrained(root / family)
        word_tokenizer().save_pretrained(root / family)
    tiny_model("gpt2").config.save_pretrained(root / "bare")
    word_tokenizer().save_pretrained(root / "bare")
    config = tiny_model("gpt2").config.to_dict()
    (root / "classifier").mkdir()
    (root / "classifier" / "config.json").write_text(json.dumps({**config, "id2label": {"0": "no", "1": "yes"}}))
    (root / "classifier" / "model.safetensors").write_bytes(b"")
    (root / "empty").mkdir()
    for split in ("train", "test"):
        write_jsonl(root / "data" / f"{split}.jsonl", [{"text": f"a film of {i} reels", "label": 1} for i in range(40)])
    write_jsonl(root / "half" / "train.jsonl", [{"txt": "a film", "label": 1}])
    write_jsonl(root / "own" / "train.jsonl", [{"question": f"w1 w{i}", "answer": "w3"} for i in range(40)])
    write_jsonl(root / "own" / "test.jsonl", [{"question": "w1 w2", "answer": None}] * 8)
    return root


def rl(models: Path) -> Config:
    model = str(models / "gpt2")
    return {
        "tokenizer": {"model_name": model},
        "reward_fn": {"id": "increasing_numbers", "args": {"min_tokens": 4}},
        "datapool": {"id": "dummy_pool", "args": {"prompt": "w5 w6", "n_samples": 8}},
        "env": {"n_envs": 2, "args": {"max_prompt_length": 5, "max_episode_length": 6}},
        "alg": {
            "id": "ppo",
            "args": {"n_steps": 12, "batch_size": 8, "n_epochs": 1, "device": "cpu"},
            "kl_div": {"coeff": 0.1},
            "policy": {
                "id": "causal_lm_actor_critic_policy",
                "args": {"model_name": model, "generation_kwargs": {"do_sample": True, "top_k": 0}},
            },
        },
        "train_evaluation": {"eval_batch_size": 4, "n_iters": 1, "eval_every": 1, "metrics": [{"id": "diversity"}]},
    }


def supervised(models: Path) -> Config:
    return {
        "tokenizer": {"model_name": str(models / "t5"), "max_length": 16},
        "datapool": {"id": "imdb", "args": {"data_dir": str(models / "data")}},
        "alg": {
            "id": "supervised",
            "training_args": {"num_train_epochs": 1, "learning_rate": 1e-4, "logging_steps": 2},
            "model_type": "seq2seq",
            "model_name": str(models / "t5"),
            "generation_kwargs": {"max_new_tokens": 4},
        },
        "train_evaluation": {"eval_batch_size": 4, "metrics": [{"id": "meteor"}]},
    }


def changed(config: Config, models: Path, changes: Config) -> Config:
    """The configuration with the keys at dotted paths set; "@name" stands for a directory of `models`."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *parents, last = path.split(".")
        section: Any = config
        for name in parents:
            section = section.setdefault(name, {})
        section[last] = placed(value, models)
    return config


def placed(value: Any, models: Path) -> Any:
    if isinstance(value, dict):
        return {key: placed(item, models) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, models) for item in value]
    return str(models / value[1:]) if isinstance(value, str) and value.startswith("@") else value


POLICY, EVALUATION = "alg.policy.args", "train_evaluation"
NLPO = "maskable_causal_lm_actor_critic_policy"
# what -> (changes of an RL run, what the line says)
WRONG_RL: dict[str, tuple[Config, str]] = {
    # sacrebleu's own refusals
    "a tokenizer that is not installed": (
        {f"{EVALUATION}.metrics": [{"id": "sacre_bleu", "args": {"tokenize": "ja-mecab"}}]},
        "train_evaluation.metrics[0]",
    ),
    "the same, by language": (
        {f"{EVALUATION}.metrics": [{"id": "sacre_bleu", "args": {"trg_lang": "ja"}}]},
        "train_evaluation.metrics[0]",
    ),
    "the same, as a reward": ({"reward_fn": {"id": "sacre_bleu", "args": {"trg_lang": "ko"}}}, "reward_fn"),
    "the same, by metric_reward": (
        {"reward_fn": {"id": "metric_reward", "args": {"metric": "sacre_bleu", "args": {"tokenize": "ja-mecab"}}}},
        "reward_fn",
    ),
    "text for a number": (
        {f"{EVALUATION}.metrics": [{"id": "sacre_bleu", "args": {"max_ngram_order": "4"}}]},
        'max_ngram_order: expected an integer >= 1, found "4"',
    ),
    "a rouge that there is not": ({"reward_fn": {"id": "rouge", "args": {"rouge_type": "rouge0"}}}, "rouge_type"),
    "a key that the metric does not give": (
        {"reward_fn": {"id": "metric_reward", "args": {"metric": "rouge", "key": "lexical/rouge"}}},
        'reward_fn: metric_reward: unknown key "lexical/rouge"',
    ),
    "no key where there are several": (
        {"reward_fn": {"id": "metric_reward", "args": {"metric": "rouge"}}},
        "name one as key",
    ),
    "a shaping function that needs arguments": (
        {"reward_fn": {"id": "meteor", "args": {"shaping_fn": "increasing_numbers"}}},
        "missing 1 required positional argument",
    ),
    "spider's terms": (
        {
            "reward_fn": {
                "id": "spider",
                "args": {"spice_coeff": 0, "cider_coeff": 1, "cider_args": {"idf": "@empty/x"}},
            }
        },
        "reward_fn.args.cider_args.idf: ",
    ),
    "a corpus that is not there": (
        {f"{EVALUATION}.metrics": [{"id": "cider", "args": {"idf": "@empty/no.json"}}]},
        "train_evaluation.metrics[0].args.idf: ",
    ),
    "a module of evaluate that is not there": (
        {f"{EVALUATION}.metrics": [{"id": "evaluate", "args": {"path": "./no/metric.py"}}]},
        "train_evaluation.metrics[0]: ./no/metric.py: no such file or directory",
    ),
    "two metrics of one name": (
        {f"{EVALUATION}.metrics": [{"id": "rouge"}, {"id": "rouge", "args": {"use_single_ref": False}}]},
        'train_evaluation.metrics[1]: another metric gives "lexical/rouge_rouge1", too',
    ),
    "a best that no metric gives": (
        {f"{EVALUATION}.keep_best": {"metric": "lexical/meteor"}},
        'train_evaluation.keep_best.metric: unknown metric "lexical/meteor"',
    ),
    "a best without metrics": (
        {f"{EVALUATION}.keep_best": {"metric": "lexical/meteor"}, f"{EVALUATION}.metrics": []},
        "train_evaluation.keep_best.metric: unknown metric",
    ),
    "a best by a part that there is not": (
        {
            f"{EVALUATION}.keep_best": {"metric": "reward_length"},
            f"{EVALUATION}.metrics": [],
            "reward_fn": {"id": "weighted", "args": {"rewards": [{"id": "json_valid", "args": {}}]}},
        },
        'train_evaluation.keep_best.metric: unknown metric "reward_length". Did you mean "reward"? Known: reward, '
        "reward_json_valid.",
    ),
    "a pattern that is none": (
        {"reward_fn": {"id": "regex", "args": {"pattern": "("}}},
        "reward_fn: reward regex: pattern '(' is no regular expression",
    ),
    # classifiers, as far as their configuration
    "a label that there is not": (
        {"reward_fn": {"id": "learned_reward", "args": {"model_name": "@classifier", "label_ix": 2}}},
        "reward_fn: label_ix 2: classifier",
    ),
    "a classifier's directory without one": (
        {f"{EVALUATION}.metrics": [{"id": "learned_reward", "args": {"model_name": "@empty", "label_ix": 0}}]},
        "train_evaluation.metrics[0]: model",
    ),
    "a device": (
        {"reward_fn": {"id": "learned_reward", "args": {"model_name": "x/y", "label_ix": 0, "device": "gpu"}}},
        'reward_fn: device: "gpu"; expected cpu, cuda',
    ),
    # the algorithm and its policy
    "another device": ({"alg.args.device": "graphics card"}, 'alg.args.device: "graphics card"'),
    "nlpo without masks": (
        {"alg.id": "nlpo"},
        "alg.policy.id: nlpo needs a maskable policy, found causal_lm_actor_critic_policy; use maskable_causal_lm",
    ),
    "a share without a type of mask": (
        {"alg.id": "nlpo", "alg.policy.id": NLPO, f"{POLICY}.top_mask": 0.9},
        "alg.policy.args.top_mask: 0.9 with mask_type learned_top_k, expected a whole number of actions",
    ),
    "a mask on a plain policy": ({f"{POLICY}.top_mask": 0.9}, 'unknown key "top_mask"'),
    "betas of text": ({f"{POLICY}.optimizer_kwargs": {"betas": "hello"}}, "alg.policy.args.optimizer_kwargs"),
    "one beta": ({f"{POLICY}.optimizer_kwargs": {"betas": [0.9]}}, "alg.policy.args.optimizer_kwargs"),
    "eps of text": ({f"{POLICY}.optimizer_kwargs": {"eps": "small"}}, "alg.policy.args.optimizer_kwargs"),
    "an argument that AdamW has not": ({f"{POLICY}.optimizer_kwargs": {"momentum": 0.9}}, "optimizer_kwargs"),
    "a huge rank": ({f"{POLICY}.lora": {"r": 10**12}}, "alg.policy.args.lora.r: expected an integer"),
    "modules that there are not": (
        {f"{POLICY}.lora": {"r": 2, "target_modules": ["q_proj"]}},
        "alg.policy.args.lora: ",
    ),
    "a huge number of environments": ({"env.n_envs": 1e12}, "env.n_envs: expected an integer >= 1 and <= 65536"),
    "a huge number of workers": ({"env.n_reward_workers": 10**9}, "env.n_reward_workers: expected an integer"),
    "a huge episode": ({"env.args.max_episode_length": 10**12}, "env.args.max_episode_length: expected an integer"),
    "a huge seed": ({"seed": 2**63}, "seed: expected an integer >= 0 and <= 9223372036854775807"),
    # the model, its tokenizer, the data
    "no weights": ({f"{POLICY}.model_name": "@bare"}, "no weights there (*.safetensors)"),
    "no model": ({f"{POLICY}.model_name": "@empty"}, "cannot be loaded"),
    "no tokenizer": ({"tokenizer.model_name": "@empty"}, "tokenizer: "),
    "another kind of model": ({f"{POLICY}.model_name": "@t5"}, "is an encoder-decoder (t5)"),
    "too long for the model": (
        {"env.args.max_prompt_length": 900, "env.args.max_episode_length": 900, "alg.args.n_steps": 900},
        "env.args: max_prompt_length 900 + max_episode_length 900 tokens do not fit",
    ),
    "an empty directory of data": ({"datapool": {"id": "imdb", "args": {"data_dir": "@empty"}}}, "datapool: "),
    "rows in no file": (
        {"datapool": {"id": "columns", "args": {"path": "@own/dev.jsonl"}}},
        "datapool: ",
    ),
    "rows without the column of the prompt": (
        {"datapool": {"id": "columns", "args": {"path": "@own/train.jsonl"}}},
        "train.jsonl, line 1: missing column prompt; found question, answer",
    ),
    "rows of a test file without a reference": (
        {"datapool": {"id": "columns", "args": {"path": "@own", "prompt": "question", "references": "answer"}}},
        "test.jsonl, line 1: column answer: ",
    ),
    "messages that are none": ({"datapool": {"id": "messages", "args": {"path": "@own"}}}, "train.jsonl, line 1: "),
    "data of another column": ({"datapool": {"id": "imdb_seq2seq", "args": {"data_dir": "@half"}}}, "datapool: "),
}
WRONG_SUPERVISED: dict[str, tuple[Config, str]] = {
    name: ({f"alg.training_args.{key}": value}, f"alg.training_args{said}")
    for name, (key, value, said) in {
        "a schedule": ("lr_scheduler_type", "linaer", ": "),
        "a rate of text": ("learning_rate", "fast", ".learning_rate: expected a number"),
        "epochs in a list": ("num_train_epochs", [1], ".num_train_epochs: expected a number"),
        "a batch of none": ("per_device_train_batch_size", 0, ".per_device_train_batch_size: expected an integer >= 1"),
        "an optimiser": ("optim", "adamm", ": "),
        "an optimiser of a package": ("optim", "adamw_bnb_8bit", ": "),
        "a schedule's arguments": ("lr_scheduler_kwargs", {"num_cyles": 2}, ": "),
        "logging never": ("logging_steps", 0, ".logging_steps: expected a number > 0"),
        "saving less than never": ("save_steps", -1, ".save_steps: expected a number >= 0"),
        "no epochs": ("num_train_epochs", 0, ".num_train_epochs: expected a number > 0"),
        "a rate of embeddings": ("optim_args", "embedding_learning_rate=big", ".optim_args: embedding_learning_rate"),
    }.items()
}
WRONG_SUPERVISED |= {
    "modules of adapters": ({"alg.lora": {"r": 2, "target_modules": ["nothing"]}}, "alg.lora: "),
    "a rate of embeddings that stay": (
        {"alg.lora": {"r": 2}, "alg.training_args.optim_args": "embedding_learning_rate=0.1"},
        "alg.training_args.optim_args: embedding_learning_rate has no effect with alg.lora",
    ),
    "a causal model": ({"alg.model_name": "@gpt2"}, "alg.model_name: "),
    "a model without weights": ({"alg.model_name": "@bare", "alg.model_type": "causal"}, "no weights there"),
}


def dry_run(config: Config, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What it says on stderr: one line, or "" for a configuration that it calls valid."""
    path.write_text(yaml.safe_dump(config))
    code = main(["--config_path", str(path), "--dry-run"])
    printed = capsys.readouterr()
    assert (code, printed.err.count("\n")) in {(0, 0), (2, 1)}, printed.err
    assert code or printed.out.startswith(f"{path}: a valid configuration")
    return str(printed.err)


@pytest.mark.parametrize(("changes", "said"), WRONG_RL.values(), ids=WRONG_RL)
def test_what_would_not_start_is_refused(
    changes: Config, said: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if f"{POLICY}.lora" in changes:
        pytest.importorskip("peft")
    line = dry_run(changed(rl(models), models, changes), tmp_path / "run.yml", capsys)
    assert line.startswith(f"error: {tmp_path / 'run.yml'}: ") and said in line


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "said"), WRONG_SUPERVISED.values(), ids=WRONG_SUPERVISED)
def test_a_warm_start_that_would_not_start_is_refused(
    changes: Config, said: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "alg.lora" in changes:
        pytest.importorskip("peft")
    line = dry_run(changed(supervised(models), models, changes), tmp_path / "run.yml", capsys)
    assert line.startswith(f"error: {tmp_path / 'run.yml'}: ") and said in line


RIGHT_RL: dict[str, Config] = {
    "plain": {},
    "a seed beyond numpy's": {"seed": 2**32},
    "the highest seed": {"seed": 2**63 - 1},
    "an optimiser's arguments": {f"{POLICY}.optimizer_kwargs": {"betas": [0.8, 0.9], "eps": 1e-6, "amsgrad": True}},
    "a share": {
        "alg.id": "nlpo", "alg.policy.id": NLPO, f"{POLICY}.top_mask": 0.9, f"{POLICY}.mask_type": "learned_top_p",
    },
    "actions": {"alg.id": "nlpo", "alg.policy.id": NLPO, f"{POLICY}.top_mask": 3},
    "a policy with masks for PPO": {"alg.policy.id": NLPO, f"{POLICY}.top_mask": 3},
    "metrics": {
        f"{EVALUATION}.metrics": [{"id": "increasing_numbers", "args": {"min_tokens": 3}}, {"id": "dates"}],
        f"{EVALUATION}.keep_best": {"metric": "synthetic/increasing_numbers_in_text"},
    },
    "data": {"datapool": {"id": "imdb", "args": {"data_dir": "@data", "seed": 42}},
             "reward_fn": {"id": "sacre_bleu", "args": {"tokenize": "intl", "max_ngram_order": 2}}},
    "rows of columns": {
        "datapool": {"id": "columns", "args": {"path": "@own/train.jsonl", "prompt": "question"}},
    },
    "a key": {
        "datapool": {"id": "imdb", "args": {"data_dir": "@data"}},
        "reward_fn": {"id": "metric_reward", "args": {"metric": "rouge", "key": "lexical/rouge_rouge1"}},
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("changes", RIGHT_RL.values(), ids=RIGHT_RL)
def test_what_it_calls_valid_starts(
    changes: Config, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = changed(rl(models), models, changes)
    assert dry_run(given, tmp_path / "run.yml", capsys) == ""
    train_on_policy(RunConfig.from_dict(given), tmp_path / "run")
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_valid_warm_start_is_called_so(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"lr_scheduler_type": "cosine", "warmup_steps": 2, "save_total_limit": 1, "weight_decay": 0.1}
    changes = {f"alg.training_args.{name}": value for name, value in arguments.items()}
    changes["alg.training_args.optim_args"] = "embedding_learning_rate=0.05"
    assert dry_run(changed(supervised(models), models, changes), tmp_path / "run.yml", capsys) == ""


OFF: list[Config] = [
    {"save_total_limit": 0},
    {"save_total_limit": -1},
    {"save_steps": 0},
    {"save_steps": 0, "save_strategy": "no"},
    {"save_steps": -1, "save_strategy": "epoch"},
    {"logging_steps": 0, "logging_strategy": "no"},
    {"logging_steps": 0, "logging_strategy": "epoch"},
    {"num_train_epochs": 0, "max_steps": 2},
    {"max_grad_norm": 0, "weight_decay": 0, "warmup_steps": 0, "learning_rate": 0},
]


@pytest.mark.parametrize("arguments", OFF)
def test_what_is_off_has_no_bound(
    arguments: Config, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {f"alg.training_args.{name}": value for name, value in arguments.items()}
    assert dry_run(changed(supervised(models), models, changes), tmp_path / "run.yml", capsys) == ""


def test_a_class_in_a_module_takes_what_its_signature_says(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is loaded once the process is settled, and its arguments are checked before any work."""
    code = "class Brevity:\n    def __init__(self, target: int, unit: str = 'words') -> None: ...\n"
    (tmp_path / "rewards_of_a_dry_run.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = rl(models)

    def line(**args: Any) -> str:
        config["reward_fn"] = {"id": "rewards_of_a_dry_run:Brevity", "args": args}
        return dry_run(config, tmp_path / "run.yml", capsys)

    assert line(target=3) == ""
    assert 'reward_fn: args: unknown key "units". Did you mean "unit"? Known: target, unit.' in line(
        target=3, units="w"
    )
    assert "reward_fn: args: target: missing; expected a value." in line()
