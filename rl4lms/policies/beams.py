"""Beam search by `generate` of transformers, with the rules of this library's decoding and no settings of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rl4lms.policies.language_models import start_token, to_right_padding
from rl4lms.policies.token_rules import History, id_tensor, penalise_repetition
from rl4lms.policies.truncation import SamplingSpec, truncation_mask

if TYPE_CHECKING:
    import transformers


@dataclass(frozen=True)
class Beams:
    """The settings of beam search, with the names of transformers."""

    num_beams: int
    length_penalty: float = 1.0
    early_stopping: bool = False


class _Rules:
    """A logits processor of transformers that applies penalty, rules and minimum length."""

    def __init__(self, spec: SamplingSpec, stop_ids: Sequence[int], before: Tensor) -> None:
        """before: (B, L) bool, True for the real tokens before the responses."""
        self.spec = replace(spec, temperature=1.0, top_k=0, top_p=1.0)  # transformers applies these afterwards
        self.stop_ids, self.before = tuple(stop_ids), before

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids: (B * beams, L + step); scores: (B * beams, V) log-probabilities."""
        step = input_ids.shape[1] - self.before.shape[1]
        if forced := self.spec.rules.forced(step, step + 1 == self.spec.max_new_tokens):
            return torch.full_like(scores, -torch.inf).index_fill_(1, id_tensor(forced, scores.device), 0.0)
        real = self.before.repeat_interleave(len(input_ids) // len(self.before), dim=0)
        history = History(input_ids, torch.nn.functional.pad(real, (0, step), value=True))
        if self.spec.repetition_penalty != 1.0:
            scores = penalise_repetition(scores, history, self.spec.repetition_penalty)
        mask = truncation_mask(scores, self.spec, step, self.stop_ids, history)
        return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


@torch.no_grad()
def beam_search(
    model: Any, prompt_ids: Tensor, prompt_mask: Tensor, spec: SamplingSpec, beams: Beams, *,
    stop_ids: Sequence[int], pad_id: int, seeds: Sequence[int],
) -> list[list[int]]:  # fmt: skip
    """The best response to each of B left-padded prompts, with its stop token and possibly padding after it.

    seeds: one for each prompt, for sampled beams. transformers draws these from the global generator, so each prompt is
    decoded separately from its own seed, and the generator is restored.
    """
    if not spec.do_sample:
        return _search(model, prompt_ids, prompt_mask, spec, beams, stop_ids, pad_id)
    rows = []
    for ids, mask, seed in zip(prompt_ids, prompt_mask, seeds, strict=True):
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            rows += _search(model, ids[mask].unsqueeze(0), mask[mask].unsqueeze(0), spec, beams, stop_ids, pad_id)
    return rows


def _search(
    model: Any, ids: Tensor, mask: Tensor, spec: SamplingSpec, beams: Beams, stop_ids: Sequence[int], pad_id: int
) -> list[list[int]]:
    from transformers import GenerationConfig, LogitsProcessorList

    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    settings: dict[str, Any] = {"do_sample": False}
    before = mask
    if spec.do_sample:
        settings = {"do_sample": True, "temperature": spec.temperature, "top_k": spec.top_k, "top_p": spec.top_p}
    if model.config.is_encoder_decoder:
        ids, mask = to_right_padding(ids, mask)
        settings["decoder_start_token_id"] = start_token(model)
        before = torch.ones_like(mask[:, :1])
    config = GenerationConfig(
        max_new_tokens=spec.max_new_tokens, eos_token_id=list(stop_ids) or None, pad_token_id=pad_id,
        **vars(beams), **settings,
    )  # fmt: skip
    rules = LogitsProcessorList([_Rules(spec, stop_ids, before)])
    with _generation_config(model, config):
        out = model.generate(
            input_ids=ids, attention_mask=mask.long(), generation_config=config, logits_processor=rules
        )
    rows: list[list[int]] = out[:, before.shape[1] :].tolist()
    return rows


@contextmanager
def _generation_config(model: Any, config: transformers.GenerationConfig) -> Iterator[None]:
    """Set the model's generation configuration in this context, because `generate` takes missing settings from it."""
    own = model.generation_config
    model.generation_config = config
    try:
        yield
    finally:
        model.generation_config = own
