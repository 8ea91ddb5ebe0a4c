"""What a classifier is worth on held-out texts: accuracy, F1 per class, confusion, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rl4lms.core.errors import DataError

N_BINS = 10  # of the calibration table
Z_95 = 1.959964  # 95 % of a normal distribution lies within so many standard deviations


def classification_report(
    targets: Sequence[int], probabilities: Sequence[Sequence[float]], names: Sequence[str]
) -> dict[str, Any]:
    """targets: N class numbers; probabilities: (N, C), rows that add up to 1; names: C labels.

    confusion[i][j]: texts of class i called j. calibration: the texts by the chance of the class they were called, in
    ten bins of one width, with the mean of that chance and the share that was right; ece (expected calibration error,
    Guo et al., 2017, arXiv:1706.04599) is the mean distance of the two, weighted by texts. brier: mean squared
    distance of the C chances from the truth, 0 to 2. Raises DataError for no texts or an unknown class.
    """
    n, n_classes = len(targets), len(names)
    if not n:
        raise DataError("classification report: no texts; expected at least one.")
    if strange := sorted({target for target in targets if not 0 <= target < n_classes}):
        raise DataError(f"classification report: class {strange[0]}, expected 0 to {n_classes - 1}.")
    called = [max(range(n_classes), key=lambda c: row[c]) for row in probabilities]
    confusion = [[0] * n_classes for _ in range(n_classes)]
    for target, call in zip(targets, called, strict=True):
        confusion[target][call] += 1
    classes = {name: _class_scores(confusion, c) for c, name in enumerate(names)}
    n_right = sum(confusion[c][c] for c in range(n_classes))
    bins = _calibration([row[c] for row, c in zip(probabilities, called, strict=True)], targets, called)
    return {
        "n": n,
        "accuracy": n_right / n,
        "accuracy_95_interval": list(wilson_interval(n_right, n)),
        "majority_share": max(sum(row) for row in confusion) / n,
        "macro_f1": math.fsum(scores["f1"] for scores in classes.values()) / n_classes,
        "log_loss": -math.fsum(_log(row[t]) for row, t in zip(probabilities, targets, strict=True)) / n,
        "brier": math.fsum(_brier(row, target) for row, target in zip(probabilities, targets, strict=True)) / n,
        "ece": math.fsum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / n,
        "classes": classes,
        "confusion": confusion,
        "calibration": bins,
    }


def _class_scores(confusion: Sequence[Sequence[int]], c: int) -> dict[str, float]:
    """Precision, recall and F1; 0 where nothing was called so, or nothing was."""
    hits, calls, texts = confusion[c][c], sum(row[c] for row in confusion), sum(confusion[c])
    return {
        "precision": hits / calls if calls else 0.0,
        "recall": hits / texts if texts else 0.0,
        "f1": 2 * hits / (calls + texts) if calls + texts else 0.0,
        "n": texts,
    }


def _calibration(confidences: Sequence[float], targets: Sequence[int], called: Sequence[int]) -> list[dict[str, Any]]:
    """One entry for each bin (lower edge excluded, upper included) that has texts."""
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(N_BINS)]
    for confidence, target, call in zip(confidences, targets, called, strict=True):
        place = min(max(math.ceil(confidence * N_BINS) - 1, 0), N_BINS - 1)
        groups[place].append((confidence, target == call))
    return [
        {
            "from": place / N_BINS,
            "to": (place + 1) / N_BINS,
            "n": len(group),
            "confidence": math.fsum(confidence for confidence, _ in group) / len(group),
            "accuracy": sum(right for _, right in group) / len(group),
        }
        for place, group in enumerate(groups)
        if group
    ]


def _log(chance: float) -> float:
    return math.log(max(chance, 1e-12))


def _brier(row: Sequence[float], target: int) -> float:
    return math.fsum((chance - (c == target)) ** 2 for c, chance in enumerate(row))


def wilson_interval(hits: float, n: int) -> tuple[float, float]:
    """95 % of a share (Wilson, 1927); n > 0."""
    share, z2 = hits / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def rounded(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its floats to six digits, for a file that people read and compare."""
    return {key: _rounded(value) for key, value in report.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return rounded(value)
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def report_text(report: Mapping[str, Any]) -> str:
    """The report as a page of plain text."""
    low, high = report["accuracy_95_interval"]
    names = list(report["classes"])
    width = max(9, *(len(name) + 2 for name in names))
    lines = [
        f"accuracy {report['accuracy']:.4f} (95 % {low:.4f} to {high:.4f}) on {report['n']:,} texts; "
        f"the largest class is {report['majority_share']:.4f}",
        f"macro F1 {report['macro_f1']:.4f}, log loss {report['log_loss']:.4f}, Brier {report['brier']:.4f}, "
        f"calibration error {report['ece']:.4f}",
        "",
        f"{'class':<{width}}{'precision':>10}{'recall':>8}{'F1':>8}{'texts':>8}",
    ]
    for name, scores in report["classes"].items():
        lines.append(
            f"{name:<{width}}{scores['precision']:>10.4f}{scores['recall']:>8.4f}{scores['f1']:>8.4f}{scores['n']:>8,}"
        )
    lines += ["", f"{'called:':<{width}}" + "".join(f"{name:>{width}}" for name in names)]
    for name, row in zip(names, report["confusion"], strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{count:>{width},}" for count in row))
    lines += ["", f"{'chance':<12}{'texts':>8}{'mean':>8}{'right':>8}"]
    for part in report["calibration"]:
        span = f"{part['from']:.1f} to {part['to']:.1f}"
        lines.append(f"{span:<12}{part['n']:>8,}{part['confidence']:>8.4f}{part['accuracy']:>8.4f}")
    return "\n".join(lines) + "\n"
