"""Perplexity under a causal language model, of the references (as published) or of prompts with their generations."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from rl4lms.config.kinds import BatchSize
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained, positions
from rl4lms.core.vocabulary import check_ids, embedding_rows
from rl4lms.metrics.base import MetricResult, SampleMetric, Samples, check_references, check_texts
from rl4lms.metrics.classifier import default_device

if TYPE_CHECKING:
    import torch

# The scored texts -> the name of the result.
TEXTS = {"references": "fluency_metrics/perplexity", "generations": "fluency_metrics/generation_perplexity"}


class Window(NamedTuple):
    """Tokens [begin, end) are read, and the last n_targets of them scored, except a token without context."""

    begin: int
    end: int
    n_targets: int


def sliding_windows(n_tokens: int, stride: int, max_length: int) -> list[Window]:
    """Windows in which each token is scored once, with at least max_length - stride tokens before it if they exist."""
    windows = []
    for start in range(0, n_tokens, stride):
        end = min(start + stride, n_tokens)
        windows.append(Window(max(start + stride - max_length, 0), end, end - start))
    return windows


@functools.cache
def perplexity_model(model_name: str) -> Any:
    from transformers import AutoModelForCausalLM

    model = model_from_pretrained(AutoModelForCausalLM, model_name, "language model")
    return model.to(default_device()).eval()


@functools.cache
def perplexity_tokenizer(tokenizer_id: str) -> Any:
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
    """-log p of the last n_targets tokens of each row: (B, n_targets) float64. input_ids: (B, L), L > n_targets."""
    import torch

    keep = {}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        keep["logits_to_keep"] = n_targets + 1
    logits = model(input_ids=input_ids, **keep).logits[:, -n_targets - 1 : -1]  # (B, n_targets, V)
    targets = input_ids[:, -n_targets:]
    losses = torch.nn.functional.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")
    return losses.double()


class Perplexity(SampleMetric):
    """The exponential of the mean negative log-likelihood per token, summed in float64.

    texts="references" (published): `fluency_metrics/perplexity` of all references, joined by blank lines and read in
    windows of the model's context that move by `stride` tokens. use_text_from_meta_data reads `reference` of the meta
    infos instead. The split "train" has no result. Every predicted token counts once; RL4LMs weighted each window's
    mean by its length, which includes the first token, although nothing predicts it.
    texts="generations": `fluency_metrics/generation_perplexity` of each prompt + generation after a begin token, cut at
    the left to the context.

    The model is the one given to `compute` (the policy), unless model_name names another.
    """

    name = "causal_perplexity"

    def __init__(
        self,
        stride: Annotated[Count, "Tokens that the window moves by."],
        tokenizer_id: Annotated[str | None, "Tokenizer that cuts the texts; null takes model_name's."] = None,
        model_type: Annotated[Literal["causal"], "Always causal."] = "causal",
        use_text_from_meta_data: Annotated[bool, "Take the meta data's reference in place of the references."] = False,
        model_name: Annotated[str | None, "Model that scores; null takes the run's."] = None,
        texts: Annotated[Literal["references", "generations"], "Texts that are scored."] = "references",
        batch_size: BatchSize = 8,
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
            raise ConfigError(f"{where}: give tokenizer_id (or model_name), whose tokenizer splits the texts.")
        self._tokenizer_id, self._model_name = str(source), model_name
        self._stride, self._batch_size = stride, batch_size
        self._from_meta_data, self._texts = use_text_from_meta_data, texts

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        return (TEXTS[args.get("texts", "references")],)

    def score_samples(self, samples: Samples) -> MetricResult:
        if samples.split == "train":
            return {}
        chosen: Any = perplexity_model(str(self._model_name)) if self._model_name else samples.model
        if chosen is None:
            raise ConfigError(f"metric {self.name}: no model; give model_name, or compute(model=...).")
        with _evaluating(chosen):
            if self._texts == "references":
                text = "\n\n".join(self._reference_texts(samples))
                return {TEXTS[self._texts]: (None, self._running_text(chosen, text))}
            check_texts(self.name, samples.texts, prompts=samples.prompts)
            texts = [p + g for p, g in zip(samples.prompts or (), samples.texts, strict=True)]
            return {TEXTS[self._texts]: self._separate_texts(chosen, texts)}

    def _reference_texts(self, samples: Samples) -> list[str]:
        if not self._from_meta_data:
            return [r for refs in check_references(self.name, samples.texts, samples.references) for r in refs]
        check_texts(self.name, samples.texts, **{"meta infos": samples.meta_infos})
        texts = [str((info or {}).get("reference", "")) for info in samples.meta_infos or ()]
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
        tokenizer = perplexity_tokenizer(self._tokenizer_id)
        encoded = tokenizer(text, verbose=False).input_ids
        check_ids([encoded], embedding_rows(model), tokenizer, model.config.name_or_path)
        ids = torch.tensor(encoded, device=model.device)
        if len(ids) < 2:
            raise DataError(f"metric {self.name}: the references hold {len(ids)} tokens, too few to predict one.")
        total = 0.0
        n_predicted = 0
        shapes = itertools.groupby(
            sliding_windows(len(ids), self._stride, context), lambda w: (w.end - w.begin, w.n_targets)
        )
        for (length, n_targets), group in shapes:  # windows of one shape make a batch without padding
            windows = list(group)
            n_targets = min(n_targets, length - 1)  # a window's first token has nothing before it
            n_predicted += n_targets * len(windows)
            for start in range(0, len(windows) if n_targets else 0, self._batch_size):
                rows = torch.stack([ids[w.begin : w.end] for w in windows[start : start + self._batch_size]])
                total += token_nlls(model, rows, n_targets).sum().item()
        return math.exp(total / n_predicted)

    def _separate_texts(self, model: Any, texts: list[str]) -> tuple[list[float], float]:
        import torch

        tokenizer = perplexity_tokenizer(self._tokenizer_id)
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
            same_length = list(group)  # so that there is no padding, and a batch changes no number
            for start in range(0, len(same_length), self._batch_size):
                chosen = same_length[start : start + self._batch_size]
                ids = torch.tensor([rows[i] for i in chosen], device=model.device)
                for i, nll in zip(chosen, token_nlls(model, ids, length - 1).sum(dim=1).tolist(), strict=True):
                    nlls[i] = nll
        counts = [len(row) - 1 for row in rows]
        scores = [math.exp(nll / n) for nll, n in zip(nlls, counts, strict=True)]
        return scores, math.exp(math.fsum(nlls) / sum(counts))
