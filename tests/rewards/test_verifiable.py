"""The rewards that a rule decides, on the texts of docs/rewards.md and worse ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.tables import VERIFIABLE, RewardFunctionRegistry
from rl4lms.rewards.verifiable import last_number


def score(name: str, text: str, *references: str, info: Any = None, **args: Any) -> float:
    found = RewardFunctionRegistry.get(name, args)(["p"], [text], [list(references)], [True], [info])
    assert len(found) == 1
    return float(found[0])


@pytest.mark.parametrize(
    ("text", "references", "args", "expected"),
    [
        ("a  b\n", ("a b",), {}, 1),
        ("a b", ("c", "a b"), {}, 1),
        ("A b", ("a b",), {}, 0),
        ("A b", ("a b",), {"ignore_case": True}, 1),
        ("a, b.", ("a b",), {"ignore_punctuation": True}, 1),
        ("a b.", ("a b",), {}, 0),
        ("caf\u00e9", ("cafe\u0301",), {}, 1),
        ("\u00b2", ("2",), {}, 0),
        ("", ("a",), {}, 0),
        ("", ("",), {}, 1),
    ],
)
def test_exact_match(text: str, references: Any, args: Any, expected: float) -> None:
    assert score("exact_match", text, *references, **args) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("none here", None),
        ("nan", None),
        ("inf", None),
        ("It is 42.", "42"),
        ("1,000", "1000"),
        ("1000", "1000"),
        ("12,345,678.90", "12345678.90"),
        ("1,00", "0"),
        ("3 and then 4", "4"),
        ("3-4", "4"),
        ("3 - 4", "4"),
        ("is -4", "-4"),
        ("\u22124", "-4"),
        ("(+4)", "4"),
        (".5", "0.5"),
        ("1.2.3", "3"),
        ("$1,000.00", "1000.00"),
        ("50%", "50"),
        ("1e3", "1000"),
        ("6.02E-2", "0.0602"),
        ("\u0664\u0662", "42"),
        ("x\u00b2", None),
        ("\\boxed{7}", "7"),
        ("#### 72", "72"),
        ("1e99999999999999999999999", None),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_the_last_number(text: str, expected: str | None) -> None:
    found = last_number(text)
    assert (found is None) == (expected is None)
    assert expected is None or found == Decimal(expected)


@pytest.mark.parametrize(
    ("text", "reference", "tolerance", "expected"),
    [
        ("so 1,000", "1000.0", 0, 1),
        ("0.3", "0.1", 0.2, 1),
        ("0.31", "0.1", 0.2, 0),
        ("9007199254740993", "9007199254740992", 0, 0),
        ("1e999999999", "1", 1e300, 0),
        ("1e999999999", "1e999999999", 0, 1),
        ("nan", "1", 5, 0),
        ("", "1", 5, 0),
        ("18", "She has 3 * 6 = 18\n#### 18", 0, 1),
    ],
)
def test_numeric(text: str, reference: str, tolerance: float, expected: float) -> None:
    assert score("numeric", text, reference, tolerance=tolerance) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "whole", "expected"),
    [
        ("the answer is 4", r"answer is \d+", False, 1),
        ("the answer is 4", r"answer is \d+", True, 0),
        ("Yes", "(?i)^yes$", True, 1),
        ("", "", False, 1),
        ("", ".+", False, 0),
    ],
)
def test_regex(text: str, pattern: str, whole: bool, expected: float) -> None:
    assert score("regex", text, pattern=pattern, whole=whole) == expected


def test_a_regex_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl4lms.rewards.verifiable.SLOWEST_MATCH_S", 0.05)
    with pytest.raises(RunError, match=r"pattern '\(\?:a\|aa\)\+\$' took more than 0.05 s for a text; it repeats"):
        score("regex", "a" * 60 + "b", pattern="(?:a|aa)+$")
    with pytest.raises(ConfigError, match=r"reward regex: pattern '\(' is no regular expression"):
        score("regex", "a", pattern="(")


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ('{"a": 1}', None, 1),
        (' [1, "b"]\n', None, 1),
        ("42", None, 1),
        ('```json\n{"a": 1}\n```', ["a"], 1),
        ('```\n{"a": 1}\n```', None, 1),
        ("```{}```", None, 1),
        ('Here: {"a": 1}', None, 0),
        ('```json\n{"a": 1}\n``` done', None, 0),
        ("```python\n{}\n```", None, 0),
        ('{"a": NaN}', None, 0),
        ('{"a": Infinity}', None, 0),
        ("{'a': 1}", None, 0),
        ('{"a": 1,}', None, 0),
        ('{"b": 1}', ["a"], 0),
        ('["a"]', ["a"], 0),
        ("", None, 0),
        ("``````", None, 0),
        ("[" * 100_000, None, 0),
        ('"\\ud800"', None, 0),
        ("9" * 5000, None, 0),
    ],
)
def test_json_valid(text: str, keys: Any, expected: float) -> None:
    assert score("json_valid", text, keys=keys) == expected


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        ("a b c", {"shortest": 2, "longest": 4}, 1),
        ("a", {"shortest": 4}, 0.25),
        ("a b c d", {"longest": 2}, 0.5),
        ("a b c d", {"longest": 0}, 0),
        ("", {"shortest": 2}, 0),
        ("", {}, 1),
        (" ab\n", {"longest": 2, "unit": "characters"}, 0.5),
    ],
)
def test_length(text: str, args: Any, expected: float) -> None:
    assert score("length", text, **args) == expected


def test_references_that_decide_nothing_are_a_fault_of_the_data() -> None:
    for name in ("exact_match", "numeric"):
        with pytest.raises(DataError, match=f"reward {name}: a sample has no reference; name the column"):
            score(name, "4")
    with pytest.raises(DataError, match="reward numeric: no number in the reference 'four'; expected one"):
        score("numeric", "4", "four")
    with pytest.raises(ConfigError, match="reward length: longest 1 is less than shortest 2"):
        score("length", "4", shortest=2, longest=1)


def test_no_column_replaces_an_option() -> None:
    columns = {"unit": "pages", "shortest": 9, "pattern": "z", "tolerance": 5, "completions": 3}
    assert score("length", "a b", "r", info=columns, longest=2) == 1
    assert score("regex", "a", "r", info=columns, pattern="a") == 1
    assert score("numeric", "4", "5", info=columns) == 0


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ({"id": "regex"}, "reward_fn.args.pattern: missing"),
        ({"id": "length", "args": {"unit": "pages"}}, "reward_fn.args.unit"),
        ({"id": "numeric", "args": {"tolerance": -1}}, "reward_fn.args.tolerance"),
        ({"id": "numeric", "args": {"references": ["a"]}}, "reward_fn.args"),
        ({"id": "json_valid", "args": {"key": "a"}}, 'Did you mean "keys"'),
    ],
)
def test_their_arguments_are_checked(reward: Any, said: str) -> None:
    from tests.training.test_on_policy import config

    given = {**config("model").to_dict(), "reward_fn": reward}  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(given)
    assert said in str(error.value)


def test_all_are_ids_and_parts_of_a_sum() -> None:
    parts = [{"id": name, "args": {"pattern": "4"} if name == "regex" else {}} for name in VERIFIABLE]
    weighted = RewardFunctionRegistry.get("weighted", {"rewards": parts})
    assert weighted(["p"], ["4"], [["4"]], [True], [None]) == [5.0] and set(weighted.last) == set(VERIFIABLE)
