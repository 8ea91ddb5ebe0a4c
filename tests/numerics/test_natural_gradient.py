"""docs/numerics.md, line 26: products with the Hessian, conjugate gradient."""

import torch
from torch.testing import assert_close

from rl4lms.numerics.natural_gradient import conjugate_gradient, flatten, hessian_product, unflatten


def five_parameter_kl(theta: torch.Tensor) -> torch.Tensor:
    """KL of a 5-logit categorical from a fixed one, with a nonlinearity between parameters and logits."""
    fixed = torch.log_softmax(torch.tensor([0.3, -1.0, 0.7, 0.0, 0.2], dtype=torch.float64), 0)
    logits = torch.tanh(theta) * torch.arange(1, 6) + theta.roll(1) * theta
    return (fixed.exp() * (fixed - torch.log_softmax(logits, 0))).sum()


def test_product_equals_the_explicit_hessian():
    g = torch.Generator().manual_seed(0)
    theta = torch.randn(5, generator=g, dtype=torch.float64)
    explicit = torch.autograd.functional.hessian(five_parameter_kl, theta)
    for _ in range(3):
        v = torch.randn(5, generator=g, dtype=torch.float64)
        parameter = theta.clone().requires_grad_()
        assert_close(hessian_product(five_parameter_kl(parameter), [parameter])(v), explicit @ v, rtol=0, atol=1e-12)


def test_conjugate_gradient_equals_solve():
    g = torch.Generator().manual_seed(1)
    root = torch.randn(8, 8, generator=g, dtype=torch.float64)
    a = root @ root.T + 0.1 * torch.eye(8, dtype=torch.float64)
    b = torch.randn(8, generator=g, dtype=torch.float64)
    assert_close(conjugate_gradient(lambda x: a @ x, b, 50, 1e-24), torch.linalg.solve(a, b), rtol=1e-8, atol=1e-10)


def test_flatten_round_trip():
    tensors = [torch.randn(2, 3), torch.randn(4), torch.randn(1, 1)]
    for a, b in zip(unflatten(flatten(tensors), tensors), tensors, strict=True):
        assert torch.equal(a, b)
