"""Every published configuration trains for one iteration, on tiny models and generated rows in place of the hub's.

What is replaced, and nothing else: names of models by local directories of the same family, `data_dir` by generated
rows, and sizes by small ones. SPICE is left out: it needs Java and the Stanford models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.cli.train_text_generation import TRAINERS
from rl4lms.config.schema import RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.io import write_jsonl
from rl4lms.core.tables import TASKS
from rl4lms.data_pools.dataset import PUBLISHED_SPLITS
from rl4lms.tasks.task import task_of
from rl4lms.tracking.tracker import Tracker
from tests.conftest import tiny_model

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "published"
FILES = sorted(CONFIGS.glob("*/*.yml"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in FILES]

# Hub id -> what stands for it: a family of `tests.conftest.tiny_model`, or a kind of encoder.
STAND_INS = {
    "openai-community/gpt2": "gpt2",
    "lvwerra/gpt2-imdb": "gpt2",
    "rajkumarrrk/gpt2-fine-tuned-on-imdb-positive-reviews": "gpt2",
    "rajkumarrrk/gpt2-fine-tuned-on-daily-dialog": "gpt2",
    "google-t5/t5-base": "t5",
    "allenai/unifiedqa-t5-base": "t5",
    "rajkumarrrk/t5-common-gen": "t5",
    "rajkumarrrk/t5-base-fine-tuned-on-cnn-dm": "t5",
    "rajkumarrrk/t5-base-fine-tuned-on-totto": "t5",
    "rajkumarrrk/t5-fine-tuned-on-iwslt2017en_de": "t5",
    "facebook/bart-base": "bart",
    "facebook/blenderbot-400M-distill": "blenderbot",
    "lvwerra/distilbert-imdb": "sentiment",
    "rajkumarrrk/roberta-daily-dialog-intent-classifier": "intent",
}
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]  # the ids that tests.conftest's models expect
LABELS = {"encoder": 0, "sentiment": 2, "intent": 4}
PROMPT, RESPONSE = 16, 8
Directories = Callable[[str], str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated rows of the seven tasks, each in its folder."""
    root: Path = tmp_path_factory.mktemp("data")
    for task in TASKS.ids():
        for split, n in (("train", 24), ("val", 3), ("test", 3)):
            write_jsonl(root / task / f"{PUBLISHED_SPLITS[split]}.jsonl", task_of(task).generate(split, n, seed=0))
    return root


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Directories:
    """stand_in(kind) -> the directory of a tiny random model of that kind, with one tokenizer for all."""
    root = tmp_path_factory.mktemp("models")
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted(data.glob("*/train.jsonl")))
    words = sorted({*text.replace('"', " ").split(), "good", "bad", *map(str, range(40))})
    tokenizer = word_level([*SPECIALS, *words])

    def directory(kind: str) -> str:
        path = root / kind
        if not path.exists():
            model = (
                tiny_encoder(kind, len(tokenizer)) if kind in LABELS else tiny_model(kind, vocab_size=len(tokenizer))
            )
            model.save_pretrained(path)
            tokenizer.save_pretrained(path)
        return str(path)

    return directory


def word_level(vocabulary: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=64, **names)


def tiny_encoder(kind: str, vocab_size: int) -> Any:
    import transformers as tf

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = tf.BertConfig(vocab_size=vocab_size, max_position_embeddings=64, num_labels=LABELS[kind] or 2, **sizes)
    torch.manual_seed(0)
    if kind == "encoder":
        return tf.BertModel(config)
    return tf.BertForSequenceClassification(config)


def localized(section: Any, stand_in: Directories) -> Any:
    """The same with every model of the hub replaced by what stands for it."""
    if isinstance(section, Mapping):
        if section.get("id") == "bert_score":
            return {"id": "bert_score", "args": {**section["args"], "model_name": stand_in("encoder"), "num_layers": 1}}
        if section.get("id") == "common_gen_preference_model":
            return {"id": section["id"], "args": {**section["args"], "model_type": stand_in("t5")}}
        return {key: localized(value, stand_in) for key, value in section.items()}
    if isinstance(section, list):
        return [localized(item, stand_in) for item in section if item != {"id": "spice", "args": {}}]
    return stand_in(STAND_INS[section]) if isinstance(section, str) and section in STAND_INS else section


def shortened(config: dict[str, Any], task: str, data: Path) -> dict[str, Any]:
    """One iteration of a few short episodes, or two steps of supervision."""
    if task in TASKS:
        config["datapool"]["args"]["data_dir"] = str(data / task)
    alg, evaluation = config["alg"], config["train_evaluation"]
    evaluation["eval_batch_size"] = 4
    for metric in evaluation["metrics"]:
        if "stride" in metric["args"]:
            metric["args"]["stride"] = 64  # within the 128 positions of the stand-in
    if alg["id"] == "supervised":
        config["tokenizer"]["max_length"] = PROMPT
        alg["training_args"] |= {"per_device_train_batch_size": 2, "max_steps": 2, "logging_steps": 1, "use_cpu": True}
        decoded = [alg["generation_kwargs"]]
    else:
        evaluation |= {"n_iters": 1, "eval_every": 1}
        alg["args"] |= {"n_steps": 2 * RESPONSE, "device": "cpu"}
        config["env"]["n_envs"] = 2
        config["env"]["args"] |= {"max_prompt_length": PROMPT, "max_episode_length": RESPONSE}
        decoded = [evaluation["generation_kwargs"], alg["policy"]["args"]["generation_kwargs"]]
    for generation in decoded:
        generation["max_new_tokens"] = RESPONSE
        generation["min_length"] = min(generation["min_length"], RESPONSE)
    return config


def names_of_models(section: Any) -> Iterator[str]:
    if isinstance(section, Mapping):
        for key, value in section.items():
            yield from [value] if key in ("model_name", "tokenizer_id") else names_of_models(value)
    elif isinstance(section, list):
        for item in section:
            yield from names_of_models(item)


def test_every_model_has_a_stand_in() -> None:
    named = {name for path in FILES for name in names_of_models(load_yaml(path))}
    assert named == STAND_INS.keys()


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_it_trains(path: Path, data: Path, stand_in: Directories, tmp_path: Path) -> None:
    given = shortened(localized(load_yaml(path), stand_in), path.parent.name, data)
    config = RunConfig.from_dict(given, str(path))
    trainer = TRAINERS.load("supervised" if config.is_supervised else "on_policy")
    trainer(config, tmp_path, tracker=Tracker(tmp_path, quiet=True))
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert lines(tmp_path / "training_info.jsonl")
    if config.is_supervised:
        (start, end), (before, after) = (lines(tmp_path / f"{s}_split_metrics.jsonl") for s in ("val", "test"))
        assert (start["epoch"], end["epoch"], before["epoch"], after["epoch"]) == (0, 1, 0, 1)
        assert start["metrics"].keys() == end["metrics"].keys() == {*after["metrics"], "eval/loss"}
        assert len(json.loads((tmp_path / "epoch_1_test_split_predictions.json").read_text(encoding="utf-8"))) == 3
    else:
        (rollout,) = lines(tmp_path / "rollout_info.jsonl")
        assert rollout["rollout/n_steps"] == 4 * RESPONSE
        assert [row["epoch"] for row in lines(tmp_path / "val_split_metrics.jsonl")] == [0, 1]
        scored = lines(tmp_path / "test_split_metrics.jsonl")[-1]["metrics"]
        assert len(scored) >= len(given["train_evaluation"]["metrics"])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
