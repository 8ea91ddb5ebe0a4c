"""Measures the difference between the policy of the sampler and that of the update, which should be equal."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def truncated_weights(logprobs: Tensor, sampler_logprobs: Tensor, cap: float) -> Tensor:
    """min(pi / mu, cap) for tokens that the sampler mu drew and the update scores with pi. Any shape; no gradient.

    A mean with these weights estimates that of pi, without bias if no ratio exceeds `cap` (truncated importance
    sampling, Ionides 2008).
    """
    return torch.exp((logprobs - sampler_logprobs).detach().clamp(max=math.log(cap)))


def effective_sample_size(log_ratio: Tensor) -> Tensor:
    """(sum w)^2 / (n sum w^2) with w = exp(log_ratio): a share of the n samples, 1 if all weights are equal."""
    weights = torch.exp(log_ratio.double() - log_ratio.max())  # a common factor cancels; this one prevents overflow
    return weights.sum() ** 2 / (log_ratio.numel() * (weights**2).sum())


def mismatch(logprobs: Tensor, sampler_logprobs: Tensor) -> dict[str, float]:
    """Numbers to log about (N,) log-probabilities of the same tokens: gap, tails of the ratio, effective size."""
    log_ratio = logprobs.double() - sampler_logprobs.double()
    tails = torch.exp(torch.quantile(log_ratio, log_ratio.new_tensor([0.01, 0.99])))
    return {
        "gap_mean": float(log_ratio.abs().mean()),
        "gap_max": float(log_ratio.abs().max()),
        "ratio_p1": float(tails[0]),
        "ratio_p99": float(tails[1]),
        "ess": float(effective_sample_size(log_ratio)),
    }
