"""Sampling and greedy decoding of a batch of prompts. It records everything that the update needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rl4lms.core import progress
from rl4lms.numerics.categorical import action_logprobs, masked_logits, sample_by_inverse_cdf
from rl4lms.numerics.packing import pack_bits
from rl4lms.policies.language_models import start_token
from rl4lms.policies.sessions import Session, open_session
from rl4lms.policies.token_rules import History, id_tensor, penalise_repetition, token_set
from rl4lms.policies.truncation import SamplingSpec, truncation_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rl4lms.tokenization.continuation import Continuation

# Whether rows have ended is asked once in so many tokens, because each time the host waits for the device.
STEPS_BETWEEN_LOOKS = 8
KEPT_AT_MOST = 0.75  # Ended rows leave the batch when so few are left, because each time the caches are copied.


@dataclass(frozen=True)
class Decoded:
    """Responses to B prompts, right-padded to the longest.

    response_ids: (B, T) int64.
    response_mask: (B, T) bool, True up to and including the first stop token, or the token that completes a stop
        string, if rows end there.
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
    """The columns of a `Decoded` while it is filled, allocated once.

    Rows are recorded on after they have ended, because to ask each time whether they have makes a GPU wait. What comes
    after a row's first stop token becomes padding at the end, and what comes after a stop string. The texts, in which
    these are searched for, are made on the host and only when it waits for the device anyway.
    """

    def __init__(
        self, logits: Tensor, spec: SamplingSpec, stop_ids: tuple[int, ...], pad_id: int,
        texts: Sequence[Continuation] | None = None,
    ) -> None:  # fmt: skip
        """texts: of each row, if it may end with a stop string."""
        shape, device = (len(logits), spec.max_new_tokens), logits.device
        self.rows = torch.arange(len(logits), device=device)  # those that are still decoded
        self.ids = torch.full(shape, pad_id, dtype=torch.int64, device=device)
        self.logprobs, self.raw_logprobs = logits.new_zeros(shape), logits.new_zeros(shape)
        self.bits: Tensor | None = None
        self.pad_id, self.n_written = pad_id, 0
        self.stops = id_tensor(stop_ids, device) if spec.stop_on_eos and stop_ids else None
        self.texts = texts if spec.stop_on_eos else None
        self.lengths = torch.full(shape[:1], spec.max_new_tokens, device=device)  # of rows up to their stop string
        self._pending: tuple[list[Tensor], ...] = ([], [], [])  # tokens that are not in their columns yet

    @property
    def rows_end(self) -> bool:
        """Whether rows may end before the longest."""
        return self.stops is not None or self.texts is not None

    def append(self, actions: Tensor, logits: Tensor, scaled: Tensor, mask: Tensor | None) -> None:
        """The next token of each row. scaled: the logits that it was chosen by; logits: the model's own."""
        sampled = action_logprobs(scaled, actions)
        raw = sampled if scaled is logits else action_logprobs(logits, actions)
        if mask is not None:
            packed = pack_bits(mask)
            if self.bits is None:
                self.bits = packed.new_full((*self.ids.shape, packed.shape[-1]), 255)
            self.bits[:, self.n_written + len(self._pending[0])].index_copy_(0, self.rows, packed)
        for tokens, new in zip(self._pending, (actions, sampled, raw), strict=True):
            tokens.append(new)

    def write(self) -> None:
        """Write what was appended since the last time into its columns."""
        begin, self.n_written = self.n_written, self.n_written + len(self._pending[0])
        for column, tokens in zip((self.ids, self.logprobs, self.raw_logprobs), self._pending, strict=True):
            if tokens:
                column[:, begin : self.n_written].index_copy_(0, self.rows, torch.stack(tokens, dim=1))
        self._pending = ([], [], [])

    def unfinished(self) -> Tensor:
        """The places among `rows` of those that have not ended. A GPU is waited for."""
        self.write()
        self._find_stop_strings()
        ended = self.lengths[self.rows] <= self.n_written
        if self.stops is not None:
            ended = ended | torch.isin(self.ids[self.rows, : self.n_written], self.stops).any(1)
        return torch.nonzero(~ended).squeeze(1)

    def _find_stop_strings(self) -> None:
        """Set the lengths of rows in which a stop string is complete since the last time."""
        if self.texts is None:
            return
        rows = self.rows[self.lengths[self.rows] == self.ids.shape[1]]
        written = zip(rows.tolist(), self.ids[rows, : self.n_written].tolist(), strict=True)
        found = [self.texts[row].length(ids) or self.ids.shape[1] for row, ids in written]
        self.lengths[rows] = torch.tensor(found, dtype=torch.int64, device=rows.device)

    def finish(self) -> Decoded:
        self.write()
        t = self.n_written
        ids, mask = self.ids[:, :t], torch.ones_like(self.ids[:, :t], dtype=torch.bool)
        if self.stops is not None:
            stopped = torch.isin(ids, self.stops)
            mask = stopped.cumsum(1) <= stopped.int()  # no stop token before
        if self.texts is not None:
            self._find_stop_strings()
            mask = mask & (torch.arange(t, device=mask.device) < self.lengths.unsqueeze(1))
        if self.rows_end:
            t = max(int(mask.sum(1).max()), 1) if len(mask) else 1
            ids, mask = ids[:, :t], mask[:, :t]
        logprobs, raw_logprobs = (torch.where(mask, x[:, :t], 0.0) for x in (self.logprobs, self.raw_logprobs))
        bits = None if self.bits is None else torch.where(mask.unsqueeze(-1), self.bits[:, :t], 255)
        return Decoded(ids.where(mask, self.pad_id), mask, logprobs, raw_logprobs, bits)


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
    texts: Sequence[Continuation] | None = None,
) -> Decoded:
    """Continue each of G left-padded prompts n_per_prompt times, in B = G * n_per_prompt rows, a prompt's together.

    prompt_ids: (G, P) int64; prompt_mask: (G, P) bool. eos_id: one or several ids of stop tokens. uniforms: (B,
    max_new_tokens) float64 in [0, 1), required if `spec.do_sample`: one random number per token, so that a row does not
    depend on the others. texts: of each prompt, if rows may end with a stop string. A prompt is run once, and its cache
    is copied to its rows. Every STEPS_BETWEEN_LOOKS tokens, rows that have ended are removed from the batch when they
    are at least a quarter of it.
    """
    n_steps, stop_ids = spec.max_new_tokens, token_set(eos_id)
    session = open_session(model, prompt_ids, prompt_mask, n_steps)
    logits = masked_logits(session.start(), None)
    history = first_history(model, prompt_ids, prompt_mask, n_steps) if spec.reads_history else None
    if mask_session is not None:
        mask_session.start(prompt_ids, prompt_mask, n_steps)
    parts = [part for part in (session, mask_session, history) if part is not None]
    if n_per_prompt > 1:
        copies = torch.arange(len(prompt_ids), device=prompt_ids.device).repeat_interleave(n_per_prompt)
        logits = logits[copies]
        for part in parts:
            part.keep(copies)
    by_row = None if texts is None else [text for text in texts for _ in range(n_per_prompt)]
    record = _Record(logits, spec, stop_ids, pad_id, by_row)
    for step in range(n_steps):
        progress.detail("token", step + 1, n_steps)
        scaled, mask = _distribution(logits, spec, step, stop_ids, history, mask_session)
        actions = _choose(scaled, spec, None if uniforms is None else uniforms[:, step])
        record.append(actions, logits, scaled, mask)
        if step + 1 == n_steps:
            break
        if history is not None:
            history.append(actions)
        if record.rows_end and (step + 1) % STEPS_BETWEEN_LOOKS == 0:
            kept = record.unfinished()
            if len(kept) == 0:
                break
            if len(kept) <= KEPT_AT_MOST * len(actions):
                record.rows, actions = record.rows[kept], actions[kept]
                uniforms = None if uniforms is None else uniforms[kept]
                for part in parts:
                    part.keep(kept)
        logits = masked_logits(session.step(actions), None)
        if mask_session is not None:
            mask_session.step(actions)
    return record.finish()


def _distribution(
    logits: Tensor, spec: SamplingSpec, step: int, stop_ids: tuple[int, ...], history: History | None,
    mask_session: LearnedMask | None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The logits to choose from, -inf where masked, and the mask. `logits` itself if nothing is changed."""
    penalised = logits
    if history is not None and spec.repetition_penalty != 1.0:
        penalised = penalise_repetition(logits, history, spec.repetition_penalty)
    mask = truncation_mask(penalised, spec, step, stop_ids, history)
    if mask_session is not None:
        mask = mask_session.narrow(mask, logits)
    return masked_logits(penalised, mask, spec.temperature), mask


def _choose(scaled: Tensor, spec: SamplingSpec, uniforms: Tensor | None) -> Tensor:
    if not spec.do_sample:
        return scaled.argmax(-1)
    assert uniforms is not None, "sampling needs uniforms"
    return sample_by_inverse_cdf(scaled, uniforms)


def first_history(model: PreTrainedModel, prompt_ids: Tensor, prompt_mask: Tensor, room: int) -> History:
    """The tokens before a response: its prompt, or the start token of an encoder-decoder's decoder."""
    if not model.config.is_encoder_decoder:
        return History(prompt_ids, prompt_mask, room)
    start = torch.full_like(prompt_ids[:, :1], start_token(model))
    return History(start, torch.ones_like(start, dtype=torch.bool), room)


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

    def start(self, prompt_ids: Tensor, prompt_mask: Tensor, max_new_tokens: int) -> None:
        if self.model is not None:
            self._session = open_session(self.model, prompt_ids, prompt_mask, max_new_tokens)
            self._logits = self._session.start().float()

    def step(self, tokens: Tensor) -> None:
        if self._session is not None:
            self._logits = self._session.step(tokens).float()

    def keep(self, rows: Tensor) -> None:
        """Continue with these rows; one may be named several times."""
        if self._session is not None and self._logits is not None:
            self._session.keep(rows)
            self._logits = self._logits[rows]

    def narrow(self, mask: Tensor | None, policy_logits: Tensor) -> Tensor:
        """`mask` combined with this one, which always allows stop tokens. A row without any action keeps `mask`."""
        learned = self.allowed(policy_logits if self._logits is None else self._logits)
        learned.index_fill_(1, id_tensor(self.stop_ids, learned.device), True)
        if mask is None:
            return learned
        both = mask & learned
        return torch.where(both.any(-1, keepdim=True), both, mask)
