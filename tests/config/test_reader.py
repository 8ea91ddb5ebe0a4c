"""Typed, closed reading of mappings into dataclasses."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl4lms.config.reader import Count, Fraction, Range, describe, plain, read
from rl4lms.core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    side: Literal["left", "right"] = "left"
    share: Fraction = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    n: Count = 1
    flag: bool = False
    rate: Annotated[float, Range(above=0)] | None = None
    inner: Inner = field(default_factory=Inner)
    items: list[Inner] = field(default_factory=list)
    table: dict[str, Inner] = field(default_factory=dict)
    anything: Any = None


def read_outer(value: Any) -> Outer:
    outer: Outer = read(Outer, value, "", "f.yaml")
    return outer


def test_reads_nested_values_and_converts_numbers() -> None:
    outer = read_outer(
        {"name": "x", "n": 2e3, "rate": 3, "items": [{"side": "right"}], "table": {"k": {"share": 1}}, "anything": [1]}
    )
    assert outer == Outer("x", 2000, False, 3.0, Inner(), [Inner("right")], {"k": Inner("left", 1.0)}, [1])
    assert isinstance(outer.n, int)
    assert isinstance(outer.rate, float)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "x", "m": 1}, 'f.yaml: unknown key "m". Known: '),
        ({"name": "x", "itmes": 1}, 'f.yaml: unknown key "itmes". Did you mean "items"? Known: '),
        ({"name": "x", "inner": {"sied": "left"}}, 'f.yaml: inner: unknown key "sied". Did you mean "side"? Known: '),
        ({}, "f.yaml: name: missing; expected text."),
        ({"name": 3}, "f.yaml: name: expected text, found 3."),
        ({"name": "x", "n": 0}, "f.yaml: n: expected an integer >= 1, found 0."),
        ({"name": "x", "n": 1.5}, "f.yaml: n: expected an integer >= 1, found 1.5."),
        ({"name": "x", "n": True}, "f.yaml: n: expected an integer >= 1, found true."),
        ({"name": "x", "n": None}, "f.yaml: n: expected an integer >= 1, found nothing."),
        ({"name": "x", "flag": 1}, "f.yaml: flag: expected true or false, found 1."),
        ({"name": "x", "flag": "yes"}, 'f.yaml: flag: expected true or false, found "yes".'),
        ({"name": "x", "rate": 0}, "f.yaml: rate: expected a number > 0 or null, found 0."),
        ({"name": "x", "rate": float("nan")}, "f.yaml: rate: expected a number > 0 or null, found nan."),
        ({"name": "x", "rate": "1e-5"}, 'f.yaml: rate: expected a number > 0 or null, found "1e-5".'),
        ({"name": "x", "inner": {"side": "up"}}, 'f.yaml: inner.side: expected "left" or "right", found "up".'),
        ({"name": "x", "inner": {"share": 2}}, "f.yaml: inner.share: expected a number >= 0 and <= 1, found 2."),
        ({"name": "x", "inner": 4}, "f.yaml: inner: expected a mapping of side, share, found 4."),
        ({"name": "x", "items": {}}, "f.yaml: items: expected a list, each a mapping of side, share, found a mapping."),
        ({"name": "x", "items": [{}, {"share": "a"}]}, "f.yaml: items[1].share: expected a number"),
        ({"name": "x", "table": {"k": {"share": -1}}}, "f.yaml: table.k.share: expected a number >= 0"),
        ({"name": "x", "table": {1: {}}}, "f.yaml: table: expected text as a key, found 1; put it in quotes."),
        ([], "f.yaml: expected a mapping of name, n, flag, rate, inner, items, table, anything, found a list."),
    ],
)
def test_a_wrong_value_is_one_line_with_path_expectation_and_finding(value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_outer(value)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_booleans_with_a_stray_comma_are_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_outer({"name": "x", "flag": "True,"}).flag is True
        assert read_outer({"name": "x", "flag": "False,"}).flag is False
    assert caplog.messages[0] == 'f.yaml: flag: read "True," as the boolean it means; remove the comma.'


def test_partial_reading_requires_nothing_but_checks_all_that_is_there() -> None:
    assert read(Outer, {"n": 3, "inner": {}}, "", "f.yaml", partial=True) == {"n": 3, "inner": {}}
    with pytest.raises(ConfigError, match=r'inner: unknown key "x"'):
        read(Outer, {"inner": {"x": 1}}, "", "f.yaml", partial=True)


@given(
    st.builds(
        Outer,
        st.text(),
        st.integers(1, 10**9),
        st.booleans(),
        st.none() | st.floats(1e-300, 1e300),
        st.builds(Inner, st.sampled_from(["left", "right"]), st.floats(0, 1)),
        st.lists(st.builds(Inner), max_size=3),
    )
)
def test_plain_and_read_are_inverse(outer: Outer) -> None:
    assert read_outer(plain(outer)) == outer


def test_describe_names_unions_and_lists() -> None:
    assert describe(int | None) == "an integer or null"
    assert describe(list[str]) == "a list, each text"
    assert describe(dict[str, int]) == "a mapping"
