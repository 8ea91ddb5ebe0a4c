"""Hand values and invariances of the report on a classifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rl4lms.core.errors import DataError
from rl4lms.evaluation.classification import classification_report, report_text, rounded, wilson_interval

NAMES = ["no", "yes", "maybe"]
TARGETS = [0, 0, 0, 1, 1, 2]
CHANCES = [[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.85, 0.05], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1]]


def test_by_hand() -> None:
    """Called 0, 0, 1, 1, 0, 1: of three "no" two are right, of two "yes" one, of one "maybe" none."""
    report = classification_report(TARGETS, CHANCES, NAMES)
    assert report["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert (report["n"], report["accuracy"], report["majority_share"]) == (6, 0.5, 0.5)
    assert report["classes"] == {
        "no": {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "n": 3},
        "yes": {"precision": 1 / 3, "recall": 1 / 2, "f1": 0.4, "n": 2},
        "maybe": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1},
    }
    assert report["macro_f1"] == pytest.approx((2 / 3 + 0.4) / 3)
    truths = [0.9, 0.6, 0.2, 0.85, 0.4, 0.1]
    assert report["log_loss"] == pytest.approx(-sum(math.log(chance) for chance in truths) / 6)
    # Chance of the class called, right or not: .9 yes, .6 yes, .7 no, .85 yes, .5 no, .6 no.
    assert [(b["n"], b["accuracy"]) for b in report["calibration"]] == [(1, 0.0), (2, 0.5), (1, 0.0), (2, 1.0)]
    assert [b["from"] for b in report["calibration"]] == [0.4, 0.5, 0.6, 0.8]
    gaps = [0.5, 2 * 0.1, 0.7, 2 * 0.125]
    assert report["ece"] == pytest.approx(sum(gaps) / 6)


def test_brier_against_numpy() -> None:
    truth = np.eye(3)[TARGETS]
    expected = ((np.array(CHANCES) - truth) ** 2).sum(axis=1).mean()
    assert classification_report(TARGETS, CHANCES, NAMES)["brier"] == pytest.approx(expected)


def test_the_order_of_texts_and_their_copies_change_nothing() -> None:
    report = classification_report(TARGETS, CHANCES, NAMES)
    assert classification_report(TARGETS[::-1], CHANCES[::-1], NAMES) == report
    doubled = classification_report(TARGETS * 2, CHANCES * 2, NAMES)
    for key in ("accuracy", "macro_f1", "log_loss", "brier", "ece"):
        assert doubled[key] == pytest.approx(report[key])


def test_a_calibrated_classifier_has_no_calibration_error() -> None:
    targets = [0] * 8 + [1] * 2
    assert classification_report(targets, [[0.8, 0.2]] * 10, ["a", "b"])["ece"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (81, 263, 0.25528, 0.36621)]
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    """The third is the example of Newcombe (1998), 81 of 263: .2553 to .3662."""
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=1e-5)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no texts"):
        classification_report([], [], NAMES)
    with pytest.raises(DataError, match="class 3, expected 0 to 2"):
        classification_report([3], [[1.0, 0.0, 0.0]], NAMES)


def test_text_and_rounding() -> None:
    report: dict[str, Any] = rounded(classification_report(TARGETS, CHANCES, NAMES))
    assert report["macro_f1"] == 0.355556
    text = report_text(report)
    assert "accuracy 0.5000 (95 % 0.1876 to 0.8124) on 6 texts; the largest class is 0.5000" in text
    assert "yes          0.3333  0.5000  0.4000       2\n" in text
    assert "0.8 to 0.9         2  0.8750  1.0000\n" in text
