"""docs/numerics.md, line 18."""

import math

import pytest

from rl4lms.core.errors import ConfigError, RunError
from rl4lms.rollouts.kl_controller import KLController


@pytest.mark.parametrize(
    ("kl", "expected"), [(0.1, 0.2), (1.0, 0.2 * 1.02), (0.0, 0.2 * 0.98), (0.11, 0.2 * 1.01), (-5.0, 0.2 * 0.98)]
)
def test_golden(kl, expected):
    controller = KLController(0.2, 0.1)
    controller.step(kl)
    assert controller.kl_coeff == pytest.approx(expected, abs=1e-12)


def test_stays_positive_and_fixed_without_a_target():
    controller = KLController(0.2, 0.1)
    for _ in range(2000):
        controller.step(-1.0)
    assert controller.kl_coeff > 0
    fixed = KLController(0.2)
    fixed.step(100.0)
    assert fixed.kl_coeff == 0.2


def test_state_round_trip():
    first = KLController(0.2, 0.1)
    first.step(0.5)
    second = KLController(9.0)
    second.load_state_dict(first.state_dict())
    first.step(0.3), second.step(0.3)
    assert first.state_dict() == second.state_dict()


@pytest.mark.parametrize("target", [0, 0.0, -0.1, math.nan, math.inf])
def test_a_target_that_cannot_be_held_is_refused(target):
    with pytest.raises(ConfigError, match=r"alg\.kl_div\.target_kl: expected a finite number above 0.*found"):
        KLController(0.2, target)


@pytest.mark.parametrize("coeff", [-0.1, math.nan, math.inf])
def test_a_coefficient_that_is_no_weight_is_refused(coeff):
    with pytest.raises(ConfigError, match=r"alg\.kl_div\.coeff: expected a finite number, at least 0, found"):
        KLController(coeff)
    assert KLController(0).kl_coeff == 0, "no penalty"


@pytest.mark.parametrize("kl", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("target", [None, 0.1])
def test_a_kl_that_is_not_finite_ends_the_run(kl, target):
    controller = KLController(0.2, target)
    with pytest.raises(RunError, match="mean KL of the rollout to the reference is"):
        controller.step(kl)
    assert controller.kl_coeff == 0.2
