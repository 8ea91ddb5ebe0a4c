"""Examples and batches for supervised fine-tuning: prompts and references as token ids with labels.

There is one example per reference. Masks are explicit, so that the eos that ends a text is learnt and the padding after
it is not, even if both have the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.core.conversations import Prompt, prompt_of
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tokenization.chat import by_template, encode_conversation, prompt_text, turn_ends
from rl4lms.training.lm_data import IGNORE, right_pad

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Example = dict[str, list[int]]


def prompts_and_references(samples: Iterable[Sample]) -> tuple[list[Prompt], list[str]]:
    """(prompts, references) with one entry per reference, as in RL4LMs, but without empty references.

    Raises DataError if there is no entry.
    """
    both = [(prompt_of(s), r) for s in samples for r in s.references if r.strip()]
    if not both:
        raise DataError("supervised training: no sample has a reference; the data set's split has no targets.")
    return [p for p, _ in both], [r for _, r in both]


def causal_examples(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], references: Sequence[str], max_length: int
) -> list[Example]:
    """Examples of prompt + reference + eos: "input_ids", equal "labels", and "n_prompt", [number of prompt tokens].

    The loss is on the whole text, prompt included, as in RL4LMs. Two things differ from RL4LMs: a space is put between
    prompt and reference if there is no white space, and the eos teaches the model to stop. Prompt and reference are
    encoded as one text, because some tokenizers put a space in front of a text; if they would share a token, they are
    encoded separately, as at generation. A text of more than `max_length` tokens loses the start of its prompt, then
    its own end. After a conversation that the chat template writes there is no such space, and the token that ends a
    turn in it is in place of eos.
    """
    eos = _eos(tokenizer)
    turn_end = next(iter(turn_ends(tokenizer)), eos)
    chats = [by_template(tokenizer, prompt) for prompt in prompts]
    texts = [prompt_text(tokenizer, prompt) for prompt in prompts]
    joined = [
        r if chat or not p or p[-1].isspace() or r[0].isspace() else f" {r}"
        for p, r, chat in zip(texts, references, chats, strict=True)
    ]
    examples = []
    prompt_ids = _encoded(tokenizer, texts, chats)
    target_ids = tokenizer(joined, add_special_tokens=False, verbose=False)["input_ids"]
    whole_ids = _encoded(tokenizer, [p + r for p, r in zip(texts, joined, strict=True)], chats)
    for prompt, target, whole, chat in zip(prompt_ids, target_ids, whole_ids, chats, strict=True):
        if whole[: len(prompt)] == prompt:
            target = whole[len(prompt) :]
        start = prompt or [eos if tokenizer.bos_token_id is None else tokenizer.bos_token_id]
        kept = [*target, turn_end if chat else eos][: max_length - 1]
        start = start[-(max_length - len(kept)) :]
        ids = [*start, *kept]
        examples.append({"input_ids": ids, "labels": ids, "n_prompt": [len(start)]})
    return examples


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], chats: Sequence[bool]) -> list[list[int]]:
    """Token ids, with the tokenizer's special tokens, but for texts of a chat template, which has written its own."""
    ids: list[list[int]] = tokenizer(list(texts), verbose=False)["input_ids"]
    if any(chats):
        bare = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        ids = [own if chat else row for row, own, chat in zip(ids, bare, chats, strict=True)]
    return ids


def seq2seq_examples(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    references: Sequence[str],
    max_source: int,
    max_target: int,
) -> list[Example]:
    """Examples with the prompt, truncated on the tokenizer's side, as "input_ids" and reference + eos as "labels"."""
    eos = _eos(tokenizer)
    texts = [prompt_text(tokenizer, prompt) for prompt in prompts]
    sources = tokenizer(texts, truncation=True, max_length=max_source)["input_ids"]
    for i, prompt in enumerate(prompts):
        if not isinstance(prompt, str) and by_template(tokenizer, prompt):
            sources[i] = encode_conversation(tokenizer, prompt, max_source, tokenizer.truncation_side)
    targets = tokenizer(text_target=list(references), add_special_tokens=True, verbose=False)["input_ids"]
    ended = [t if t and t[-1] == eos else [*t, eos] for t in targets]
    return [{"input_ids": s or [eos], "labels": t[:max_target]} for s, t in zip(sources, ended, strict=True)]


def _eos(tokenizer: PreTrainedTokenizerBase) -> int:
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"tokenizer {tokenizer.name_or_path}: no eos token, so a model cannot learn to stop.")
    return int(tokenizer.eos_token_id)


class Collator:
    """Makes batches of examples: input_ids, attention_mask and labels, padded at the right (labels with IGNORE).

    targets_only: also ignore the prompts of causal examples.
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
    """The mean negative log-likelihood in nats per reference token, eos included. It does not depend on batch_size.

    The model computes it in eval mode and gets its mode back.
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
