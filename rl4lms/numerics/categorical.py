"""Categorical distributions over a vocabulary, truncated by an action mask and renormalised on it."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_logits(logits: Tensor, mask: Tensor | None, temperature: float = 1.0) -> Tensor:
    """Divide logits by the temperature, then set those of masked actions to -inf.

    logits: (..., V) any float type, returned as float32 (float64 stays); mask: (..., V) bool, True = allowed, or None.
    """
    if logits.dtype != torch.float64:
        logits = logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    return logits if mask is None else torch.where(mask, logits, -torch.inf)


def action_logprobs(logits: Tensor, actions: Tensor) -> Tensor:
    """log softmax(logits)[action]. logits: (..., V), -inf if masked; actions: (...) int64. Returns (...)."""
    return torch.log_softmax(logits, dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def entropy(logits: Tensor) -> Tensor:
    """The entropy (...) in nats of (..., V) logits: -sum p log p over the support. It is finite if some are -inf."""
    return _entropy(torch.log_softmax(logits, dim=-1), truncated=True)


def logprobs_and_entropy(
    logits: Tensor, actions: Tensor, *, truncated: bool, entropy_gradient: bool = True
) -> tuple[Tensor, Tensor]:
    """`action_logprobs` and `entropy`, each (N,), in one pass over (N, V) logits. actions: (N,) int64.

    truncated: whether logits may be -inf. entropy_gradient: False computes the entropy without a gradient.
    """
    logprobs = torch.log_softmax(logits, dim=-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        spread = _entropy(logprobs, truncated)
    return logprobs.gather(-1, actions.unsqueeze(-1)).squeeze(-1), spread


def _entropy(logprobs: Tensor, truncated: bool) -> Tensor:
    # 0 * -inf is nan, and so is its gradient. So -inf is replaced in the factor, and not nan in the product.
    factor = logprobs.masked_fill(torch.isneginf(logprobs), 0.0) if truncated else logprobs
    return -(logprobs.exp() * factor).sum(-1)


def sample_by_inverse_cdf(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The action whose cumulative probability first exceeds u. logits: (B, V); uniforms: (B,) float64 in [0, 1).

    An action of probability 0 is never taken, because its cumulative sum equals that of its predecessor. Sums are
    float64, so that small probabilities count in a vocabulary of any size. A row depends only on its own u.
    """
    cumulative = logits.to(torch.float64, copy=True)  # one buffer for all three, because new memory costs more than exp
    torch.softmax(cumulative, dim=-1, out=cumulative).cumsum_(-1)
    # u is at most 1 - 2^-53, so that u * total is rounded to less than the total, and some sum exceeds it.
    threshold = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, threshold, right=True).squeeze(-1)
    return chosen.clamp_(max=logits.shape[-1] - 1)  # only logits that are not numbers exceed it
