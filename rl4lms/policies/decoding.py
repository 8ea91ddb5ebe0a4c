"""Sampling and greedy decoding of a batch of prompts. It records everything that the update needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.numerics.categorical import action_logprobs, masked_logits, sample_by_inverse_cdf
from rl4lms.numerics.packing import pack_bits
from rl4lms.policies.language_models import Session, open_session, start_token
from rl4lms.policies.token_rules import History, id_tensor, penalise_repetition, token_set
from rl4lms.policies.truncation import SamplingSpec, truncation_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Decoded:
    """Responses to B prompts, right-padded to the longest.

    response_ids: (B, T) int64.
    response_mask: (B, T) bool, True up to and including the first stop token if rows end there.
    logprobs: (B, T) float32, under the sampled distribution (with temperature and truncation, renormalised).
    raw_logprobs: (B, T) float32, under the model's own distribution.
    action_mask_bits: (B, T, ceil(V/8)) uint8, the packed action masks, or None if nothing was masked.
    """

    response_ids: Tensor
    response_mask: Tensor
    logprobs: Tensor
    raw_logprobs: Tensor
    action_mask_bits: Tensor | None


class _Record:
    """The columns of a `Decoded` while it is filled. After a row has ended, its places stay padding."""

    def __init__(self, logits: Tensor, spec: SamplingSpec, pad_id: int) -> None:
        shape, device = (len(logits), spec.max_new_tokens), logits.device
        self.ids = torch.full(shape, pad_id, dtype=torch.int64, device=device)
        self.mask = torch.zeros(shape, dtype=torch.bool, device=device)
        self.logprobs, self.raw_logprobs = logits.new_zeros(shape), logits.new_zeros(shape)
        self.bits: Tensor | None = None

    def write(
        self, step: int, rows: Tensor, actions: Tensor, logits: Tensor, scaled: Tensor, mask: Tensor | None
    ) -> None:
        self.ids[rows, step] = actions
        self.mask[rows, step] = True
        sampled = action_logprobs(scaled, actions)
        self.logprobs[rows, step] = sampled
        self.raw_logprobs[rows, step] = sampled if scaled is logits else action_logprobs(logits, actions)
        if mask is not None:
            packed = pack_bits(mask)
            if self.bits is None:
                shape = (*self.ids.shape, packed.shape[-1])
                self.bits = torch.full(shape, 255, dtype=torch.uint8, device=packed.device)
            self.bits[rows, step] = packed

    def finish(self) -> Decoded:
        t = max(int(self.mask.sum(1).max()), 1) if len(self.mask) else 1
        bits = None if self.bits is None else self.bits[:, :t]
        return Decoded(self.ids[:, :t], self.mask[:, :t], self.logprobs[:, :t], self.raw_logprobs[:, :t], bits)


@torch.no_grad()
def decode(
    model: PreTrainedModel,
    prompt_ids: Tensor,
    prompt_mask: Tensor,
    spec: SamplingSpec,
    *,
    eos_id: int | Collection[int] | None,
    pad_id: int,
    uniforms: Tensor | None = None,
    mask_session: LearnedMask | None = None,
    n_per_prompt: int = 1,
) -> Decoded:
    """Continue each of G left-padded prompts n_per_prompt times, in B = G * n_per_prompt rows, a prompt's together.

    prompt_ids: (G, P) int64; prompt_mask: (G, P) bool. eos_id: one or several ids of stop tokens. uniforms: (B,
    max_new_tokens) float64 in [0, 1), required if `spec.do_sample`: one random number per token, so that a row does not
    depend on the others. A prompt is run once, and its cache is copied to its rows. Ended rows are removed from the
    batch when they are at least half of it.
    """
    stop_ids = token_set(eos_id)
    stops = id_tensor(stop_ids, prompt_ids.device)
    session = open_session(model, prompt_ids, prompt_mask)
    logits = masked_logits(session.start(), None)
    history = first_history(model, prompt_ids, prompt_mask) if spec.reads_history else None
    if mask_session is not None:
        mask_session.start(prompt_ids, prompt_mask)
    if n_per_prompt > 1:
        copies = torch.arange(len(prompt_ids), device=prompt_ids.device).repeat_interleave(n_per_prompt)
        session.keep(copies)
        logits, history = logits[copies], None if history is None else history.rows(copies)
        if mask_session is not None:
            mask_session.keep(copies)
    rows = torch.arange(len(logits), device=logits.device)
    record = _Record(logits, spec, pad_id)
    alive = torch.ones_like(rows, dtype=torch.bool)
    for step in range(spec.max_new_tokens):
        progress.detail("token", step + 1, spec.max_new_tokens)
        own = logits
        if history is not None and spec.repetition_penalty != 1.0:
            logits = penalise_repetition(logits, history, spec.repetition_penalty)
        mask = truncation_mask(logits, spec, step, stop_ids, history)
        if mask_session is not None:
            mask = mask_session.narrow(mask, own)
        scaled = logits if mask is None and spec.temperature == 1.0 else masked_logits(logits, mask, spec.temperature)
        if spec.do_sample:
            assert uniforms is not None, "sampling needs uniforms"
            actions = sample_by_inverse_cdf(scaled, uniforms[rows, step])
        else:
            actions = scaled.argmax(-1)
        live = slice(None) if bool(alive.all()) else alive
        record.write(step, rows[live], actions[live], *_select(live, own, scaled, mask))
        if spec.stop_on_eos and stop_ids:
            alive = alive & ~torch.isin(actions, stops)
        if step + 1 == spec.max_new_tokens or not bool(alive.any()):
            break
        if history is not None:
            history = history.append(actions)
        if int(alive.sum()) * 2 <= len(alive):
            rows, actions, alive, history = _compact(rows, actions, alive, history, session, mask_session)
        logits = masked_logits(session.step(actions), None)
        if mask_session is not None:
            mask_session.step(actions)
    return record.finish()


def first_history(model: PreTrainedModel, prompt_ids: Tensor, prompt_mask: Tensor) -> History:
    """The tokens before a response: its prompt, or the start token of an encoder-decoder's decoder."""
    if not model.config.is_encoder_decoder:
        return History(prompt_ids, prompt_mask)
    start = torch.full_like(prompt_ids[:, :1], start_token(model))
    return History(start, torch.ones_like(start, dtype=torch.bool))


def _select(
    live: Tensor | slice, logits: Tensor, scaled: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    selected = logits[live]
    return selected, selected if scaled is logits else scaled[live], None if mask is None else mask[live]


def _compact(
    rows: Tensor, actions: Tensor, alive: Tensor, history: History | None, session: Session,
    mask_session: LearnedMask | None,
) -> tuple[Tensor, Tensor, Tensor, History | None]:  # fmt: skip
    kept = torch.nonzero(alive).squeeze(1)
    session.keep(kept)
    if mask_session is not None:
        mask_session.keep(kept)
    return rows[kept], actions[kept], alive[kept], None if history is None else history.rows(kept)


class LearnedMask:
    """Action masks that a second model computes during decoding, with its own cache (NLPO, arXiv:2210.01241).

    model: None takes the policy's own logits. eos_id: one or several ids of stop tokens. Subclasses implement
    `allowed`.
    """

    def __init__(self, model: PreTrainedModel | None, eos_id: int | Collection[int] | None) -> None:
        self.model, self.stop_ids = model, token_set(eos_id)
        self._session: Session | None = None
        self._logits: Tensor | None = None

    def allowed(self, logits: Tensor) -> Tensor:
        """The actions that float32 logits (b, V) of the second model allow: (b, V) bool."""
        raise NotImplementedError

    def start(self, prompt_ids: Tensor, prompt_mask: Tensor) -> None:
        if self.model is not None:
            self._session = open_session(self.model, prompt_ids, prompt_mask)
            self._logits = self._session.start().float()

    def step(self, tokens: Tensor) -> None:
        if self._session is not None:
            self._logits = self._session.step(tokens).float()

    def keep(self, rows: Tensor) -> None:
        """Continue with these rows; one may be named several times."""
        if self._session is not None and self._logits is not None:
            self._session.keep(rows)
            self._logits = self._logits[rows]

    def narrow(self, mask: Tensor | None, policy_logits: Tensor) -> Tensor | None:
        """`mask` combined with this one, which always allows stop tokens. A row without any action keeps `mask`."""
        learned = self.allowed(policy_logits if self._logits is None else self._logits)
        learned.index_fill_(1, id_tensor(self.stop_ids, learned.device), True)
        if mask is None:
            return None if bool(learned.all()) else learned
        both = mask & learned
        return torch.where(both.any(-1, keepdim=True), both, mask)
