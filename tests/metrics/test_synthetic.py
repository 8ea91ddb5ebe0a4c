import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl4lms.metrics.synthetic import DateInText, IncreasingNumbersInText, date_in_text, increasing_numbers


@pytest.mark.parametrize(
    ("text", "min_tokens", "expected"),
    [
        ("", 20, 0.0),
        ("no number", 20, 0.0),
        ("1 2 3", 20, 3 / 10),
        ("1 2 3 4 5 6 7 8 9 10 11 12", 20, 1.0),
        ("1 2 2 3", 2, 2 / 4),
        ("1 x 2 y 3", 2, 3 / 5),
        ("5 4 6", 2, 1 / 3),
        ("1.5 2e1 -3", 2, 2 / 3),
        ("nan 1 inf 2", 2, 2 / 4),
    ],
)
def test_increasing_numbers(text: str, min_tokens: int, expected: float) -> None:
    assert increasing_numbers(text, min_tokens) == pytest.approx(expected)


@given(st.text(alphabet="0123456789. ax-"), st.integers(1, 50))
def test_increasing_numbers_is_a_fraction(text: str, min_tokens: int) -> None:
    assert 0.0 <= increasing_numbers(text, min_tokens) <= 1.0


def test_dates() -> None:
    assert date_in_text("born 1999-12-31.") == 1.0
    assert date_in_text("born 12/31/1999") == 0.0 == date_in_text("")


def test_metrics() -> None:
    assert IncreasingNumbersInText(20).compute(None, ["1 2", "x"], None) == {
        "synthetic/increasing_numbers_in_text": ([0.2, 0.0], 0.1)
    }
    assert DateInText().compute(None, ["2020-01-01", ""], None) == {"synthetic/dates_in_text": ([1.0, 0.0], 0.5)}
