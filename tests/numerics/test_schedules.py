"""The factor of a learning rate over a run: by hand, and as transformers has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rl4lms.numerics.schedules import RateSchedule


def over(schedule: RateSchedule, n: int) -> list[float]:
    return [schedule(k / n, (k + 1) / n) for k in range(n)]


def test_by_hand() -> None:
    assert over(RateSchedule(), 3) == [1.0, 1.0, 1.0]
    assert over(RateSchedule("linear"), 4) == [1.0, 0.75, 0.5, 0.25]
    assert over(RateSchedule("constant", 0.5), 4) == [0.5, 1.0, 1.0, 1.0]
    assert over(RateSchedule("linear", 0.5), 4) == [0.5, 1.0, 1.0, 0.5]
    assert over(RateSchedule("cosine"), 2) == pytest.approx([1.0, 0.5])
    assert RateSchedule("linear")(2.0, 3.0) == 0.0, "iterations beyond the budget learn nothing, and nothing backwards"


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
def test_after_warmup_it_is_that_of_transformers(kind: str) -> None:
    from transformers import get_scheduler

    n, warmup = 20, 5
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if kind == "constant" else kind
    theirs: Any = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=n)
    expected = []
    for _ in range(n):
        expected += theirs.get_last_lr()
        optimizer.step()
        theirs.step()
    ours = over(RateSchedule(kind, warmup / n), n)
    assert ours[warmup:] == pytest.approx(expected[warmup:], abs=1e-12)
    assert ours[: warmup - 1] == pytest.approx(expected[1:warmup]), "ours rises one iteration earlier, and never is 0"


def test_tokens_and_iterations_of_equal_length_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate that an update is given where the run ends by tokens, of which every iteration has 5."""
    from rl4lms.algorithms.on_policy_text import TextRollouts

    found = {}
    for n_tokens in (None, 20):
        made: Any = SimpleNamespace(
            budget=7, total_tokens=n_tokens, rate_schedule=RateSchedule("cosine", 0.25),
            rollout_numbers={"rollout/n_sampled_tokens": 5.0},
        )  # fmt: skip
        rates = []
        for k in range(1, 5):
            made.n_sampled_tokens = 5 * k
            TextRollouts._update_current_progress_remaining(made, 7 * k, 28)
            rates.append((made._current_progress_remaining, made._rate_factor))
        found[n_tokens] = rates
    assert found[None] == found[20]
