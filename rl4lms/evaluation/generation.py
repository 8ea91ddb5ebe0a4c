"""Texts of a model for samples, and its KL to a reference: what evaluation needs of a language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.config.generation import GenerationConfig, read_generation
from rl4lms.core import progress
from rl4lms.core.conversations import prompt_of
from rl4lms.core.errors import ConfigError
from rl4lms.core.seeding import derive_seed, torch_generator
from rl4lms.core.tables import PostProcessorRegistry
from rl4lms.core.vocabulary import check_vocabulary, embedding_rows
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.numerics.distributed import gather, rank, world_size
from rl4lms.policies.beams import Beams, beam_search
from rl4lms.policies.decoding import decode
from rl4lms.policies.language_models import CausalScorer, Seq2SeqScorer, token_logprobs, vocabulary_size
from rl4lms.policies.probe import check_decodes_as_it_scores
from rl4lms.policies.sequences import Sequences, all_tokens
from rl4lms.policies.token_facts import resolve, set_start_token, token_facts
from rl4lms.policies.token_rules import token_set
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.tokenization.continuation import Continuation, until_stop
from rl4lms.tokenization.observation import encode_prompts, left_pad
from rl4lms.tokenization.prompt_check import check_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Generation:
    """Responses of samples, in their order. token_ids: real tokens, eos included where it was generated."""

    token_ids: list[list[int]]
    texts: list[str]


class TextGenerator:
    """Decodes prompts in batches, longest first to save padding; a text does not depend on the batch it was in.
    The processes of a launch share out the batches, and all of them return all texts.

    generation: published generation keyword arguments, over the published defaults; token facts that they leave out are
    the model's and the tokenizer's. Greedy decoding (`do_sample: false`) and sampling, with penalties or without, run
    on our own cached loop; beams on transformers' `generate`, under the same rules. Each sample has its own random
    stream, keyed by (seed, position), in all of them. arithmetic: what the model runs under, a policy's own.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        generation: GenerationConfig | Mapping[str, Any],
        max_prompt_length: int,
        batch_size: int,
        seed: int = 0,
        prompt_truncation_side: str = "left",
        arithmetic: Callable[..., AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.model, self.tokenizer, self._arithmetic = model, tokenizer, arithmetic
        self.max_prompt_length, self.batch_size, self.seed = max_prompt_length, batch_size, seed
        self.prompt_truncation_side = prompt_truncation_side
        if not isinstance(generation, GenerationConfig):
            given = {k: v for k, v in generation.items() if v is not None}
            generation = read_generation(given, "generation", "evaluation")
        if generation.max_new_tokens is None:
            raise ConfigError("generation.max_new_tokens: missing; say how many tokens an evaluation may generate.")
        check_vocabulary(tokenizer, embedding_rows(model), model.config.name_or_path)
        check_decodes_as_it_scores(model)
        self.causal, n = not model.config.is_encoder_decoder, vocabulary_size(model)
        facts = token_facts(model.generation_config, model.config, n)
        self.generation = resolve(
            generation, facts, tokenizer=tokenizer, vocab_size=n, causal=self.causal, where="generation"
        )
        set_start_token(model, self.generation.decoder_start_token_id)
        self.stop_ids = token_set(self.generation.eos_token_id)
        self.stop_strings = self.generation.stop_strings or ()
        self.spec = SamplingSpec.from_kwargs(self.generation.to_dict(), generation.max_new_tokens, stop_on_eos=True)
        post = self.generation.post_processing_fn
        self._post_process = None if post is None else PostProcessorRegistry.get(post)

    def __call__(self, samples: Sequence[Sample]) -> list[str]:
        return self.generate(samples).texts

    @property
    def pad_id(self) -> int:
        pad = self.generation.pad_token_id
        return next(iter(self.stop_ids), 0) if pad is None else pad

    def encode(self, samples: Sequence[Sample]) -> list[list[int]]:
        prompts = [prompt_of(sample) for sample in samples]
        return encode_prompts(self.tokenizer, prompts, self.max_prompt_length, self.prompt_truncation_side)

    def generate(self, samples: Sequence[Sample]) -> Generation:
        """One text of each sample."""
        return self._generations(samples, [()])[0]

    def candidates(self, samples: Sequence[Sample], numbers: Sequence[int]) -> list[Generation]:
        """A text of each sample for every number, sampled; those of a prompt share one pass over it.

        A text's random stream is keyed by (seed, position, number), so it depends on no other that is asked for.
        """
        assert self.spec.do_sample and self.generation.num_beams == 1, "candidates are sampled"
        keys = [(number,) for number in numbers]
        parts = [keys[first : first + self.batch_size] for first in range(0, len(keys), self.batch_size)]
        return [generation for part in parts for generation in self._generations(samples, part)]

    @torch.no_grad()
    def _generations(self, samples: Sequence[Sample], candidates: Sequence[tuple[int, ...]]) -> list[Generation]:
        """candidates: what keys the random stream of each text of a sample, beside the seed and its position."""
        check_prompts(self.tokenizer, samples, embedding_rows(self.model), self.max_prompt_length)
        prompts = self.encode(samples)
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        self.model.eval()
        width = max(1, self.batch_size // len(candidates))
        seen = prompts if self.causal else [[]] * len(prompts)
        texts = [Continuation(self.tokenizer, each, self.stop_ids, self.stop_strings) for each in seen]
        batches = [order[first : first + width] for first in range(0, len(order), width)]
        decoded: dict[int, list[list[int]]] = {}
        own = batches[rank() :: world_size()]
        for done, index in enumerate(own):
            progress.phase("generating, batch", done + 1, len(own))
            ids, mask = (x.to(self.model.device) for x in left_pad([prompts[i] for i in index], self.pad_id))
            with self._arithmetic():
                found = self._decode(ids, mask, [texts[i] for i in index], index, candidates)
            decoded.update(zip(index, found, strict=True))
        rows = {i: row for part in gather(decoded) for i, row in part.items()}
        return [self._generation(texts, [rows[i][j] for i in range(len(prompts))]) for j in range(len(candidates))]

    def _generation(self, continuations: Sequence[Continuation], token_ids: list[list[int]]) -> Generation:
        texts = [each.text(row) for each, row in zip(continuations, token_ids, strict=True)]
        if self._post_process is not None:
            texts = [self._post_process(text) for text in texts]
        return Generation(token_ids, texts)

    def _decode(
        self, ids: Tensor, mask: Tensor, texts: Sequence[Continuation], index: Sequence[int],
        candidates: Sequence[tuple[int, ...]],
    ) -> list[list[list[int]]]:  # fmt: skip
        """Of the samples at `index` every candidate, each up to and with its first stop token or string."""
        g, spec = self.generation, self.spec
        if g.num_beams > 1:
            beams = Beams(g.num_beams, g.length_penalty, g.early_stopping)
            seeds = [derive_seed(self.seed, "evaluation", i) for i in index]
            rows = beam_search(
                self.model, ids, mask, spec, beams, stop_ids=self.stop_ids, pad_id=self.pad_id, seeds=seeds
            )
            return [[list(until_stop(row, self.stop_ids))] for row in rows]
        draws = None
        if spec.do_sample:
            streams = [torch_generator(self.seed, "evaluation", i, *key) for i in index for key in candidates]
            n = spec.max_new_tokens
            draws = torch.stack([torch.rand(n, generator=each, dtype=torch.float64) for each in streams]).to(ids.device)
        k = len(candidates)
        out = decode(
            self.model, ids, mask, spec, eos_id=self.stop_ids, pad_id=self.pad_id, uniforms=draws, n_per_prompt=k,
            texts=texts if self.stop_strings else None,
        )  # fmt: skip
        found = [row[m].tolist() for row, m in zip(out.response_ids, out.response_mask, strict=True)]
        return [found[first : first + k] for first in range(0, len(found), k)]


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
