"""Texts of a model for samples, and its KL to a reference: what evaluation needs of a language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError
from rl4lms.core.seeding import torch_generator
from rl4lms.core.tables import PostProcessorRegistry
from rl4lms.core.vocabulary import check_vocabulary, embedding_rows
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.numerics.distributed import gather, rank, world_size
from rl4lms.policies.decoding import decode
from rl4lms.policies.language_models import CausalScorer, Seq2SeqScorer, token_logprobs
from rl4lms.policies.probe import check_decodes_as_it_scores
from rl4lms.policies.sequences import Sequences, all_tokens
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.tokenization.observation import decode_response, encode_prompts, left_pad
from rl4lms.tokenization.prompt_check import check_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What our own loop cannot do and transformers' `generate` can, with the value that means "off".
_BEYOND_SAMPLING = {"num_beams": 1, "no_repeat_ngram_size": 0, "repetition_penalty": 1.0}
_BEAM_ONLY = ("length_penalty", "early_stopping")


@dataclass(frozen=True)
class Generation:
    """Responses of samples, in their order. token_ids: real tokens, eos included where it was generated."""

    token_ids: list[list[int]]
    texts: list[str]


class TextGenerator:
    """Decodes prompts in batches, longest first to save padding; a text does not depend on the batch it was in.
    The processes of a launch share out the batches, and all of them return all texts.

    generation: published generation keyword arguments. Greedy (`do_sample: false`) and sampling run on our own
    cached loop, each sample with its own random stream keyed by (seed, position); beams, repetition penalties and
    n-gram blocking run on transformers' `generate`. arithmetic: what the model runs under, a policy's own.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        generation: Mapping[str, Any],
        max_prompt_length: int,
        batch_size: int,
        seed: int = 0,
        prompt_truncation_side: str = "left",
        arithmetic: Callable[..., AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.model, self.tokenizer, self._arithmetic = model, tokenizer, arithmetic
        self.generation = {k: v for k, v in generation.items() if v is not None}
        self.max_prompt_length, self.batch_size, self.seed = max_prompt_length, batch_size, seed
        self.prompt_truncation_side = prompt_truncation_side
        if not self.generation.get("max_new_tokens"):
            raise ConfigError("generation.max_new_tokens: missing; say how many tokens an evaluation may generate.")
        check_vocabulary(tokenizer, embedding_rows(model), model.config.name_or_path)
        check_decodes_as_it_scores(model)
        post = self.generation.pop("post_processing_fn", None)
        self._post_process = PostProcessorRegistry.get(post["id"]) if post else None

    def __call__(self, samples: Sequence[Sample]) -> list[str]:
        return self.generate(samples).texts

    @property
    def pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def encode(self, samples: Sequence[Sample]) -> list[list[int]]:
        texts = [s.prompt_or_input_text for s in samples]
        return encode_prompts(self.tokenizer, texts, self.max_prompt_length, self.prompt_truncation_side)

    @torch.no_grad()
    def generate(self, samples: Sequence[Sample]) -> Generation:
        check_prompts(self.tokenizer, samples, embedding_rows(self.model), self.max_prompt_length)
        prompts = self.encode(samples)
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        self.model.eval()
        batches = [order[first : first + self.batch_size] for first in range(0, len(order), self.batch_size)]
        decoded: dict[int, list[int]] = {}
        own = batches[rank() :: world_size()]
        for done, index in enumerate(own):
            progress.phase("generating, batch", done + 1, len(own))
            ids, mask = (x.to(self.model.device) for x in left_pad([prompts[i] for i in index], self.pad_id))
            with self._arithmetic():
                decoded.update(zip(index, self._decode(ids, mask, index), strict=True))
        rows = {i: row for part in gather(decoded) for i, row in part.items()}
        token_ids = [rows[i] for i in range(len(prompts))]
        texts = [decode_response(self.tokenizer, row) for row in token_ids]
        if self._post_process is not None:
            texts = [self._post_process(text) for text in texts]
        return Generation(token_ids, texts)

    def _decode(self, ids: Tensor, mask: Tensor, index: Sequence[int]) -> list[list[int]]:
        if any(self.generation.get(key, off) != off for key, off in _BEYOND_SAMPLING.items()):
            return self._generate_by_transformers(ids, mask)
        n = int(self.generation["max_new_tokens"])
        spec = SamplingSpec.from_kwargs({"do_sample": False, **self.generation}, n, stop_on_eos=True)
        draws = None
        if spec.do_sample:
            streams = [torch_generator(self.seed, "evaluation", i) for i in index]
            draws = torch.stack([torch.rand(n, generator=g, dtype=torch.float64) for g in streams]).to(ids.device)
        eos = self.tokenizer.eos_token_id
        out = decode(self.model, ids, mask, spec, eos_id=eos, pad_id=self.pad_id, uniforms=draws)
        return [row[m].tolist() for row, m in zip(out.response_ids, out.response_mask, strict=True)]

    def _generate_by_transformers(self, ids: Tensor, mask: Tensor) -> list[list[int]]:
        arguments = dict(self.generation)
        if int(arguments.get("num_beams", 1)) == 1:
            arguments = {k: v for k, v in arguments.items() if k not in _BEAM_ONLY}
        if min_length := arguments.pop("min_length", 0):
            arguments["min_new_tokens"] = min_length
        if arguments.get("do_sample"):
            torch.manual_seed(self.seed)
        else:
            arguments = {k: v for k, v in arguments.items() if k not in ("temperature", "top_k", "top_p")}
        eos = self.tokenizer.eos_token_id
        out = self.model.generate(
            input_ids=ids, attention_mask=mask.long(), pad_token_id=self.pad_id, eos_token_id=eos, **arguments
        )
        start = 1 if self.model.config.is_encoder_decoder else ids.shape[1]
        return [_until_eos(row, eos, self.pad_id) for row in out[:, start:].tolist()]


def _until_eos(row: list[int], eos_id: int | None, pad_id: int) -> list[int]:
    """Tokens up to and with the first eos; trailing padding is dropped where there was none."""
    if eos_id is not None and eos_id in row:
        return row[: row.index(eos_id) + 1]
    while row and row[-1] == pad_id:
        row = row[:-1]
    return row


@torch.no_grad()
def response_logprobs(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad_id: int,
    batch_size: int,
) -> list[Tensor]:  # fmt: skip
    """log p(response token) under the model's own distribution, for each sequence; (length,) float32 each."""
    scorer = Seq2SeqScorer if model.config.is_encoder_decoder else CausalScorer
    out: list[Tensor] = []
    for first in range(0, len(prompts), batch_size):
        progress.phase("log-probabilities, text", first, len(prompts))
        rows = [list(r) or [pad_id] for r in responses[first : first + batch_size]]
        ids, mask = left_pad(prompts[first : first + batch_size], pad_id)
        width = max(len(r) for r in rows)
        tokens = torch.full((len(rows), width), pad_id, dtype=torch.int64)
        real = torch.zeros((len(rows), width), dtype=torch.bool)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = torch.tensor(row)
            real[i, : len(row)] = True
        device = model.device
        sequences = Sequences(ids.to(device), mask.to(device), tokens.to(device), real.to(device))
        view = all_tokens(sequences)
        logprobs = view.scatter(token_logprobs(scorer, model, view))
        lengths = [len(r) for r in responses[first : first + batch_size]]
        out += [row[:n].cpu() for row, n in zip(logprobs, lengths, strict=True)]
    return out


def kl_to_reference(
    model: PreTrainedModel, reference: PreTrainedModel, prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]], *, pad_id: int, batch_size: int,
) -> tuple[list[float], list[int]]:  # fmt: skip
    """(per-sample sum of log p - log p_ref over the response's tokens in nats, per-sample token count).

    With responses sampled from `model` at temperature 1 the sum estimates KL(model || reference) of sequences without
    bias; of greedy or truncated responses it is a log-ratio on those texts.
    """
    own = response_logprobs(model, prompts, responses, pad_id, batch_size)
    other = response_logprobs(reference, prompts, responses, pad_id, batch_size)
    sums = [float((p.double() - q.double()).sum()) for p, q in zip(own, other, strict=True)]
    return sums, [len(p) for p in own]
