"""Text for language models trained from scratch: documents of prepared rows, and the objectives made of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_jsonl
from rl4lms.core.seeding import numpy_generator
from rl4lms.data_pools.row_check import complaint
from rl4lms.tasks.task import task_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE = -100  # label of a position without loss, as torch's cross entropy and every Hugging Face model read it

Batch = dict[str, Tensor]
Pair = tuple[list[int], list[int]]


def read_documents(task: str, path: Path) -> list[str]:
    """The documents of a prepared split, in row order, empty ones left out.

    Raises DataError if a row lacks what the task's columns hold, and ConfigError for an unknown task.
    """
    data, say = task_of(task).data, task_of(task).documents
    documents: list[str] = []
    for number, row in enumerate(read_jsonl(path), 1):
        wrong = complaint(row, data)
        try:
            texts = [] if wrong else say(row)
        except (KeyError, IndexError, TypeError) as error:
            wrong = repr(error)
        if wrong:
            raise DataError(f"{path}, row {number}: not a row of {task} ({wrong}); run prepare again.")
        documents.extend(text for text in texts if text.strip())
    if not documents:
        raise DataError(f"{path}: no text in it; expected at least one row.")
    return documents


def vocabulary_text(documents: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Text for the tokenizer: each task's documents as often as brings it near the largest task, and its markup."""
    sizes = {task: sum(map(len, texts)) for task, texts in documents.items()}
    for task, texts in documents.items():
        for _ in range(round(max(sizes.values()) / sizes[task])):
            yield from texts
            yield from [markup] * len(texts) if (markup := task_of(task).markup) else []


def encode_documents(tokenizer: PreTrainedTokenizerBase, documents: Sequence[str]) -> list[list[int]]:
    """Token ids of each document, without special tokens and without truncation."""
    encoded = tokenizer(list(documents), add_special_tokens=False, verbose=False)["input_ids"]
    rows: list[list[int]] = encoded
    return rows


def balanced(groups: Sequence[Sequence[Sequence[int]]], rng: np.random.Generator) -> list[Sequence[int]]:
    """One epoch's documents in random order: of each group (a task) as many tokens as the smallest group has.

    A larger group shows other documents in the next epoch; else the task with the longest texts would rule the model.
    """
    budget = min(sum(map(len, group)) for group in groups)
    chosen: list[Sequence[int]] = []
    for group in groups:
        left = budget
        for index in rng.permutation(len(group)).tolist():
            if left <= 0:
                break
            chosen.append(group[index])
            left -= len(group[index])
    return [chosen[i] for i in rng.permutation(len(chosen))]


def pack(documents: Sequence[Sequence[int]], eos_id: int, block_size: int) -> Tensor:
    """Documents end to end, an eos after each, cut into (N, block_size) int64 blocks; the rest is left out.

    Raises DataError where the text does not fill one block.
    """
    stream = np.concatenate([np.asarray([*d, eos_id], dtype=np.int64) for d in documents])
    n_blocks = len(stream) // block_size
    if n_blocks == 0:
        raise DataError(f"{len(stream)} tokens of text do not fill one block of {block_size}; give more rows.")
    return torch.from_numpy(stream[: n_blocks * block_size].reshape(n_blocks, block_size).copy())


def causal_batches(
    groups: Sequence[Sequence[Sequence[int]]], eos_id: int, block_size: int, batch_size: int, *keys: int | str
) -> Iterator[Batch]:
    """Endless batches of (batch_size, block_size) blocks; each epoch draws and packs `balanced` documents anew.

    groups: documents of each task. keys: the seed keys of the draws, e.g. (seed, "base-model", "gpt2").
    """
    epoch = 0
    while True:
        rng = numpy_generator(*keys, "epoch", epoch)
        blocks = pack(balanced(groups, rng), eos_id, block_size)
        for rows in blocks.split(batch_size):
            if len(rows) == batch_size or len(blocks) < batch_size:
                yield {"input_ids": rows, "labels": rows}
        epoch += 1


@dataclass(frozen=True)
class Denoising:
    """What a text-to-text model is trained on: restoring a text, and for a share of the pieces continuing one.

    Restoring: spans of the source are replaced by sentinels, each by its own (section 3.1.4 of arXiv:1910.10683), and
    the target is the whole text (the "BERT-style" target of section 3.3.1): every target token then teaches to read
    the source, where targets of the spans alone leave a model of this size unable to copy after a minute of training.
    Continuing ("prefix LM", section 3.2.1) is what a prompt asks for: it holds no sentinel.
    """

    noise_density: float
    mean_span_length: float
    continuation_share: float
    sentinel_ids: tuple[int, ...]
    eos_id: int

    def pair(self, piece: Sequence[int], rng: np.random.Generator) -> Pair:
        """(source, target), both ending in eos. Pieces of fewer than 4 tokens are continued."""
        if len(piece) < 4 or rng.random() < self.continuation_share:
            return self.continuation(piece, int(rng.integers(0, len(piece))))
        return self.corruption(piece, rng)

    def continuation(self, piece: Sequence[int], cut: int) -> Pair:
        return [*piece[:cut], self.eos_id], [*piece[cut:], self.eos_id]

    def corruption(self, piece: Sequence[int], rng: np.random.Generator) -> Pair:
        source: list[int] = []
        position = 0
        for index, (kept, dropped) in enumerate(self._spans(len(piece), rng)):
            source += [*piece[position : position + kept], self.sentinel_ids[index]]
            position += kept + dropped
        return [*source, self.eos_id], [*piece, self.eos_id]

    def _spans(self, length: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """(kept, dropped) lengths in turn, each at least 1, that add up to `length`."""
        n_noise = min(max(round(length * self.noise_density), 1), length - 1)
        n_spans = max(round(n_noise / self.mean_span_length), 1)
        n_spans = min(n_spans, n_noise, length - n_noise, len(self.sentinel_ids))
        return zip(_composition(length - n_noise, n_spans, rng), _composition(n_noise, n_spans, rng), strict=True)


def _composition(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """`parts` positive integers that add up to `total`, every such list equally likely."""
    cuts = np.sort(rng.choice(total - 1, size=parts - 1, replace=False)) + 1 if parts > 1 else np.zeros(0, dtype=int)
    edges = np.concatenate([[0], cuts, [total]])
    return [int(n) for n in np.diff(edges)]


def pieces(documents: Sequence[Sequence[int]], block_size: int) -> list[list[int]]:
    """Documents cut into runs of at most `block_size` tokens."""
    return [list(d[i : i + block_size]) for d in documents for i in range(0, len(d), block_size)]


def denoising_batches(
    groups: Sequence[Sequence[Sequence[int]]],
    objective: Denoising,
    pad_id: int,
    block_size: int,
    batch_size: int,
    *keys: int | str,
) -> Iterator[Batch]:
    """Endless batches of at most `batch_size` * `block_size` source and target tokens, of pieces of like length.

    Each epoch draws `balanced` documents and corrupts and cuts them anew. groups, keys: as in `causal_batches`.
    """
    epoch = 0
    while True:
        rng = numpy_generator(*keys, "epoch", epoch)
        pairs = [objective.pair(piece, rng) for piece in pieces(balanced(groups, rng), block_size)]
        lengths = [len(source) + len(target) for source, target in pairs]
        for batch in bucket(lengths, rng, max_tokens=batch_size * block_size):
            yield pad_pairs([pairs[i] for i in batch], pad_id)
        epoch += 1


def bucket(
    lengths: Sequence[int], rng: np.random.Generator, *, max_tokens: int | None = None, max_rows: int | None = None
) -> list[list[int]]:
    """Indices of every row in batches of like length; batches in random order.

    A batch holds at most `max_rows` rows and `max_tokens` tokens, padding counted, but always one row. Rows are sorted
    by length with noise of a tenth, so that neighbours change from epoch to epoch.
    """
    rows, tokens = max_rows or sys.maxsize, max_tokens or sys.maxsize
    noisy = np.asarray(lengths) * rng.uniform(0.9, 1.1, size=len(lengths))
    batches: list[list[int]] = []
    longest = 0
    for index in np.argsort(noisy, kind="stable").tolist():
        longest = max(longest, lengths[index])
        if not batches or len(batches[-1]) == rows or longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return [batches[i] for i in rng.permutation(len(batches))]


def pad_pairs(pairs: Sequence[Pair], pad_id: int) -> Batch:
    """input_ids (B, S), attention_mask (B, S) and labels (B, T), right-padded, IGNORE where there is no label."""
    sources, labels = [p[0] for p in pairs], [p[1] for p in pairs]
    input_ids = right_pad(sources, pad_id)
    attention_mask = right_pad([[1] * len(s) for s in sources], 0)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": right_pad(labels, IGNORE)}


def right_pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """(B, longest) int64."""
    out = torch.full((len(rows), max(len(r) for r in rows)), value, dtype=torch.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.as_tensor(row, dtype=torch.int64)
    return out
