"""Two policies where there should be one: the sampler's and the update's, and how far apart they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def truncated_weights(logprobs: Tensor, sampler_logprobs: Tensor, cap: float) -> Tensor:
    """min(pi / mu, cap): a weight for each token that the sampler mu drew and the update scores with pi. Any shape.

    A mean weighted so is that of pi, without bias if no ratio exceeds `cap`, whatever the sampler's noise (truncated
    importance sampling, Ionides 2008). They are constants: no gradient flows through them.
    """
    return torch.exp((logprobs - sampler_logprobs).detach().clamp(max=math.log(cap)))


def effective_sample_size(log_ratio: Tensor) -> Tensor:
    """(sum w)^2 / (n sum w^2) of w = exp(log_ratio), as a share of the n samples: 1 if all weigh the same."""
    weights = torch.exp(log_ratio.double() - log_ratio.max())  # a common factor cancels, and does not overflow
    return weights.sum() ** 2 / (log_ratio.numel() * (weights**2).sum())


def mismatch(logprobs: Tensor, sampler_logprobs: Tensor) -> dict[str, float]:
    """Numbers to log of (N,) log-probabilities of the same tokens: |difference|, the ratio's tails, effective size."""
    log_ratio = logprobs.double() - sampler_logprobs.double()
    tails = torch.exp(torch.quantile(log_ratio, log_ratio.new_tensor([0.01, 0.99])))
    return {
        "gap_mean": float(log_ratio.abs().mean()),
        "gap_max": float(log_ratio.abs().max()),
        "ratio_p1": float(tails[0]),
        "ratio_p99": float(tails[1]),
        "ess": float(effective_sample_size(log_ratio)),
    }
