"""What the answers say: how far workers agree, each method's mean rating, who wins against whom, preference data."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.crowd.agreement import alphas
from rl4lms.crowd.annotations import Answer
from rl4lms.crowd.study import Item, Study
from rl4lms.results.statistics import Interval, mean_interval

N_RESAMPLES = 10_000
LEVEL = 0.95
_POINTS = {"1": 1.0, "tie": 0.5, "2": 0.0}  # of the text that was shown first


@dataclass(frozen=True)
class Rating:
    """A method's mean answer to a question; the interval is over samples, each of which counts once."""

    question: str
    method: str
    interval: Interval
    n_answers: int


@dataclass(frozen=True)
class WinRate:
    """How often `method` is preferred to `other` where their texts differ, a tie being half a win.

    The interval is over samples. wins, ties, losses: answers; n_equal: samples on which both wrote the same text.
    """

    method: str
    other: str
    interval: Interval
    wins: int
    ties: int
    losses: int
    n_equal: int


@dataclass(frozen=True)
class Results:
    """agreement: question -> level -> Krippendorff's alpha, None where it is not defined."""

    study: Study
    answers: list[Answer]
    agreement: dict[str, dict[str, float | None]]
    ratings: list[Rating]
    win_rates: list[WinRate]

    @property
    def counts(self) -> dict[str, int]:
        """answers, of how many workers, about how many items of those asked about."""
        return {
            "answers": len(self.answers),
            "workers": len({answer.worker for answer in self.answers}),
            "items_answered": len({answer.item for answer in self.answers}),
            "items": len(self.study.items),
        }

    def to_dict(self) -> dict[str, Any]:
        study = self.study
        return {
            "study": study.digest,
            "kind": study.kind,
            "task": study.task,
            "methods": list(study.methods),
            **self.counts,
            "krippendorff_alpha": self.agreement,
            "ratings": [asdict(rating) for rating in self.ratings],
            "win_rates": [asdict(rate) for rate in self.win_rates],
        }


def results(study: Study, answers: Sequence[Answer], *, seed: int = 0) -> Results:
    """seed: of the bootstrap. Raises DataError where there is no answer."""
    if not answers:
        raise DataError("crowd import: the files hold no answer to this study.")
    by_question: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_question[answer.question].append(answer)
    agreement = {name: alphas(by_question[name], values) for name, values in study.questions.items()}
    items = {item.id: item for item in study.items}
    pairwise = study.kind == "pairwise"
    return Results(
        study=study,
        answers=list(answers),
        agreement=agreement,
        ratings=[] if pairwise else _ratings(study, by_question, items, seed),
        win_rates=_win_rates(study, answers, items, seed) if pairwise else [],
    )


def _ratings(
    study: Study, by_question: Mapping[str, Sequence[Answer]], items: Mapping[str, Item], seed: int
) -> list[Rating]:
    ratings = []
    for question, method in itertools.product(study.questions, study.methods):
        by_sample: dict[str, list[float]] = defaultdict(list)
        for answer in by_question[question]:
            if items[answer.item].methods == (method,):
                by_sample[items[answer.item].sample_id].append(float(answer.value))
        if by_sample:
            interval = _over_samples(by_sample, seed, question, method)
            ratings.append(Rating(question, method, interval, sum(map(len, by_sample.values()))))
    return ratings


def _win_rates(study: Study, answers: Sequence[Answer], items: Mapping[str, Item], seed: int) -> list[WinRate]:
    rates = []
    for method, other in itertools.combinations(study.methods, 2):
        by_sample: dict[str, list[float]] = defaultdict(list)
        for answer in answers:
            item = items[answer.item]
            if set(item.methods) == {method, other}:
                points = _POINTS[answer.value]
                by_sample[item.sample_id].append(points if item.methods[0] == method else 1.0 - points)
        points_given = [points for each in by_sample.values() for points in each]
        if points_given:
            interval = _over_samples(by_sample, seed, method, other)
            counts = (points_given.count(1.0), points_given.count(0.5), points_given.count(0.0))
            n_equal = sum({one, two} == {method, other} for _, one, two in study.equal)
            rates.append(WinRate(method, other, interval, *counts, n_equal))
    return rates


def _over_samples(by_sample: Mapping[str, Sequence[float]], seed: int, *keys: str) -> Interval:
    """Mean over samples of the mean over workers, with a bootstrap over samples."""
    means = [sum(values) / len(values) for _, values in sorted(by_sample.items())]
    return mean_interval(means, level=LEVEL, n_resamples=N_RESAMPLES, rng=numpy_generator(seed, "crowd", *keys))


def preferences(study: Study, answers: Sequence[Answer]) -> list[dict[str, str]]:
    """Of a study of pairs, rows for training a preference model: prompt, chosen, rejected (as generated) and sample_id.

    One per pair that more workers decided one way than the other, in the order of the key; ties are left out.
    """
    balance: dict[str, float] = defaultdict(float)
    for answer in answers:
        balance[answer.item] += _POINTS[answer.value] - 0.5
    rows = []
    for item in study.items:
        if balance[item.id] != 0:
            first, second = item.methods
            chosen, rejected = (first, second) if balance[item.id] > 0 else (second, first)
            sample = study.samples[item.sample_id]
            texts = {"prompt": sample.prompt, "chosen": sample.texts[chosen], "rejected": sample.texts[rejected]}
            rows.append({**texts, "sample_id": item.sample_id})
    return rows
