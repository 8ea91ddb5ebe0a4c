"""Names, families and order of methods."""

from __future__ import annotations

import random

import pytest

from rl4lms.config.compose import BASELINES, algorithm_of, methods, run_of, starting_point
from rl4lms.config.labels import FAMILIES, families, in_order, method_label

EVERY = [name for family in FAMILIES.values() for name in family]
SPELT = {
    "zero_shot": "Zero-shot",
    "best_of_n": "Best of n",
    "dr_grpo": "Dr.GRPO",
    "supervised_reinforce_pp": "Supervised + REINFORCE++",
    "rloo": "RLOO",
    "mine": "mine",
    "supervised_mine": "Supervised + mine",
}


@pytest.mark.parametrize(("method", "label"), SPELT.items())
def test_names_are_spelt_as_their_papers_spell_them(method: str, label: str) -> None:
    assert method_label(method) == label


def test_order_is_of_families_however_they_are_listed() -> None:
    """Critics, groups, others, and the user's own last, in the order that they were given."""
    mixed = [*EVERY, "b_mine", "a_mine"]
    random.Random(0).shuffle(mixed)
    own = [name for name in mixed if name.endswith("mine")]
    assert in_order(mixed) == [*EVERY, *own]
    assert EVERY[:5] == ["ppo", "nlpo", "a2c", "trpo", "grpo"]
    assert families(methods(["mine", "grpo"], BASELINES)) == {
        "With groups": ["grpo", "supervised_grpo"],
        "Others": ["mine", "supervised_mine"],
    }


def test_a_baseline_has_no_algorithm_and_the_model_of_the_warm_start() -> None:
    for baseline in BASELINES:
        assert algorithm_of(baseline) is None
        assert run_of(baseline) == starting_point(baseline) == "supervised"
    assert [run_of(method) for method in methods(["ppo"])] == methods(["ppo"])
