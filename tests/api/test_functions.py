"""Plain functions as rewards and metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rl4lms
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import evaluate_samples
from tests.training.test_on_policy import config

PROMPTS, TEXTS, REFERENCES = ["a", "b", "c"], ["x", "x y", "x y z"], [["x"], ["y", "x y"], []]
INFOS = [{"level": 1, "label": "u"}, {"level": 2}, None]


def reward_of(function: Any, **args: Any) -> Any:
    rl4lms.register.reward("own")(function)
    return RewardFunctionRegistry.get("own", args)


def rewards_of(function: Any, dones: tuple[bool, ...] = (True, True, True), **args: Any) -> Any:
    return reward_of(function, **args)(PROMPTS, TEXTS, REFERENCES, dones, INFOS)


def words(completions: list[str], **columns: Any) -> list[float]:
    return [float(len(text.split())) for text in completions]


def test_a_function_is_called_once_with_the_columns_of_the_finished_texts() -> None:
    seen: list[dict[str, Any]] = []

    def reward(prompts: Any, completions: Any, **columns: Any) -> list[float]:
        seen.append({"prompts": prompts, "completions": completions, **columns})
        return [0.25] * len(completions)

    assert rewards_of(reward, (True, False, True)) == [0.25, 0.0, 0.25]
    assert seen == [
        {"prompts": ["a", "c"], "completions": ["x", "x y z"], "references": [["x"], []], "level": [1, None],
         "label": ["u", None]}
    ]  # fmt: skip


def test_a_function_is_given_only_the_columns_that_it_names() -> None:
    def by_level(completions: list[str], level: list[int | None], factor: float = 2.0) -> list[float]:
        return [factor * (each or 0) for each in level]

    assert rewards_of(by_level) == [2.0, 4.0, 0.0]
    assert rewards_of(by_level, factor=3.0) == [3.0, 6.0, 0.0], "arguments of the YAML file"

    def other(completions: list[str], answer: list[str]) -> list[float]:
        return []

    with pytest.raises(DataError, match=r'reward own: it asks for the column "answer".*label, level, prompts, refer'):
        rewards_of(other)


def test_numbers_of_any_kind_are_rewards() -> None:
    assert rewards_of(lambda completions: np.array([0.5, 1.0, 2.0])) == [0.5, 1.0, 2.0]
    assert rewards_of(lambda completions: (True, 0, 1.5)) == [1.0, 0.0, 1.5]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([1.0, 2.0], "returned 2 numbers for 3 texts; return one each"),
        ([1.0, None, 2.0], "returned NoneType for a text; expected a finite number"),
        ([1.0, "2", 2.0], "returned str for a text; expected a finite number"),
        ([1.0, float("nan"), 2.0], "nan for the text 'x y' after the prompt 'b'; expected a finite number"),
        ([1.0, float("inf"), 2.0], "inf for the text"),
        ([1.0, [2.0], 2.0], "list for the text"),
        (None, "returned NoneType; expected a list of 3 numbers, one for each text"),
        (1.0, "returned float; expected a list of 3 numbers"),
        ("one", "returned str; expected a list of 3 numbers"),
        ({"a": 1.0}, "returned dict; expected a list of 3 numbers"),
    ],
)
def test_any_other_answer_is_refused_in_one_line(answer: Any, said: str) -> None:
    with pytest.raises(RunError) as error:
        rewards_of(lambda completions: answer)
    assert str(error.value).startswith("reward own: ") and said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_weighted_sum_keeps_its_parts() -> None:
    rl4lms.register.reward("words")(words)
    rl4lms.register.reward("level")(lambda completions, level: [each or 0 for each in level])
    parts = [{"id": "words", "weight": 2.0}, {"id": "level", "weight": -1}, {"id": "rouge_combined", "name": "r"}]
    weighted = RewardFunctionRegistry.get("weighted", {"rewards": parts})
    alone = RewardFunctionRegistry.get("rouge_combined")
    references = [["x"], ["y"], ["z"]]
    found = weighted(PROMPTS, TEXTS, references, [True, True, False], INFOS)
    rouge = alone.score_batch if hasattr(alone, "score_batch") else None
    each = [alone.score(p, t, r, None) for p, t, r in zip(PROMPTS, TEXTS, references, strict=True)] if not rouge else (
        rouge(PROMPTS, TEXTS, references, INFOS)
    )  # fmt: skip
    assert found == [2.0 * 1 - 1 + each[0], 2.0 * 2 - 2 + each[1], 0.0]
    assert weighted.last == {"words": [1.0, 2.0], "level": [1.0, 2.0], "r": list(each[:2])}


def test_a_weighted_sum_that_cannot_be_is_refused() -> None:
    class Dense(rl4lms.Reward):
        def __call__(self, *_: Any) -> float:
            return 1.0

    rl4lms.register.reward("dense")(Dense)
    for parts, said in (
        ([], "no rewards; name at least one"),
        ([{"id": "meteor"}, {"id": "meteor"}], 'two rewards are named "meteor"; give one another name'),
        ([{"id": "dense"}], "dense is a RewardFunction that may pay at every step; set sparse = True"),
    ):
        with pytest.raises(ConfigError, match=said):
            RewardFunctionRegistry.get("weighted", {"rewards": parts})


@pytest.mark.parametrize(
    ("answer", "metrics", "per_sample"),
    [
        (0.5, {"own": 0.5}, {}),
        ([1.0, 2.0, 6.0], {"own": 3.0}, {"own": [1.0, 2.0, 6.0]}),
        ({"a/b": [1, 1, 1], "c": 2}, {"a/b": 1.0, "c": 2.0}, {"a/b": [1.0, 1.0, 1.0]}),
        ({"d": ([1.0, 2.0, 3.0], 7.0), "e": (None, 8)}, {"d": 7.0, "e": 8.0}, {"d": [1.0, 2.0, 3.0]}),
    ],
)
def test_a_function_is_a_metric(answer: Any, metrics: Any, per_sample: Any) -> None:
    @rl4lms.register.metric("own")
    def own(prompts: Any, completions: Any, references: Any, level: Any) -> Any:
        assert (prompts, completions, references, level) == (PROMPTS, TEXTS, REFERENCES, [1, 2, None])
        return answer

    result = score(MetricRegistry.get("own"))
    assert result.metrics == metrics and result.per_sample == per_sample


def score(metric: Any) -> Any:
    samples = [Sample(str(i), *row) for i, row in enumerate(zip(PROMPTS, REFERENCES, INFOS, strict=True))]
    return evaluate_samples(lambda _: TEXTS, samples, [metric], split="val", epoch=0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "own is NoneType; expected a finite number"),
        (float("nan"), "own is nan; expected a finite number"),
        ([1.0, 2.0], "metric own: returned 2 numbers for 3 texts"),
        ([1.0, None, 2.0], "metric own: returned NoneType for a text"),
        ([1.0, float("nan"), 2.0], "own is nan"),
        ("good", "own is str"),
    ],
)
def test_any_other_answer_of_a_metric_is_refused(answer: Any, said: str) -> None:
    rl4lms.register.metric("own")(lambda completions: answer)
    with pytest.raises(RunError, match=said):
        score(MetricRegistry.get("own"))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current directory, which is not on Python's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "def brevity(completions, most=1):\n    return [float(len(t.split()) <= most) for t in completions]\n"
        "class Inner:\n    pass\n"
    )
    return name


def test_an_id_may_be_the_place_of_a_function(module: str, model_dir: Any) -> None:
    given = config(model_dir("gpt2")).to_dict()
    given["reward_fn"] = {"id": f"{module}:brevity", "args": {"most": 2}}
    given["train_evaluation"]["metrics"] = [{"id": f"{module}:brevity"}]
    read = RunConfig.from_dict(given)
    assert read.reward_fn is not None and read.reward_fn.id == f"{module}:brevity"
    reward = RewardFunctionRegistry.get(read.reward_fn.id, read.reward_fn.args)
    assert reward(PROMPTS, TEXTS, REFERENCES, [True] * 3, INFOS) == [1.0, 1.0, 0.0]
    assert score(MetricRegistry.get(f"{module}:brevity")).metrics == {"brevity": pytest.approx(1 / 3)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{m}:brevty", 'there is no brevty in {m}. Did you mean "brevity"?'),
        ("{m}x:brevity", "Python finds no module {m}x, expected {m}x.py in the current directory or on PYTHONPATH"),
        ("brevity", 'unknown reward function "brevity"'),
        ("brevity@0a1b2c3d4e5f", "is an object that a Python program gave to rl4lms.train, and no file can name it"),
    ],
)
def test_an_id_that_names_nothing_is_refused(module: str, model_dir: Any, name: str, said: str) -> None:
    given = config(model_dir("gpt2")).to_dict()
    given["reward_fn"] = {"id": name.format(m=module)}
    with pytest.raises(ConfigError) as error:
        RewardFunctionRegistry.get(RunConfig.from_dict(given).reward_fn.id)  # type: ignore[union-attr]
    assert said.format(m=module) in str(error.value)


def test_parts_of_a_sum_are_read_as_rewards_are(model_dir: Any) -> None:
    given = config(model_dir("gpt2")).to_dict()
    for part, said in (
        ({"id": "meteer"}, r'rewards\[0\].id: unknown reward function "meteer". Did you mean "meteor"'),
        ({"id": "meteor", "wieght": 1.0}, r'rewards\[0\]: unknown key "wieght". Did you mean "weight"'),
        ({"id": "meteor", "weight": "much"}, r"rewards\[0\].weight: "),
        ({"id": "rouge"}, r"rewards\[0\].args.rouge_type: missing"),
    ):
        given["reward_fn"] = {"id": "weighted", "args": {"rewards": [part]}}
        with pytest.raises(ConfigError, match=said):
            RunConfig.from_dict(given)
