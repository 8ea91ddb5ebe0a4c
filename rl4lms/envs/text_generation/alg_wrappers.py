"""Published face: `rl4lms.envs.text_generation.alg_wrappers.wrap_onpolicy_alg`, found by name when it is used."""

from __future__ import annotations

from typing import Any

from rl4lms.core.tables import WrapperRegistry


def wrap_onpolicy_alg(*args: Any, **kwargs: Any) -> Any:
    """See `rl4lms.algorithms.on_policy_text.wrap_onpolicy_alg`."""
    return WrapperRegistry.get("ppo")(*args, **kwargs)
