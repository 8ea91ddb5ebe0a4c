"""Truncates the action distribution by action masks, so that the distribution that is sampled is also scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl4lms.core.errors import ConfigError
from rl4lms.numerics.categorical import masked_logits
from rl4lms.policies.token_rules import History, TokenRules, token_set


@dataclass(frozen=True)
class SamplingSpec:
    """How the next token is chosen. As in transformers: penalty, rules, min-length, temperature, top-k, top-p.

    min_length: stop tokens are forbidden before so many response tokens. stop_on_eos: a row ends at its first stop
    token. repetition_penalty: only for evaluation; rollouts cannot use it, because it is not a mask.
    """

    max_new_tokens: int
    do_sample: bool = True
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_length: int = 0
    stop_on_eos: bool = True
    repetition_penalty: float = 1.0
    rules: TokenRules = field(default_factory=TokenRules)

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(
                f"generation.temperature: {self.temperature}, expected > 0; use do_sample: false for greedy."
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"generation.top_p: {self.top_p}, expected a share in (0, 1].")
        if self.max_new_tokens < 1:
            raise ConfigError(f"generation.max_new_tokens: {self.max_new_tokens}, expected at least 1.")

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any], max_new_tokens: int, stop_on_eos: bool) -> SamplingSpec:
        """The settings in generation keyword arguments; keys that do not concern sampling are ignored."""
        read = {
            k: kwargs[k]
            for k in ("do_sample", "temperature", "top_k", "top_p", "min_length", "repetition_penalty")
            if kwargs.get(k) is not None
        }
        read["top_k"] = int(read.get("top_k", 0))
        rules = TokenRules.from_kwargs(kwargs)
        return cls(max_new_tokens=max_new_tokens, stop_on_eos=stop_on_eos, rules=rules, **read)

    @property
    def reads_history(self) -> bool:
        """Whether the choice depends directly on earlier tokens, and not only through the model's logits."""
        return self.repetition_penalty != 1.0 or self.rules.reads_history


def top_k_mask(logits: Tensor, k: int) -> Tensor:
    """(B, V) bool: the k largest logits of each row, and those equal to the smallest of them."""
    k = min(k, logits.shape[-1])
    return logits >= logits.topk(k, dim=-1).values[..., -1:]


def top_p_mask(logits: Tensor, p: float, min_tokens_to_keep: int = 1) -> Tensor:
    """(B, V) bool: the fewest most probable actions with total probability >= p, and those equal to the last one."""
    if p >= 1:
        return torch.ones_like(logits, dtype=torch.bool)
    ordered = _descending(logits)
    probabilities = torch.softmax(ordered.double(), dim=-1)
    before = probabilities.cumsum(-1) - probabilities
    n_kept = (before < p).sum(-1, keepdim=True).clamp(min=min(min_tokens_to_keep, logits.shape[-1]))
    return logits >= ordered.gather(-1, n_kept - 1)


def _descending(logits: Tensor) -> Tensor:
    """Each row in descending order. On a CPU numpy is faster, because torch also sorts the indices."""
    if logits.device.type != "cpu":
        return logits.sort(dim=-1, descending=True).values
    return torch.from_numpy(np.sort(logits.detach().numpy(), axis=-1)).flip(-1)


def truncation_mask(
    logits: Tensor, spec: SamplingSpec, step: int, eos_id: int | Collection[int] | None, history: History | None = None
) -> Tensor | None:
    """(B, V) bool, True = may be sampled, or None for all. logits: (B, V) float32, before the temperature.

    eos_id: one or several ids of stop tokens; history: required if `spec.reads_history`.
    """
    forbidden = token_set(eos_id) if step < spec.min_length else ()
    mask = spec.rules.allowed(logits, step, step + 1 == spec.max_new_tokens, history, forbidden)
    if spec.top_k == 0 and spec.top_p >= 1:
        return mask
    scaled = masked_logits(logits, mask, spec.temperature)
    if spec.top_k > 0:
        top = top_k_mask(scaled, spec.top_k)
        mask = top if mask is None else mask & top
    if spec.top_p < 1:
        top = top_p_mask(scaled if spec.top_k == 0 else masked_logits(scaled, mask), spec.top_p)
        mask = top if mask is None else mask & top
    return mask
