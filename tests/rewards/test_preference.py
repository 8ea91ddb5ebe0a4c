from typing import Any

import pytest

from rl4lms.core.errors import DataError
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.metrics.preference import load_preference_model

PROMPTS = ["w60 ", "w61 ", "w62 ", "w63 "]
TEXTS = ["w6 W7", "w9", "w10 w11", ""]
REFERENCES = [["w6 w7 w8"], ["w30", "w9"], ["w10 w12"], ["w13"]]
INFOS = [{"concepts": ["w6", "w7"]}, {"concepts": ["w9", "w8"]}, {"concepts": ["w20", "w21", "w22"]}, {"concepts": []}]


def reward(folder: str, **args: Any) -> Any:
    return RewardFunctionRegistry.get("common_gen_preference_model", {"model_type": folder, "device": "cpu", **args})


def chances(folder: str, texts: list[str]) -> list[float]:
    found: list[float] = load_preference_model(folder, "cpu").probabilities(texts)[:, 1].tolist()
    return found


def test_the_chance_of_good_alone_by_default(preference_dir: str) -> None:
    good = chances(preference_dir, TEXTS)
    found = reward(preference_dir)(PROMPTS, TEXTS, REFERENCES, [True, False, True, True])
    assert found == pytest.approx([good[0], 0.0, good[2], good[3]], abs=1e-6)
    with_prompt = reward(preference_dir, include_prompt=True)(PROMPTS, TEXTS, REFERENCES, [True] * 4)
    assert with_prompt == pytest.approx(chances(preference_dir, [p + t for p, t in zip(PROMPTS, TEXTS, strict=True)]))


def test_concept_penalty_and_meteor_as_published(preference_dir: str) -> None:
    """good / (1 + coeff * missing) + coeff * METEOR; missing: 0, 1, 3 and 0 concepts."""
    good = chances(preference_dir, TEXTS)
    meteors, _ = MetricRegistry.get("meteor").compute(None, TEXTS, REFERENCES)["lexical/meteor"]
    rm = reward(preference_dir, concept_penalty_coeff=2.0, meteor_coeff=0.5, batch_size=2)
    expected = [g / (1 + 2.0 * n) + 0.5 * m for g, n, m in zip(good, (0, 1, 3, 0), meteors, strict=True)]
    assert rm(PROMPTS, TEXTS, REFERENCES, [True] * 4, INFOS) == pytest.approx(expected, abs=1e-6)
    backwards = rm(PROMPTS[::-1], TEXTS[::-1], REFERENCES[::-1], [True] * 4, INFOS[::-1])
    assert backwards[::-1] == pytest.approx(expected, abs=1e-6)


def test_concepts_are_needed_for_their_penalty_alone(preference_dir: str) -> None:
    assert len(reward(preference_dir)(PROMPTS, TEXTS, REFERENCES, [True] * 4)) == 4
    with pytest.raises(DataError, match='no "concepts" in its meta data'):
        reward(preference_dir, concept_penalty_coeff=1.0)(PROMPTS, TEXTS, REFERENCES, [True] * 4)


def test_published_face() -> None:
    from rl4lms.envs.text_generation.preference_reward import CommonGenPrefRM

    assert RewardFunctionRegistry.table.load("common_gen_preference_model") is CommonGenPrefRM
