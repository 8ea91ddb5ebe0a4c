"""Schedules of a learning rate over a run, in the names of transformers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RateSchedule:
    """The factor of a learning rate: `min(1, after / warmup) * decay(x)`, x = max(0, (before - warmup) / (1 - warmup)).

    kind: "constant", 1; "linear", 1 - x; "cosine", (1 + cos(pi x)) / 2. warmup: share of the run, in [0, 1). before,
    after: the shares of the run that are done before and after the iteration whose update is made. Transformers counts
    warmup by what is done before, and so makes its first step with a rate of 0, which here would waste a rollout.
    """

    kind: str = "constant"
    warmup: float = 0.0

    def __call__(self, before: float, after: float) -> float:
        rise = min(1.0, after / self.warmup) if self.warmup else 1.0
        x = min(max(0.0, (before - self.warmup) / (1 - self.warmup)), 1.0)
        if self.kind == "constant":
            return rise
        return rise * (1 - x if self.kind == "linear" else (1 + math.cos(math.pi * x)) / 2)
