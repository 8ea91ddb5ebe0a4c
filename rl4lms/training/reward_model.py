"""Learned reward models: small sequence classifiers trained from scratch, or a published one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rl4lms.config.stages import STAGES
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.io import canonical_json, read_jsonl, sha256_text, write_json
from rl4lms.core.pretrained import model_from_pretrained
from rl4lms.core.seeding import derive_seed, numpy_generator
from rl4lms.core.work_directory import publish_run, work_directory, work_path
from rl4lms.data_pools.row_check import complaint
from rl4lms.tasks.task import LabelledText, task_of
from rl4lms.tokenization.tokenizer import load_tokenizer, save_tokenizer, train_bpe
from rl4lms.training.fitting import FitCheckpoints, Optimisation, final_loss, fit
from rl4lms.training.lm_data import Batch, bucket, right_pad

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EVAL_BATCH = 64
MIN_PREFIX = 0.25  # the shortest part of a text that training shows, as a share of its tokens


@dataclass(frozen=True)
class ClassifierTraining:
    """The section `training` of params/reward_models.yaml. max_length: in tokens, special ones included."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    max_length: int
    warmup_steps: int = 0
    weight_decay: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class RewardModelSettings:
    """One model of params/reward_models.yaml.

    model_name: a directory or hub id, used unchanged. None trains a model from scratch, with `architecture` (model_type
    and keys of its configuration class), `vocab_size` and `training`.
    """

    name: str
    task: str
    labels: Sequence[str]
    architecture: Mapping[str, Any]
    model_name: str | None = None
    vocab_size: int | None = None
    training: ClassifierTraining | None = None

    @classmethod
    def from_params(cls, name: str, params: Mapping[str, Any]) -> RewardModelSettings:
        training, tokenizer = params.get("training"), params.get("tokenizer") or {}
        return cls(
            name=name,
            task=params["task"],
            labels=params["labels"],
            architecture=params.get("architecture") or {},
            model_name=params.get("model_name"),
            vocab_size=tokenizer.get("vocab_size"),
            training=ClassifierTraining(**training) if training else None,
        )


def read_texts(task: str, path: Path, n_labels: int) -> list[LabelledText]:
    """The labelled texts of a prepared split. Raises DataError for a label out of range or a split without texts."""
    if (labelled := task_of(task).labelled) is None:
        raise ConfigError(f"{task} has no labelled texts; expected a task whose TASK says what is `labelled`.")
    texts = []
    for number, row in enumerate(read_jsonl(path), 1):
        if wrong := complaint(row, task_of(task).data):
            raise DataError(f"{path}, row {number}: {wrong}.")
        texts += labelled(row)
    for text in texts:
        if not 0 <= text.label < n_labels:
            raise DataError(f"{path}: a text with label {text.label}, expected 0 to {n_labels - 1}.")
    if not texts:
        raise DataError(f"{path}: no labelled text in it.")
    return texts


def train_reward_model(settings: RewardModelSettings, data_dir: Path, out_dir: Path) -> None:
    """Write classifier, tokenizer and metrics.json into `out_dir`. data_dir holds {train,validation}.jsonl of the task.

    Equal inputs give equal files on a given machine with a given thread count. The same call resumes an interrupted
    run.
    """
    read = [data_dir / f"{split}.jsonl" for split in ("train", "validation")]
    if settings.model_name is not None:
        read.append(Path(settings.model_name))  # ignored if it is a hub id
    with work_directory(work_path(out_dir), asdict(settings), read) as work:
        heldout = read_texts(settings.task, data_dir / "validation.jsonl", len(settings.labels))
        if settings.model_name is None:
            model, tokenizer, metrics = _train_from_scratch(settings, data_dir, work / "checkpoints")
        else:
            model, tokenizer, metrics = _load(settings), load_tokenizer(settings.model_name), {}
        metrics["n_parameters"] = sum(p.numel() for p in model.parameters())
        metrics |= classifier_metrics(model, tokenizer, heldout)
        model.save_pretrained(work)
        save_tokenizer(tokenizer, work)
        write_json(work / "metrics.json", metrics)
        publish_run(work, out_dir, STAGES["reward-model"].outputs)


def _load(settings: RewardModelSettings) -> PreTrainedModel:
    """Load a published classifier. Raises ConfigError if it has fewer labels than the settings."""
    from transformers import AutoModelForSequenceClassification

    name, auto = str(settings.model_name), AutoModelForSequenceClassification
    model: PreTrainedModel = model_from_pretrained(auto, name, "classifier", dtype=torch.float32)
    if int(model.config.num_labels or 0) < len(settings.labels):
        raise ConfigError(
            f"reward_models.yaml: {settings.name}.model_name: {name} has {model.config.num_labels} labels, expected "
            f"{len(settings.labels)}: {', '.join(settings.labels)}."
        )
    model.eval()
    return model


def _train_from_scratch(
    settings: RewardModelSettings, data_dir: Path, checkpoints: Path
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, Any]]:
    training, vocab_size = settings.training, settings.vocab_size
    if training is None or vocab_size is None:
        raise ConfigError(f"reward_models.yaml: {settings.name}: expected model_name, or tokenizer and training.")
    texts = read_texts(settings.task, data_dir / "train.jsonl", len(settings.labels))
    progress.phase("learning a vocabulary")
    tokenizer = train_bpe(
        (text.head + text.tail for text in texts),
        vocab_size,
        flavour="bert",
        model_max_length=training.max_length,
        lowercase=True,
    )
    steps = training.n_epochs * math.ceil(len(texts) / training.batch_size)
    optimisation = Optimisation(steps, training.learning_rate, training.warmup_steps, training.weight_decay)
    with torch.random.fork_rng(devices=[]):  # weights and dropout are drawn from the global generator
        torch.manual_seed(derive_seed(training.seed, "reward-model", settings.name, "weights"))
        model = initial_classifier(settings, tokenizer)
        progress.phase("training")
        saves = FitCheckpoints(checkpoints, sha256_text(canonical_json(asdict(settings))))
        losses = fit(model, _batches(settings.name, training, tokenizer, texts), optimisation, saves)
    return model, tokenizer, {"train_loss": round(final_loss(losses), 6), "n_train": len(texts)}


def initial_classifier(settings: RewardModelSettings, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A classifier with weights drawn from torch's global generator. Raises ConfigError for an unknown architecture."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    architecture = dict(settings.architecture)
    where = f"reward_models.yaml: {settings.name}.architecture"
    kind = architecture.pop("model_type", "distilbert")
    try:
        known = AutoConfig.for_model(kind).to_dict()
    except ValueError:
        raise ConfigError(
            f'{where}.model_type: unknown "{kind}"; expected a transformers model type, as distilbert.'
        ) from None
    for key in architecture:
        if key not in known:
            raise ConfigError(unknown("key", key, known, where))
    config = AutoConfig.for_model(
        kind,
        **architecture,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        problem_type="single_label_classification",  # set here, because the first step, which sets it, may be skipped
        id2label=dict(enumerate(settings.labels)),
        label2id={label: i for i, label in enumerate(settings.labels)},
    )
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    return model


def _batches(
    name: str, training: ClassifierTraining, tokenizer: PreTrainedTokenizerBase, texts: Sequence[LabelledText]
) -> Iterator[Batch]:
    """Batches without end. Each epoch shows other parts of the texts."""
    heads = tokenizer([t.head for t in texts], add_special_tokens=False, verbose=False)["input_ids"]
    tails = tokenizer([t.tail for t in texts], add_special_tokens=False, verbose=False)["input_ids"]
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    epoch = 0
    while True:
        rng = numpy_generator(training.seed, "reward-model", name, "epoch", epoch)
        shown = (_shown(head, tail, training.max_length - 2, rng) for head, tail in zip(heads, tails, strict=True))
        rows = [[first, *ids, last] for ids in shown]
        for batch in bucket([len(row) for row in rows], rng, max_rows=training.batch_size):
            yield _collate([rows[i] for i in batch], [texts[i].label for i in batch], tokenizer.pad_token_id)
        epoch += 1


def _shown(head: Sequence[int], tail: Sequence[int], limit: int, rng: np.random.Generator) -> list[int]:
    """The last `limit` ids of a text that is shown whole half of the time, else with a random beginning of `tail`.

    A reward also classifies unfinished generations, so the classifier must be trained on parts of texts.
    """
    share = 1.0 if rng.random() < 0.5 else rng.uniform(MIN_PREFIX, 1.0)
    return [*head, *tail[: max(round(share * len(tail)), 1)]][-limit:]


def _collate(rows: Sequence[Sequence[int]], labels: Sequence[int], pad_id: int) -> Batch:
    """input_ids, attention_mask (B, L); labels (B,)."""
    return {
        "input_ids": right_pad(rows, pad_id),
        "attention_mask": right_pad([[1] * len(row) for row in rows], 0),
        "labels": torch.tensor(labels),
    }


def classifier_metrics(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[LabelledText]
) -> dict[str, Any]:
    """Accuracy and mean cross-entropy on whole texts, accuracy on half texts, and the share of the majority label."""
    labels = torch.tensor([t.label for t in texts])
    whole = _logits(model, tokenizer, [t.head + t.tail for t in texts])
    half = _logits(model, tokenizer, [t.head + t.tail[: len(t.tail) // 2] for t in texts])
    return {
        "heldout_accuracy": _accuracy(whole, labels),
        "heldout_accuracy_half_text": _accuracy(half, labels),
        "heldout_loss": round(torch.nn.functional.cross_entropy(whole, labels).item(), 6),
        "heldout_majority_share": round(labels.bincount().max().item() / len(labels), 6),
        "n_heldout": len(labels),
    }


def _accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return round((logits.argmax(-1) == labels).double().mean().item(), 6)


def _logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> torch.Tensor:
    """(N, labels) float32. A text that is too long keeps its end, as in the reward."""
    tokenizer.truncation_side = "left"
    rows = tokenizer(list(texts), truncation=True)["input_ids"]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    logits = torch.empty(len(rows), int(model.config.num_labels or 0))
    for start in range(0, len(order), EVAL_BATCH):
        chosen = order[start : start + EVAL_BATCH]
        batch = _collate([rows[i] for i in chosen], [0] * len(chosen), tokenizer.pad_token_id)
        del batch["labels"]
        with torch.inference_mode():
            logits[chosen] = model(**batch).logits.float()
    return logits
