"""Sampling and greedy decoding of a batch of prompts, recording what the update will need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.numerics.categorical import action_logprobs, masked_logits, sample_by_inverse_cdf
from rl4lms.numerics.packing import pack_bits
from rl4lms.policies.language_models import Session, open_session
from rl4lms.policies.truncation import SamplingSpec, truncation_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Decoded:
    """Responses of B prompts, right-padded to the longest.

    response_ids: (B, T) int64; response_mask: (B, T) bool, True up to and with the first eos where rows stop there;
    logprobs: (B, T) float32, of the distribution that was sampled (tempered, truncated, renormalised);
    raw_logprobs: (B, T) float32, of the model's own distribution; action_mask_bits: (B, T, ceil(V/8)) uint8 or None.
    """

    response_ids: Tensor
    response_mask: Tensor
    logprobs: Tensor
    raw_logprobs: Tensor
    action_mask_bits: Tensor | None


class _Record:
    """The growing columns of a `Decoded`; rows that have ended keep padding."""

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
    eos_id: int | None,
    pad_id: int,
    uniforms: Tensor | None = None,
    mask_session: LearnedMask | None = None,
) -> Decoded:
    """Continue B left-padded prompts. prompt_ids: (B, P) int64; prompt_mask: (B, P) bool.

    uniforms: (B, max_new_tokens) float64 in [0, 1), one draw a token, required where `spec.do_sample`: a row's
    tokens depend on its own draws alone. Rows that have ended leave the batch once half of it is idle.
    """
    session = open_session(model, prompt_ids, prompt_mask)
    rows = torch.arange(len(prompt_ids), device=prompt_ids.device)
    logits = masked_logits(session.start(), None)
    record = _Record(logits, spec, pad_id)
    if mask_session is not None:
        mask_session.start(prompt_ids, prompt_mask)
    alive = torch.ones_like(rows, dtype=torch.bool)
    for step in range(spec.max_new_tokens):
        progress.detail("token", step + 1, spec.max_new_tokens)
        mask = truncation_mask(logits, spec, step, eos_id)
        if mask_session is not None:
            mask = mask_session.narrow(mask, logits, eos_forbidden=step < spec.min_length)
        scaled = logits if mask is None and spec.temperature == 1.0 else masked_logits(logits, mask, spec.temperature)
        if spec.do_sample:
            assert uniforms is not None, "sampling needs uniforms"
            actions = sample_by_inverse_cdf(scaled, uniforms[rows, step])
        else:
            actions = scaled.argmax(-1)
        live = slice(None) if bool(alive.all()) else alive
        record.write(step, rows[live], actions[live], *_select(live, logits, scaled, mask))
        if spec.stop_on_eos and eos_id is not None:
            alive = alive & (actions != eos_id)
        if step + 1 == spec.max_new_tokens or not bool(alive.any()):
            break
        if int(alive.sum()) * 2 <= len(alive):
            rows, actions, alive = _compact(rows, actions, alive, session, mask_session)
        logits = masked_logits(session.step(actions), None)
        if mask_session is not None:
            mask_session.step(actions)
    return record.finish()


def _select(
    live: Tensor | slice, logits: Tensor, scaled: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    selected = logits[live]
    return selected, selected if scaled is logits else scaled[live], None if mask is None else mask[live]


def _compact(
    rows: Tensor, actions: Tensor, alive: Tensor, session: Session, mask_session: LearnedMask | None
) -> tuple[Tensor, Tensor, Tensor]:
    kept = torch.nonzero(alive).squeeze(1)
    session.keep(kept)
    if mask_session is not None:
        mask_session.keep(kept)
    return rows[kept], actions[kept], alive[kept]


class LearnedMask:
    """Action masks that another model computes beside the policy, with its own cache (NLPO, arXiv:2210.01241).

    Subclasses say which actions a (b, V) row of that model's logits allows.
    """

    def __init__(self, model: PreTrainedModel | None, eos_id: int | None) -> None:
        self.model, self.eos_id = model, eos_id
        self._session: Session | None = None
        self._logits: Tensor | None = None

    def allowed(self, logits: Tensor) -> Tensor:
        """(b, V) float32 logits -> (b, V) bool."""
        raise NotImplementedError

    def start(self, prompt_ids: Tensor, prompt_mask: Tensor) -> None:
        if self.model is not None:
            self._session = open_session(self.model, prompt_ids, prompt_mask)
            self._logits = self._session.start().float()

    def step(self, tokens: Tensor) -> None:
        if self._session is not None:
            self._logits = self._session.step(tokens).float()

    def keep(self, rows: Tensor) -> None:
        if self._session is not None:
            self._session.keep(rows)

    def narrow(self, mask: Tensor | None, policy_logits: Tensor, eos_forbidden: bool) -> Tensor | None:
        """`mask` and this one; eos stays allowed unless min-length forbids it. A row left empty keeps `mask`."""
        learned = self.allowed(policy_logits if self._logits is None else self._logits)
        if self.eos_id is not None:
            learned[:, self.eos_id] = not eos_forbidden
        if mask is None:
            return None if bool(learned.all()) else learned
        both = mask & learned
        return torch.where(both.any(-1, keepdim=True), both, mask)
