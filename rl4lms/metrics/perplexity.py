"""Perplexity under a causal language model: of the references (as published), or of prompts with their generations."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained, positions
from rl4lms.core.vocabulary import check_ids, embedding_rows
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult, check_references, check_texts
from rl4lms.metrics.classifier import default_device

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# What is read -> the name of the result.
TEXTS = {"references": "fluency_metrics/perplexity", "generations": "fluency_metrics/generation_perplexity"}


class Window(NamedTuple):
    """Tokens [begin, end) are read, of which the last n_targets are scored (but never a token without context)."""

    begin: int
    end: int
    n_targets: int


def sliding_windows(n_tokens: int, stride: int, max_length: int) -> list[Window]:
    """Each token is scored once, with at least max_length - stride tokens before it if there are as many."""
    windows = []
    for start in range(0, n_tokens, stride):
        end = min(start + stride, n_tokens)
        windows.append(Window(max(start + stride - max_length, 0), end, end - start))
    return windows


@functools.cache
def load_language_model(model_name: str) -> Any:
    from transformers import AutoModelForCausalLM

    model = model_from_pretrained(AutoModelForCausalLM, model_name, "language model")
    return model.to(default_device()).eval()


@functools.cache
def load_tokenizer(tokenizer_id: str) -> Any:
    from transformers import AutoTokenizer

    return from_pretrained(AutoTokenizer, tokenizer_id, "tokenizer_id")


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def token_nlls(model: Any, input_ids: torch.Tensor, n_targets: int) -> torch.Tensor:
    """-log p of the last n_targets tokens of each row, float64 (B, n_targets). input_ids: (B, L), L > n_targets."""
    import torch

    keep = {}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        keep["logits_to_keep"] = n_targets + 1
    logits = model(input_ids=input_ids, **keep).logits[:, -n_targets - 1 : -1]  # (B, n_targets, V)
    targets = input_ids[:, -n_targets:]
    losses = torch.nn.functional.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
    return losses.double()


class Perplexity(BaseMetric):
    """exp of the mean negative log-likelihood per token, summed in float64.

    texts="references" (published): `fluency_metrics/perplexity` of all references joined by blank lines, read through
    windows of the model's context that move by `stride` tokens; use_text_from_meta_data takes the meta info's
    `reference` instead. Nothing is reported for the split "train". RL4LMs weighted each window's mean by its length,
    the first token (which nothing predicts) included; here every predicted token counts once.
    texts="generations": `fluency_metrics/generation_perplexity` of prompt + generation, each text by itself after a
    begin token, cut at the left to the context.

    The model is the one given to `compute` (the policy) unless model_name names a fixed one.
    """

    name = "causal_perplexity"

    def __init__(
        self,
        stride: int,
        tokenizer_id: str | None = None,
        model_type: str = "causal",
        use_text_from_meta_data: bool = False,
        model_name: str | None = None,
        texts: str = "references",
        batch_size: int = 8,
    ) -> None:
        where = f"metric {self.name}"
        if model_type != "causal":
            raise ConfigError(f'{where}: model_type "{model_type}"; only "causal" models have this perplexity.')
        if texts not in TEXTS:
            raise ConfigError(unknown("texts", texts, TEXTS, where))
        if stride < 1 or batch_size < 1:
            raise ConfigError(f"{where}: stride and batch_size must be at least 1, found {stride} and {batch_size}.")
        source = tokenizer_id or model_name
        if source is None:
            raise ConfigError(f"{where}: give tokenizer_id (or model_name), whose tokenizer cuts the texts.")
        self._tokenizer_id, self._model_name = str(source), model_name
        self._stride, self._batch_size = stride, batch_size
        self._from_meta_data, self._texts = use_text_from_meta_data, texts

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        return (TEXTS[args.get("texts", "references")],)

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        if split_name == "train":
            return {}
        chosen: Any = load_language_model(str(self._model_name)) if self._model_name else model
        if chosen is None:
            raise ConfigError(f"metric {self.name}: no model; give model_name, or compute(model=...).")
        with _evaluating(chosen):
            if self._texts == "references":
                text = "\n\n".join(self._reference_texts(generated_texts, reference_texts, meta_infos))
                return {TEXTS[self._texts]: (None, self._running_text(chosen, text))}
            check_texts(self.name, generated_texts, prompts=prompt_texts)
            texts = [p + g for p, g in zip(prompt_texts or (), generated_texts, strict=True)]
            return {TEXTS[self._texts]: self._separate_texts(chosen, texts)}

    def _reference_texts(
        self,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None,
    ) -> list[str]:
        if not self._from_meta_data:
            return [r for refs in check_references(self.name, generated_texts, reference_texts) for r in refs]
        check_texts(self.name, generated_texts, **{"meta infos": meta_infos})
        texts = [str((info or {}).get("reference", "")) for info in meta_infos or ()]
        if not all(texts):
            raise DataError(f'metric {self.name}: meta info of text {texts.index("")} has no "reference".')
        return texts

    def _context(self, model: Any) -> int:
        length = positions(model.config)
        if length is None:
            raise ConfigError(f"metric {self.name}: {type(model).__name__} does not say how long its context is.")
        return length

    def _running_text(self, model: Any, text: str) -> float:
        import torch

        context = self._context(model)
        if self._stride > context:
            raise ConfigError(
                f"metric {self.name}: stride {self._stride} exceeds the model's context of {context} tokens."
            )
        tokenizer = load_tokenizer(self._tokenizer_id)
        encoded = tokenizer(text, verbose=False).input_ids
        check_ids([encoded], embedding_rows(model), tokenizer, model.config.name_or_path)
        ids = torch.tensor(encoded, device=model.device)
        if len(ids) < 2:
            raise DataError(f"metric {self.name}: the references hold {len(ids)} tokens, too few to predict one.")
        total = 0.0
        # Windows of one shape are batched: they are the same computation.
        for shape, group in itertools.groupby(sliding_windows(len(ids), self._stride, context), _shape):
            windows = list(group)
            n_targets = min(shape[1], shape[0] - 1)  # a window's first token has nothing before it
            for start in range(0, len(windows) if n_targets else 0, self._batch_size):
                rows = torch.stack([ids[w.begin : w.end] for w in windows[start : start + self._batch_size]])
                total += token_nlls(model, rows, n_targets).sum().item()
        n_predicted = sum(
            min(w.n_targets, w.end - w.begin - 1) for w in sliding_windows(len(ids), self._stride, context)
        )
        return math.exp(total / n_predicted)

    def _separate_texts(self, model: Any, texts: list[str]) -> tuple[list[float], float]:
        import torch

        tokenizer = load_tokenizer(self._tokenizer_id)
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if begin is None:
            raise ConfigError(f'metric {self.name}: tokenizer "{self._tokenizer_id}" has no begin or end token.')
        room = self._context(model) - 1
        encoded = tokenizer(texts, add_special_tokens=False, verbose=False).input_ids
        rows = [[begin, *ids[-room:]] for ids in encoded]
        check_ids(rows, embedding_rows(model), tokenizer, model.config.name_or_path)
        for index, row in enumerate(rows):
            if len(row) == 1:
                raise DataError(f"metric {self.name}: text {index} is empty, prompt included.")
        nlls = [0.0] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
        for length, group in itertools.groupby(order, lambda i: len(rows[i])):
            same_length = list(group)  # rows of one length need no padding, so the batch changes nothing
            for start in range(0, len(same_length), self._batch_size):
                chosen = same_length[start : start + self._batch_size]
                ids = torch.tensor([rows[i] for i in chosen], device=model.device)
                for i, nll in zip(chosen, token_nlls(model, ids, length - 1).sum(dim=1).tolist(), strict=True):
                    nlls[i] = nll
        counts = [len(row) - 1 for row in rows]
        scores = [math.exp(nll / n) for nll, n in zip(nlls, counts, strict=True)]
        return scores, math.exp(math.fsum(nlls) / sum(counts))


def _shape(window: Window) -> tuple[int, int]:
    return window.end - window.begin, window.n_targets
