"""Published import path of `wrap_onpolicy_alg`, which is imported on first use."""

from __future__ import annotations

from typing import Any

from rl4lms.core.tables import WrapperRegistry


def wrap_onpolicy_alg(*args: Any, **kwargs: Any) -> Any:
    """See `rl4lms.algorithms.on_policy_text.wrap_onpolicy_alg`."""
    return WrapperRegistry.get("default")(*args, **kwargs)
