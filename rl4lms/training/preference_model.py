"""A preference model from pairs: a seq2seq model whose first decoded token says "good" or "bad".

Each pair is two texts to rate, the chosen one "good" and the rejected one "bad", as RL4LMs' model was trained; a
reward divides the odds of the two words (`rl4lms.metrics.preference`).
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
from rl4lms.training.base_model import BaseModelSettings, initial_model, load_model
from rl4lms.training.fitting import Optimisation, fit
from rl4lms.training.lm_data import Batch, bucket, pad_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COLUMNS = ("prompt", "chosen", "rejected", "sample_id")
REPORT, REPORT_TEXT = "report.json", "report.txt"


@dataclass(frozen=True)
class Comparison:
    """Two texts for one prompt, of which people preferred `chosen`."""

    prompt: str
    chosen: str
    rejected: str
    sample_id: str

    def shown(self, include_prompt: bool) -> tuple[str, str]:
        """What a model reads of the rejected and of the chosen text, in the order of VERDICTS."""
        before = self.prompt if include_prompt else ""
        return before + self.rejected, before + self.chosen


@dataclass(frozen=True)
class PreferenceTraining:
    """`training` of params/preference_model.yaml. batch_size: texts; max_length: tokens that are read of one."""

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
    """params/preference_model.yaml."""

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


def read_comparisons(path: Path) -> list[Comparison]:
    """Rows {"prompt", "chosen", "rejected", "sample_id"} of strings, a jsonl file.

    Raises DataError for no rows, a missing column, another type, or two equal texts.
    """
    comparisons = []
    for number, row in enumerate(read_jsonl(path, COLUMNS), 1):
        where = f"{path}, row {number}"
        for column in COLUMNS:
            if not isinstance(row[column], str):
                raise DataError(f"{where}: {column}: expected a string, found {type(row[column]).__name__}.")
        if row["chosen"] == row["rejected"]:
            raise DataError(f"{where}: chosen and rejected are the same text; leave ties out.")
        comparisons.append(Comparison(**{column: row[column] for column in COLUMNS}))
    if not comparisons:
        raise DataError(f"{path}: no rows in it; expected pairs of texts.")
    return comparisons


def split_comparisons(
    comparisons: Sequence[Comparison], heldout_share: float
) -> tuple[list[Comparison], list[Comparison]]:
    """(train, held out): whole prompts, by the hash of the prompt, so that none is in both. DataError for too few."""
    prompts = sorted({c.prompt for c in comparisons}, key=lambda prompt: (stable_hash(prompt, "preference"), prompt))
    n_heldout = max(1, round(len(prompts) * heldout_share))
    if n_heldout >= len(prompts):
        raise DataError(f"{len(prompts)} prompt: too few to hold some out; give more pairs, or a file of its own.")
    heldout = set(prompts[:n_heldout])
    return [c for c in comparisons if c.prompt not in heldout], [c for c in comparisons if c.prompt in heldout]


def train_preference_model(
    settings: PreferenceSettings, comparisons: Sequence[Comparison], heldout: Sequence[Comparison], out_dir: Path
) -> dict[str, Any]:
    """Write model, tokenizer and the report on `heldout` into `out_dir`. Returns the report.

    Equal inputs give equal bytes on one machine and thread count.
    """
    tokenizer, model = _start(settings, comparisons)
    training = settings.training
    texts = [(text, verdict) for c in comparisons for verdict, text in enumerate(c.shown(settings.include_prompt))]
    steps = training.n_epochs * math.ceil(len(texts) / training.batch_size)
    optimisation = Optimisation(
        steps, training.learning_rate, training.warmup_steps, training.weight_decay, training.embedding_learning_rate
    )
    with torch.random.fork_rng(devices=[]):  # the dropout's draws
        torch.manual_seed(training.seed)
        losses = fit(model, _batches(training, tokenizer, texts), optimisation)
    tail = losses[-max(len(losses) // 20, 1) :]
    with publish_directory(out_dir) as scratch:
        model.save_pretrained(scratch)
        save_tokenizer(tokenizer, scratch)
        facts = {"n_train_pairs": len(comparisons), "train_loss": sum(tail) / len(tail), "n_steps": steps}
        report = evaluate(PreferenceModel(str(scratch)), heldout, settings.include_prompt) | rounded(facts)
        write_report(report, scratch)
    return report


def _start(
    settings: PreferenceSettings, comparisons: Sequence[Comparison]
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    if settings.model_name is not None:
        tokenizer, model = load_tokenizer(settings.model_name), load_model(settings.model_name, "seq2seq")
        tokenizer.model_max_length = min(tokenizer.model_max_length, settings.training.max_length)
    elif settings.vocab_size is None:
        raise ConfigError("preference_model.yaml: expected model_name, or tokenizer and architecture.")
    else:
        texts = (text for c in comparisons for text in c.shown(settings.include_prompt))
        tokenizer = train_bpe(
            [*VERDICTS, *texts], settings.vocab_size, flavour="t5", model_max_length=settings.training.max_length
        )
        family = BaseModelSettings("preference", "seq2seq", (), settings.architecture, file="preference_model.yaml")
        model = initial_model(family, tokenizer, settings.training.seed)
    verdict_ids(tokenizer, settings.model_name or "from scratch")
    return tokenizer, model


def _batches(
    training: PreferenceTraining, tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, int]]
) -> Iterator[Batch]:
    """Endless; a text and its verdict, the latter without what the tokenizer adds before a text."""
    sources = tokenizer([text for text, _ in texts], truncation=True, verbose=False)["input_ids"]
    words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in VERDICTS]
    targets = [[*ids, tokenizer.eos_token_id] for ids in words]
    epoch = 0
    while True:
        rng = numpy_generator(training.seed, "preference-model", "epoch", epoch)
        for batch in bucket([len(ids) for ids in sources], rng, max_rows=training.batch_size):
            yield pad_pairs([(sources[i], targets[texts[i][1]]) for i in batch], tokenizer.pad_token_id)
        epoch += 1


def evaluate(model: PreferenceModel, comparisons: Sequence[Comparison], include_prompt: bool) -> dict[str, Any]:
    """Of each pair, whether the chosen text has the better odds (a tie is half), and the texts as "good" and "bad".

    longer_is_better: what choosing the longer text of each pair would reach.
    """
    texts = [text for c in comparisons for text in c.shown(include_prompt)]
    chances = model.probabilities(texts).double().tolist()
    won = [_points(chosen[1] - rejected[1]) for rejected, chosen in zip(chances[::2], chances[1::2], strict=True)]
    longer = [_points(len(c.chosen) - len(c.rejected)) for c in comparisons]
    report = classification_report([0, 1] * len(comparisons), chances, VERDICTS)
    return rounded(
        {
            "n_pairs": len(comparisons),
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
