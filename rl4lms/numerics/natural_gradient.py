"""Linear algebra for the trust region: products with an implicit matrix, and conjugate gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors])


def unflatten(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    return [part.view_as(t) for part, t in zip(flat.split([t.numel() for t in like]), like, strict=True)]


def hessian_product(value: Tensor, parameters: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """v -> H v, (P,), for the Hessian H of a scalar `value` with respect to `parameters`: the gradient of (grad . v).

    The graph of `value` and of its gradient lives as long as the function, so that a product is one backward pass.
    """
    gradient = flatten(
        torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
    )

    def product(vector: Tensor) -> Tensor:
        along = (gradient * vector).sum()
        return flatten(
            torch.autograd.grad(along, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        )

    return product


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], b: Tensor, max_steps: int = 15, tolerance: float = 1e-10
) -> Tensor:
    """x with A x = b for a symmetric positive definite A given by `product(x) = A x`. b, x: (P,).

    Stops after `max_steps` or once the squared residual is below `tolerance` (Hestenes and Stiefel 1952).
    """
    x = torch.zeros_like(b)
    residual = b.clone()
    direction = residual.clone()
    squared = residual @ residual
    for _ in range(max_steps):
        if squared < tolerance:
            break
        image = product(direction)
        step = squared / (direction @ image)
        x += step * direction
        residual -= step * image
        following = residual @ residual
        direction = residual + (following / squared) * direction
        squared = following
    return x
