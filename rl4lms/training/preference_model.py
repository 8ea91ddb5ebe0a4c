"""Trains a preference model on pairs of texts: a seq2seq model whose first decoded token is "good" or "bad".

As in RL4LMs, the chosen text of a pair is to be rated "good" and the rejected one "bad". A reward compares the
probabilities of the two words (`rl4lms.metrics.preference`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_jsonl, write_json, write_text
from rl4lms.core.seeding import numpy_generator
from rl4lms.core.work_directory import publish_directory
from rl4lms.data_pools.splitting import stable_hash
from rl4lms.evaluation.classification import classification_report, report_text, rounded, wilson_interval
from rl4lms.metrics.preference import VERDICTS, PreferenceModel, verdict_ids
from rl4lms.tokenization.tokenizer import load_tokenizer, save_tokenizer, train_bpe
from rl4lms.training.base_model import BaseModelSettings, initial_language_model, load_model
from rl4lms.training.fitting import Optimisation, final_loss, fit
from rl4lms.training.lm_data import Batch, bucket, pad_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COLUMNS = ("prompt", "chosen", "rejected", "sample_id")
REPORT, REPORT_TEXT = "report.json", "report.txt"


@dataclass(frozen=True)
class PreferencePair:
    """Two texts for one prompt, of which people preferred `chosen`."""

    prompt: str
    chosen: str
    rejected: str
    sample_id: str

    def shown(self, include_prompt: bool) -> tuple[str, str]:
        """The inputs for the rejected and the chosen text, in the order of VERDICTS."""
        before = self.prompt if include_prompt else ""
        return before + self.rejected, before + self.chosen


@dataclass(frozen=True)
class PreferenceTraining:
    """The section `training` of params/preference_model.yaml. batch_size: in texts; max_length: in tokens."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    max_length: int
    warmup_steps: int = 0
    weight_decay: float = 0.0
    embedding_learning_rate: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class PreferenceSettings:
    """The content of params/preference_model.yaml."""

    training: PreferenceTraining
    include_prompt: bool
    heldout_share: float
    architecture: Mapping[str, Any]
    model_name: str | None = None
    vocab_size: int | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> PreferenceSettings:
        return cls(
            training=PreferenceTraining(**params["training"]),
            include_prompt=params["include_prompt"],
            heldout_share=params["heldout_share"],
            architecture=params.get("architecture") or {},
            model_name=params.get("model_name"),
            vocab_size=(params.get("tokenizer") or {}).get("vocab_size"),
        )


def read_pairs(path: Path) -> list[PreferencePair]:
    """The pairs in a jsonl file, whose rows have the strings "prompt", "chosen", "rejected" and "sample_id".

    Raises DataError if there are no rows, a column is missing or has another type, or the two texts are equal.
    """
    pairs = []
    for number, row in enumerate(read_jsonl(path, COLUMNS), 1):
        where = f"{path}, row {number}"
        for column in COLUMNS:
            if not isinstance(row[column], str):
                raise DataError(f"{where}: {column}: expected a string, found {type(row[column]).__name__}.")
        if row["chosen"] == row["rejected"]:
            raise DataError(f"{where}: chosen and rejected are the same text; leave ties out.")
        pairs.append(PreferencePair(**{column: row[column] for column in COLUMNS}))
    if not pairs:
        raise DataError(f"{path}: no rows in it; expected pairs of texts.")
    return pairs


def split_pairs(
    pairs: Sequence[PreferencePair], heldout_share: float
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """(training pairs, held-out pairs), split by the hash of the prompt, so that no prompt is in both.

    Raises DataError if there are too few prompts.
    """
    prompts = sorted({p.prompt for p in pairs}, key=lambda prompt: (stable_hash(prompt, "preference"), prompt))
    n_heldout = max(1, round(len(prompts) * heldout_share))
    if n_heldout >= len(prompts):
        raise DataError(f"{len(prompts)} prompt: too few to hold some out; give more pairs, or a file of its own.")
    heldout = set(prompts[:n_heldout])
    return [p for p in pairs if p.prompt not in heldout], [p for p in pairs if p.prompt in heldout]


def train_preference_model(
    settings: PreferenceSettings, pairs: Sequence[PreferencePair], heldout: Sequence[PreferencePair], out_dir: Path
) -> dict[str, Any]:
    """Write model, tokenizer and the report on `heldout` into `out_dir`. Returns the report.

    Equal inputs give equal files on a given machine with a given thread count.
    """
    tokenizer, model = _start(settings, pairs)
    training = settings.training
    texts = [(text, verdict) for p in pairs for verdict, text in enumerate(p.shown(settings.include_prompt))]
    steps = training.n_epochs * math.ceil(len(texts) / training.batch_size)
    optimisation = Optimisation(
        steps, training.learning_rate, training.warmup_steps, training.weight_decay, training.embedding_learning_rate
    )
    with torch.random.fork_rng(devices=[]):  # dropout is drawn from the global generator
        torch.manual_seed(training.seed)
        losses = fit(model, _batches(training, tokenizer, texts), optimisation)
    with publish_directory(out_dir) as scratch:
        model.save_pretrained(scratch)
        save_tokenizer(tokenizer, scratch)
        facts = {"n_train_pairs": len(pairs), "train_loss": final_loss(losses), "n_steps": steps}
        report = preference_report(PreferenceModel(str(scratch)), heldout, settings.include_prompt) | rounded(facts)
        write_report(report, scratch)
    return report


def _start(
    settings: PreferenceSettings, pairs: Sequence[PreferencePair]
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """The tokenizer and the model before training."""
    if settings.model_name is not None:
        tokenizer, model = load_tokenizer(settings.model_name), load_model(settings.model_name, "seq2seq")
        tokenizer.model_max_length = min(tokenizer.model_max_length, settings.training.max_length)
    elif settings.vocab_size is None:
        raise ConfigError("preference_model.yaml: expected model_name, or tokenizer and architecture.")
    else:
        texts = (text for p in pairs for text in p.shown(settings.include_prompt))
        tokenizer = train_bpe(
            [*VERDICTS, *texts], settings.vocab_size, flavour="t5", model_max_length=settings.training.max_length
        )
        family = BaseModelSettings("preference", "seq2seq", (), settings.architecture, file="preference_model.yaml")
        model = initial_language_model(family, tokenizer, settings.training.seed)
    verdict_ids(tokenizer, settings.model_name or "from scratch")
    return tokenizer, model


def _batches(
    training: PreferenceTraining, tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, int]]
) -> Iterator[Batch]:
    """Batches without end of texts and their verdicts. A verdict has no token that the tokenizer puts before a text."""
    sources = tokenizer([text for text, _ in texts], truncation=True, verbose=False)["input_ids"]
    words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in VERDICTS]
    targets = [[*ids, tokenizer.eos_token_id] for ids in words]
    epoch = 0
    while True:
        rng = numpy_generator(training.seed, "preference-model", "epoch", epoch)
        for batch in bucket([len(ids) for ids in sources], rng, max_rows=training.batch_size):
            yield pad_pairs([(sources[i], targets[texts[i][1]]) for i in batch], tokenizer.pad_token_id)
        epoch += 1


def preference_report(model: PreferenceModel, pairs: Sequence[PreferencePair], include_prompt: bool) -> dict[str, Any]:
    """How often the chosen text of a pair has the higher rating, and how well single texts are classified.

    pairwise_accuracy: a tie counts half. longer_is_better: the accuracy of choosing the longer text of each pair.
    """
    texts = [text for p in pairs for text in p.shown(include_prompt)]
    chances = model.probabilities(texts).double().tolist()
    won = [_points(chosen[1] - rejected[1]) for rejected, chosen in zip(chances[::2], chances[1::2], strict=True)]
    longer = [_points(len(p.chosen) - len(p.rejected)) for p in pairs]
    report = classification_report([0, 1] * len(pairs), chances, VERDICTS)
    return rounded(
        {
            "n_pairs": len(pairs),
            "pairwise_accuracy": sum(won) / len(won),
            "pairwise_accuracy_95_interval": list(wilson_interval(sum(won), len(won))),
            "longer_is_better": sum(longer) / len(longer),
            "include_prompt": include_prompt,
            "texts": report,
        }
    )


def _points(difference: float) -> float:
    return 0.5 if difference == 0 else float(difference > 0)


def write_report(report: Mapping[str, Any], directory: Path) -> None:
    low, high = report["pairwise_accuracy_95_interval"]
    headline = (
        f"pairwise accuracy {report['pairwise_accuracy']:.4f} (95 % {low:.4f} to {high:.4f}) on "
        f"{report['n_pairs']:,} held-out pairs; choosing the longer text {report['longer_is_better']:.4f}\n"
        'each text alone, "good" where its odds are above 1:\n\n'
    )
    write_json(directory / REPORT, report)
    write_text(directory / REPORT_TEXT, headline + report_text(report["texts"]))
