"""Gradient checkpointing: a model's blocks keep only their inputs, and the backward pass computes the rest again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from rl4lms.core.errors import ConfigError


def _blocks(model: nn.Module) -> list[nn.Module]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def check_recomputes(model: nn.Module, name: str) -> None:
    """Raises ConfigError for a model whose blocks transformers does not know."""
    if not _blocks(model):
        raise ConfigError(
            f"alg.policy.args.gradient_checkpointing: model {name} has no blocks that transformers can compute again; "
            "write false."
        )


@contextlib.contextmanager
def recomputed(model: nn.Module) -> Iterator[None]:
    """In this context, a forward with gradients keeps only the inputs of the model's blocks.

    The switch of transformers works in training mode only, in which dropout would be on. The last block is left as it
    is: the backward pass needs it first, when nothing is freed yet, and `last_block_of_responses` has hooks in it that
    are gone by then. Inputs need no gradient of their own, so that adapters learn (what `enable_input_require_grads` is
    for elsewhere).
    """
    blocks = _blocks(model)[:-1] if torch.is_grad_enabled() else []
    for block in blocks:
        block.forward = functools.partial(_checkpointed, block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _checkpointed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    # Nothing in a block is random, because the policy is always in evaluation mode.
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


def is_recomputed(model: nn.Module) -> bool:
    """Whether the model is in a context of `recomputed`. A cache would then be written twice."""
    return any("forward" in vars(block) for block in _blocks(model))
