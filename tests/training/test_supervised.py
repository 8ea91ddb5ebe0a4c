from __future__ import annotations

import json
import math
import pickle
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Trainer

from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.metrics.base import BaseMetric
from rl4lms.policies.language_models import load_language_model
from rl4lms.training.lm_data import IGNORE
from rl4lms.training.supervised import train_supervised
from rl4lms.training.supervised_data import (
    Collator,
    causal_examples,
    prompts_and_references,
    seq2seq_examples,
    target_loss,
)
from tests.conftest import EOS, PAD, llama_tokenizer, tiny_model, word_tokenizer

FILES = ["config.json", "training_info.jsonl", "val_split_metrics.jsonl"]
MODEL = ["config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]


class Echo(TextGenPool):
    """The reference repeats the prompt's last word."""

    @classmethod
    def prepare(cls, split: str, **args: Any) -> Echo:
        start = {"train": 4, "val": 44, "test": 54}[split]
        rows = [(f"w4 w{i}", f"w{i} w{i}") for i in range(start, start + (40 if split == "train" else 8))]
        return cls([Sample(f"{split}_{i}", prompt, [reference]) for i, (prompt, reference) in enumerate(rows)])


@pytest.fixture(autouse=True)
def _pool(monkeypatch):
    monkeypatch.setitem(DataPoolRegistry.table._entries, "echo", Echo)


@pytest.fixture(params=["gpt2", "t5"])
def family(request) -> str:
    return request.param


def saved(path: Path, family: str, dropout: float = 0.0) -> str:
    model = tiny_model(family)
    names = ("embd_pdrop", "attn_pdrop", "resid_pdrop") if family == "gpt2" else ("dropout_rate",)
    model.config.update(dict.fromkeys(names, dropout))
    model.save_pretrained(path)
    word_tokenizer(pad_is_eos=family == "gpt2").save_pretrained(path)
    return str(path)


def config(model: str, family: str, seed: int = 0, **training_args: Any) -> RunConfig:
    arguments = {"per_device_train_batch_size": 8, "num_train_epochs": 2, "logging_steps": 2, "learning_rate": 3e-3}
    return RunConfig.from_dict(
        {
            "tokenizer": {"model_name": model},
            "datapool": {"id": "echo"},
            "alg": {
                "id": "supervised",
                "training_args": {**arguments, **training_args},
                "model_type": "causal" if family == "gpt2" else "seq2seq",
                "model_name": model,
                "generation_kwargs": {"do_sample": True, "top_k": 0, "max_new_tokens": 4},
            },
            "train_evaluation": {"eval_batch_size": 4, "metrics": []},
            "seed": seed,
        }
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(directory: Path) -> dict[str, bytes]:
    return {n: (directory / n).read_bytes() for n in [*FILES, *(f"model/{name}" for name in MODEL)]}


def test_a_run_learns_and_equal_runs_write_equal_bytes(tmp_path, family):
    model = saved(tmp_path / "base", family)
    for name in ("a", "b", "c"):
        train_supervised(config(model, family, seed=int(name == "c")), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["model/model.safetensors"] != contents(tmp_path / "c")["model/model.safetensors"]
    val = lines(tmp_path / "a" / "val_split_metrics.jsonl")
    assert [row["epoch"] for row in val] == [0, 1, 2]
    assert val[2]["metrics"]["eval/loss"] < val[0]["metrics"]["eval/loss"]
    info = lines(tmp_path / "a" / "training_info.jsonl")
    assert [row["iteration"] for row in info] == [2, 4, 6, 8, 10]
    assert info[-1]["train/loss"] < info[0]["train/loss"]
    assert json.loads((tmp_path / "a" / "model" / "config.json").read_text())["use_cache"] is True
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert any(Path(file).is_relative_to(model) for file in manifest["inputs"])


def test_an_evaluation_of_some_samples_measures_its_loss_on_them(tmp_path):
    model = saved(tmp_path / "base", "gpt2")
    value = config(model, "gpt2", max_steps=1).to_dict()
    value["train_evaluation"]["max_samples"] = {"val": 3}
    train_supervised(RunConfig.from_dict(value), tmp_path / "run")
    drawn = json.loads((tmp_path / "run" / "evaluation_samples.json").read_text())["val"]
    assert drawn["of"] == 8 and len(drawn["index"]) == 3
    chosen = [Echo.prepare("val")[i][0] for i in drawn["index"]]
    assert [sample.id for sample in chosen] == drawn["ids"]
    tokenizer, base = word_tokenizer(pad_is_eos=True), load_language_model(model, seq2seq=False)
    examples = causal_examples(tokenizer, *prompts_and_references(chosen), 64)
    first = lines(tmp_path / "run" / "val_split_metrics.jsonl")[0]["metrics"]["eval/loss"]
    expected = target_loss(base, examples, tokenizer.pad_token_id, causal=True, batch_size=4)
    assert first == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("steps", "said"), [(3, [3]), (6, [4, 6]), (8, [4, 8])])
def test_the_last_step_is_logged_however_few_there_are(tmp_path: Path, steps: int, said: list[int]) -> None:
    """A run of fewer steps than `logging_steps` would end without training_info.jsonl, and its stage refuse it."""
    model = saved(tmp_path / "base", "gpt2")
    train_supervised(config(model, "gpt2", max_steps=steps, logging_steps=4), tmp_path / "run")
    assert [row["iteration"] for row in lines(tmp_path / "run" / "training_info.jsonl")] == said


def test_adapters_learn_resume_and_are_merged(tmp_path, monkeypatch, family):
    """model/ is the base with adapter/ merged into it; few of its weights are others."""
    pytest.importorskip("peft")
    from peft import PeftModel

    model = saved(tmp_path / "base", family)
    value = config(model, family, save_steps=2, num_train_epochs=4, learning_rate=3e-2).to_dict()
    value["alg"]["lora"] = {"r": 2, "alpha": 8.0, "dropout": 0.1, "target_modules": None}
    adapted = RunConfig.from_dict(value)
    train_supervised(adapted, tmp_path / "whole")
    with monkeypatch.context() as patch:
        cut_after(patch, 12)
        with pytest.raises(Cut):
            train_supervised(adapted, tmp_path / "cut")
    train_supervised(adapted, tmp_path / "cut")
    names = [*FILES, "model/model.safetensors", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"]
    assert all((tmp_path / "whole" / n).read_bytes() == (tmp_path / "cut" / n).read_bytes() for n in names)
    losses = [row["metrics"]["eval/loss"] for row in lines(tmp_path / "whole" / "val_split_metrics.jsonl")]
    assert losses[-1] < losses[0] - 0.05
    merged = load_language_model(str(tmp_path / "whole" / "model"), seq2seq=family == "t5")
    over = PeftModel.from_pretrained(load_language_model(model, seq2seq=family == "t5"), tmp_path / "whole" / "adapter")
    expected = over.merge_and_unload().state_dict()
    moved = 0
    base = load_language_model(model, seq2seq=family == "t5").state_dict()
    for name, weight in merged.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6)
        moved += not torch.equal(weight, base[name])
    assert 0 < moved < len(base) // 2


def test_the_trainer_prints_nothing(tmp_path, capsys):
    train_supervised(config(saved(tmp_path / "base", "gpt2"), "gpt2", max_steps=2), tmp_path / "run")
    assert capsys.readouterr().out == ""


class Cut(Exception):
    pass


def cut_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The process dies once step `step` is done, logged and saved."""
    original = Trainer._maybe_log_save_evaluate

    def dies(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.state.global_step == step:
            raise Cut

    monkeypatch.setattr(Trainer, "_maybe_log_save_evaluate", dies)


# 5 steps an epoch, of which there are 2. At 4, within the first, a line of log is still gathering; 5 is its end.
CUTS = [
    (4, {"save_steps": 2, "logging_steps": 3}),
    (5, {"save_steps": 5, "logging_steps": 3}),
    (7, {"save_strategy": "epoch", "logging_steps": 5}),
    (10, {"save_steps": 1, "logging_steps": 4}),
    (3, {"save_strategy": "no"}),
    (8, {"save_steps": 2, "logging_steps": 3, "max_steps": 8, "lr_scheduler_type": "cosine"}),
    (3, {"save_steps": 1, "logging_steps": 3, "gradient_accumulation_steps": 2}),
]


@pytest.mark.parametrize(
    ("family", "step", "arguments"), [("t5", *CUTS[0]), *(("gpt2", *cut) for cut in CUTS)], indirect=["family"]
)
def test_a_run_that_dies_resumes_to_the_same_bytes(tmp_path, monkeypatch, family, step, arguments):
    """Dropout is on, so the generators count; neither pickle nor torch.load is used on the way."""
    model = saved(tmp_path / "base", family, dropout=0.1)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    monkeypatch.setattr(torch, "load", None)
    train_supervised(config(model, family, **arguments), tmp_path / "whole")
    with monkeypatch.context() as patch:
        cut_after(patch, step)
        with pytest.raises(Cut):
            train_supervised(config(model, family, **arguments), tmp_path / "cut")
    train_supervised(config(model, family, **arguments), tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    kept = {path.suffix for path in (tmp_path / "cut").rglob("*") if path.is_file()}
    assert kept <= {".json", ".jsonl", ".safetensors", ".md"}


def terminate_in(monkeypatch: pytest.MonkeyPatch, step: int, sent: signal.Signals) -> None:
    """A signal comes while step `step` is computed."""
    original = Trainer.training_step

    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step - 1:
            signal.raise_signal(sent)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", told)


@pytest.mark.parametrize(
    "off",
    [
        {"save_steps": 0, "save_total_limit": 0},
        {"logging_strategy": "no", "logging_steps": 0, "save_strategy": "no", "save_steps": -1},
        {"num_train_epochs": 0, "max_steps": 2},
    ],
)
def test_a_run_with_something_off_ends_well(tmp_path: Path, off: dict[str, Any]) -> None:
    train_supervised(config(saved(tmp_path / "base", "gpt2"), "gpt2", **off), tmp_path / "run")
    assert (tmp_path / "run/model/model.safetensors").is_file()


def test_a_signal_saves_and_leaves(tmp_path, monkeypatch, family):
    """Within an epoch SIGTERM, and Ctrl-C at its end; also where nothing else saves."""
    model = saved(tmp_path / "base", family)
    arguments = {"save_strategy": "no", "logging_steps": 3}
    train_supervised(config(model, family, **arguments), tmp_path / "whole")
    previous = signal.getsignal(signal.SIGTERM)
    for step, sent in ((4, signal.SIGTERM), (5, signal.SIGINT)):
        with monkeypatch.context() as patch:
            terminate_in(patch, step, sent)
            with pytest.raises(SystemExit if step == 4 else KeyboardInterrupt) as left:
                train_supervised(config(model, family, **arguments), tmp_path / "cut")
        assert step == 5 or left.value.code == 143
        assert max(p.name for p in (tmp_path / "cut" / "checkpoints").iterdir()) == f"{step:08d}"
    assert signal.getsignal(signal.SIGTERM) is previous
    train_supervised(config(model, family, **arguments), tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


class Length(BaseMetric):
    """Words a text, and a draw from every global generator, which must not reach the training."""

    def compute(self, prompt_texts, generated_texts, reference_texts, meta_infos=None, model=None, split_name=None):
        assert not model.training and split_name in ("val", "test")
        torch.rand(7), random.random(), np.random.rand()
        lengths = [float(len(text.split())) for text in generated_texts]
        return {"test/length": (lengths, sum(lengths) / len(lengths))}


def evaluated(model: str, family: str, evaluation: dict[str, Any] | None = None, **training_args: Any) -> RunConfig:
    """The configuration with a metric; evaluation: changes of `train_evaluation`."""
    given = config(model, family, **training_args).to_dict()
    given["train_evaluation"] |= {"metrics": [{"id": "length"}, {"id": "meteor"}], **(evaluation or {})}
    return RunConfig.from_dict(given)


@pytest.fixture
def _length(monkeypatch):
    monkeypatch.setitem(MetricRegistry.table._entries, "length", Length)


@pytest.mark.usefixtures("_length")
def test_a_published_run_scores_val_and_test_as_rl_runs_do(tmp_path, family):
    """Both at the start and at the end, val after each epoch; the training is that of a run without metrics."""
    model = saved(tmp_path / "base", family, dropout=0.1)
    train_supervised(config(model, family), tmp_path / "plain")
    train_supervised(evaluated(model, family), tmp_path / "run")
    val, test = (lines(tmp_path / "run" / f"{split}_split_metrics.jsonl") for split in ("val", "test"))
    assert [row["epoch"] for row in val] == [0, 1, 2] and [row["epoch"] for row in test] == [0, 2]
    assert all({"eval/loss", "test/length", "lexical/meteor"} == set(row["metrics"]) for row in val)
    assert all({"test/length", "lexical/meteor"} == set(row["metrics"]) for row in test)
    wanted = {f"epoch_{n}_val_split_predictions.json" for n in (0, 1, 2)}
    wanted |= {f"epoch_{n}_test_split_predictions.json" for n in (0, 2)}
    assert {path.name for path in (tmp_path / "run").glob("epoch_*")} == wanted
    plain = lines(tmp_path / "plain" / "val_split_metrics.jsonl")
    assert [row["metrics"]["eval/loss"] for row in val] == [row["metrics"]["eval/loss"] for row in plain]
    for name in ("training_info.jsonl", "model/model.safetensors", "model/config.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert not list((tmp_path / "plain").glob("epoch_*")) + list((tmp_path / "plain").glob("test_*"))


@pytest.mark.usefixtures("_length")
@pytest.mark.parametrize("place", ["alg", "train_evaluation"])
def test_its_texts_are_those_of_its_model_and_of_its_generation_settings(tmp_path, family, place):
    """train_evaluation.generation_kwargs, where given, wins over alg.generation_kwargs."""
    model = saved(tmp_path / "base", family)
    settings = {"do_sample": True, "top_k": 0, "max_new_tokens": 4}
    changes = {}
    if place == "train_evaluation":
        settings = {"do_sample": False, "max_new_tokens": 3}
        changes = {"generation_kwargs": settings}
    train_supervised(evaluated(model, family, changes), tmp_path / "run")
    loaded = load_language_model(str(tmp_path / "run" / "model"), seq2seq=family == "t5")
    generator = TextGenerator(
        loaded, word_tokenizer(pad_is_eos=family == "gpt2"), generation=settings, max_prompt_length=8, batch_size=3
    )
    for split in ("val", "test"):
        rows = json.loads((tmp_path / "run" / f"epoch_2_{split}_split_predictions.json").read_text())
        samples = [sample for sample, _ in Echo.prepare(split)]
        assert [row["generated_text"] for row in rows] == generator(samples)
        assert [row["sample_id"] for row in rows] == [sample.id for sample in samples]
        assert [row["test/length"] for row in rows] == [float(len(row["generated_text"].split())) for row in rows]


@pytest.mark.usefixtures("_length")
def test_eval_every_counts_epochs_and_the_last_is_always_evaluated(tmp_path):
    model = saved(tmp_path / "base", "gpt2")
    train_supervised(evaluated(model, "gpt2", {"eval_every": 2}, num_train_epochs=3), tmp_path / "run")
    assert [row["epoch"] for row in lines(tmp_path / "run" / "val_split_metrics.jsonl")] == [0, 2, 3]
    assert [row["epoch"] for row in lines(tmp_path / "run" / "test_split_metrics.jsonl")] == [0, 3]


@pytest.mark.usefixtures("_length")
@pytest.mark.parametrize("step", [4, 5, 10])
def test_an_evaluated_run_that_dies_resumes_to_the_same_bytes(tmp_path, monkeypatch, step):
    """Within an epoch, at its end, and once all is trained; nothing is evaluated twice."""
    model = saved(tmp_path / "base", "gpt2", dropout=0.1)
    arguments = {"save_steps": step, "logging_steps": 3}
    train_supervised(evaluated(model, "gpt2", **arguments), tmp_path / "whole")
    with monkeypatch.context() as patch:
        cut_after(patch, step)
        with pytest.raises(Cut):
            train_supervised(evaluated(model, "gpt2", **arguments), tmp_path / "cut")
    train_supervised(evaluated(model, "gpt2", **arguments), tmp_path / "cut")
    names = [*FILES, "test_split_metrics.jsonl", "model/model.safetensors"]
    names += [path.name for path in (tmp_path / "whole").glob("epoch_*")]
    for name in names:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    train_supervised(evaluated(model, "gpt2", **arguments), tmp_path / "cut")  # once more, finished
    for name in names:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


KEYS: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False, "min_length": 2},
    "sampled": {"do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9},
    "beams": {"num_beams": 3, "length_penalty": 0.6, "early_stopping": True},
    "penalties": {"no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
    "max_length": {"max_length": 5},
    "post": {"post_processing_fn": {"id": "three_sentence_summary"}},
}


@pytest.mark.usefixtures("_length")
@pytest.mark.parametrize("generation", KEYS.values(), ids=KEYS)
def test_every_key_of_generation_reaches_the_evaluation_of_a_supervised_run(tmp_path, family, generation):
    model = saved(tmp_path / "base", family)
    given = evaluated(model, family, max_steps=1).to_dict()
    length = {} if "max_length" in generation else {"max_new_tokens": 4}
    given["alg"]["generation_kwargs"] = {**length, **generation}
    sides = {"padding_side": "right", "truncation_side": "right", "pad_token_as_eos_token": True, "max_length": 6}
    given["tokenizer"] |= sides
    if family == "gpt2" and "max_length" in generation:  # in transformers it counts the prompt, too
        with pytest.raises(ConfigError, match="max_length: is of encoder-decoder models"):
            RunConfig.from_dict(given)
        return
    train_supervised(RunConfig.from_dict(given), tmp_path / "run")
    resolved = json.loads((tmp_path / "run" / "config.json").read_text())["alg"]["generation_kwargs"]
    assert resolved["max_new_tokens"] == 4
    rows = json.loads((tmp_path / "run" / "epoch_1_test_split_predictions.json").read_text())
    assert len(rows) == 8 and all(len(row["generated_text"].split()) <= 4 for row in rows)


def test_a_response_that_leaves_no_room_for_a_prompt_is_refused(tmp_path):
    model = saved(tmp_path / "base", "gpt2")
    given = config(model, "gpt2").to_dict()
    given["alg"]["generation_kwargs"]["max_new_tokens"] = 64  # the tokenizer's model_max_length
    with pytest.raises(ConfigError, match=r"max_new_tokens: 64 leave no room for a prompt in the 64 positions"):
        train_supervised(RunConfig.from_dict(given), tmp_path / "run")


def test_embeddings_may_have_a_rate_of_their_own(tmp_path):
    model = saved(tmp_path / "base", "t5")
    for name, args in (("a", {}), ("b", {"optim_args": "embedding_learning_rate=0.1"})):
        train_supervised(config(model, "t5", max_steps=3, **args), tmp_path / name)
    from transformers import T5ForConditionalGeneration

    start, a, b = (
        T5ForConditionalGeneration.from_pretrained(tmp_path / d).shared.weight for d in ("base", "a/model", "b/model")
    )
    assert (b - start).abs().max() > 10 * (a - start).abs().max()
    with pytest.raises(ConfigError, match="expected a number"):
        train_supervised(config(model, "t5", optim_args="embedding_learning_rate=big"), tmp_path / "c")


@pytest.mark.parametrize(
    "wrong", [{"lr_scheduler_type": "linaer"}, {"eval_strategy": "sometimes"}, {"fp16": True, "use_cpu": True}]
)
def test_a_value_that_transformers_refuses_is_one_line(tmp_path, wrong):
    with pytest.raises(ConfigError, match=r"^alg\.training_args(\.fp16)?: ") as error:
        train_supervised(config(saved(tmp_path / "base", "gpt2"), "gpt2", **wrong), tmp_path / "run")
    assert "\n" not in str(error.value)


def test_pad_equal_to_eos_leaves_the_eos_in_the_loss_and_the_padding_out():
    tokenizer = word_tokenizer(pad_is_eos=True)
    examples = causal_examples(tokenizer, ["w5", "w5 w6"], ["w7", "w8 w9"], 64)
    assert [e["input_ids"] for e in examples] == [[5, 7, EOS], [5, 6, 8, 9, EOS]]
    batch = Collator(tokenizer.pad_token_id, causal=True)(examples)
    assert batch["labels"].tolist() == [[5, 7, EOS, IGNORE, IGNORE], [5, 6, 8, 9, EOS]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    targets = Collator(tokenizer.pad_token_id, causal=True, targets_only=True)(examples)["labels"]
    assert targets.tolist() == [[IGNORE, 7, EOS, IGNORE, IGNORE], [IGNORE, IGNORE, 8, 9, EOS]]


def test_a_long_causal_text_loses_the_prompts_start_first():
    tokenizer = word_tokenizer()
    (example,) = causal_examples(tokenizer, ["w4 w5 w6 w7"], ["w8 w9"], 5)
    assert example["input_ids"] == [6, 7, 8, 9, EOS]
    (example,) = causal_examples(tokenizer, ["w4 w5"], ["w8 w9 w10 w11"], 4)
    assert example["input_ids"] == [5, 8, 9, 10]  # cut off, so no eos: the model does not learn to stop there


def test_words_are_not_glued_at_the_seam():
    from rl4lms.tokenization.tokenizer import train_bpe

    tokenizer = train_bpe(["the film was good"] * 9, 290)
    for prompt, reference in (("the film", "was good"), ("the film ", "was good"), ("the film", " was good")):
        (example,) = causal_examples(tokenizer, [prompt], [reference], 64)
        assert tokenizer.decode(example["input_ids"][:-1]) == "the film was good"


def test_a_reference_is_what_it_adds_to_its_prompt():
    """LLaMA's tokenizer puts a space of its own in front of a text: encoded apart, a reference would begin with two."""
    tokenizer = llama_tokenizer()
    for prompt, reference in (("the film was", "good"), ("the film was", " good"), ("", "the film was good")):
        (example,) = causal_examples(tokenizer, [prompt], [reference], 64)
        assert example["input_ids"][:-1] == tokenizer("the film was good")["input_ids"]
        assert example["n_prompt"] == [len(tokenizer(prompt)["input_ids"])]


def test_seq2seq_targets_end_in_exactly_one_eos():
    (example,) = seq2seq_examples(word_tokenizer(), ["w4 w5 w6"], ["w7"], 2, 8)
    assert example == {"input_ids": [5, 6], "labels": [7, EOS]}  # truncated on the tokenizer's side, left


def test_every_reference_is_an_example_and_none_is_an_error():
    assert prompts_and_references([Sample("a", "p", ["x", "y", " "])]) == (["p", "p"], ["x", "y"])
    with pytest.raises(DataError, match="no sample has a reference"):
        prompts_and_references([Sample("a", "p", [""])])


def test_the_validation_loss_does_not_depend_on_batches(family):
    model, tokenizer = tiny_model(family), word_tokenizer()
    prompts, references = ["w5", "w6 w7 w8", "w9 w10"], ["w11 w12 w13", "w14", "w15 w16"]
    causal = family == "gpt2"
    examples = (
        causal_examples(tokenizer, prompts, references, 64)
        if causal
        else seq2seq_examples(tokenizer, prompts, references, 64, 64)
    )
    one, three = (target_loss(model, examples, PAD, causal=causal, batch_size=n) for n in (1, 3))
    assert math.isclose(one, three, rel_tol=1e-5)
