"""Prompts and references as token ids with labels, and batches of them, for supervised fine-tuning.

One example per reference. Masks are explicit: if pad and eos are one id, the eos that ends a text is learnt and the
padding after it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.training.lm_data import IGNORE, right_pad

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Example = dict[str, list[int]]


def pairs(samples: Iterable[Sample]) -> tuple[list[str], list[str]]:
    """(prompts, references), one entry per reference, as RL4LMs; references without text are left out.

    Raises DataError if none is left.
    """
    both = [(s.prompt_or_input_text, r) for s in samples for r in s.references if r.strip()]
    if not both:
        raise DataError("supervised training: no sample has a reference; the data set's split has no targets.")
    return [p for p, _ in both], [r for _, r in both]


def causal_examples(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], references: Sequence[str], max_length: int
) -> list[Example]:
    """prompt + reference + eos, at most `max_length` tokens: "input_ids", and "labels", the same.

    The loss is on the whole text, prompt included, as in RL4LMs. Where prompt and reference meet without white space, a
    space is put between them (RL4LMs glues two words into one). The reference's tokens are what it adds to those of its
    prompt, for a tokenizer may put a space of its own in front of a text; if the two would share a token they are
    encoded apart, as at generation. RL4LMs adds no eos; here the model learns to stop. A text that is too long loses
    the prompt's start, then its own end (and with it the eos). "n_prompt": [the number of prompt tokens].
    """
    eos = _eos(tokenizer)
    joined = [
        r if not p or p[-1].isspace() or r[0].isspace() else f" {r}" for p, r in zip(prompts, references, strict=True)
    ]
    examples = []
    prompt_ids = tokenizer(list(prompts), verbose=False)["input_ids"]
    target_ids = tokenizer(joined, add_special_tokens=False, verbose=False)["input_ids"]
    whole_ids = tokenizer([p + r for p, r in zip(prompts, joined, strict=True)], verbose=False)["input_ids"]
    for prompt, target, whole in zip(prompt_ids, target_ids, whole_ids, strict=True):
        if whole[: len(prompt)] == prompt:
            target = whole[len(prompt) :]
        start = prompt or [eos if tokenizer.bos_token_id is None else tokenizer.bos_token_id]
        kept = [*target, eos][: max_length - 1]
        start = start[-(max_length - len(kept)) :]
        ids = [*start, *kept]
        examples.append({"input_ids": ids, "labels": ids, "n_prompt": [len(start)]})
    return examples


def seq2seq_examples(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    references: Sequence[str],
    max_source: int,
    max_target: int,
) -> list[Example]:
    """ "input_ids": the prompt, truncated on the tokenizer's side; "labels": the reference, ending in eos."""
    eos = _eos(tokenizer)
    sources = tokenizer(list(prompts), truncation=True, max_length=max_source)["input_ids"]
    targets = tokenizer(text_target=list(references), add_special_tokens=True, verbose=False)["input_ids"]
    ended = [t if t and t[-1] == eos else [*t, eos] for t in targets]
    return [{"input_ids": s or [eos], "labels": t[:max_target]} for s, t in zip(sources, ended, strict=True)]


def _eos(tokenizer: PreTrainedTokenizerBase) -> int:
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"tokenizer {tokenizer.name_or_path}: no eos token, so a model cannot learn to stop.")
    return int(tokenizer.eos_token_id)


class Collator:
    """Examples to right-padded tensors: input_ids, attention_mask (1 = real), labels (IGNORE on padding).

    targets_only: no loss on the prompt of a causal example.
    """

    def __init__(self, pad_id: int, *, causal: bool, targets_only: bool = False) -> None:
        self.pad_id, self.causal, self.targets_only = pad_id, causal, targets_only

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        inputs = [e["input_ids"] for e in examples]
        labels = [e["labels"] for e in examples]
        if self.targets_only and self.causal:
            labels = [[IGNORE] * e["n_prompt"][0] + e["labels"][e["n_prompt"][0] :] for e in examples]
        return {
            "input_ids": right_pad(inputs, self.pad_id),
            "attention_mask": right_pad([[1] * len(row) for row in inputs], 0),
            "labels": right_pad(labels, IGNORE),
        }


def target_loss(model: Any, examples: Sequence[Example], pad_id: int, *, causal: bool, batch_size: int) -> float:
    """Mean negative log-likelihood in nats per reference token, eos included, whatever the batch size.

    The model is in eval mode while it is asked, and then as before.
    """
    collate = Collator(pad_id, causal=causal, targets_only=True)
    ordered = sorted(examples, key=lambda e: len(e["input_ids"]) + len(e["labels"]))
    was_training = model.training
    model.eval()
    nats, n_tokens = 0.0, 0
    for start in range(0, len(ordered), batch_size):
        batch = {k: v.to(model.device) for k, v in collate(ordered[start : start + batch_size]).items()}
        with torch.inference_mode():
            loss = model(**batch).loss.item()
        scored = batch["labels"][:, 1:] if causal else batch["labels"]
        n = int((scored != IGNORE).sum())
        nats, n_tokens = nats + loss * n, n_tokens + n
    model.train(was_training)
    return nats / n_tokens
