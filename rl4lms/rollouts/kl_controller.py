"""The coefficient of the KL penalty."""

from __future__ import annotations

import math
from typing import Any

from rl4lms.core.errors import ConfigError, RunError


class KLController:
    """A fixed coefficient, or with `target_kl` the controller of Ziegler et al. (arXiv:1909.08593, sec. 2.2).

    The controller computes coef *= 1 + 0.1 * clip((kl - target) / target, -0.2, 0.2). The factor is at least 0.98, so
    that coef stays positive. target_kl is in nats, the mean per token over the trained steps, as in RL4LMs.
    """

    CLIP = 0.2
    GAIN = 0.1

    def __init__(self, kl_coeff: float, target_kl: float | None = None) -> None:
        if not 0 <= kl_coeff < math.inf:
            raise ConfigError(f"alg.kl_div.coeff: expected a finite number, at least 0, found {kl_coeff}.")
        if target_kl is not None and not 0 < target_kl < math.inf:
            raise ConfigError(
                f"alg.kl_div.target_kl: expected a finite number above 0, or null to keep coeff; found {target_kl}."
            )
        self.kl_coeff = float(kl_coeff)
        self.target_kl = target_kl

    def step(self, kl: float) -> None:
        """Update the coefficient after a rollout with a mean KL per token of `kl`, which must be finite."""
        if not math.isfinite(kl):
            raise RunError(f"mean KL of the rollout to the reference is {kl}; is the learning rate too high?")
        if self.target_kl is not None:
            error = (kl - self.target_kl) / self.target_kl
            self.kl_coeff *= 1 + self.GAIN * min(max(error, -self.CLIP), self.CLIP)

    def state_dict(self) -> dict[str, Any]:
        return {"kl_coeff": self.kl_coeff, "target_kl": self.target_kl}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kl_coeff, self.target_kl = float(state["kl_coeff"]), state["target_kl"]
