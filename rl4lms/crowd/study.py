"""A study: which texts are asked about, in which order, and the key that says afterwards whose they were.

Pages only show items ("i017"); which method wrote an item's text is in the key, which stays with whoever runs the
study.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import canonical_json, read_json, sha256_text
from rl4lms.core.seeding import numpy_generator
from rl4lms.tasks.task import task_of

KINDS = ("likert", "pairwise")
SCALE = (1, 2, 3, 4, 5)
PREFERENCE = "preference"
CHOICES = ("1", "tie", "2")  # the first text, no difference, the second
KEY_FILE = "key.json"


@dataclass(frozen=True)
class Item:
    """One text to rate, or two to choose between. methods: who wrote the texts, in the order that they are shown in."""

    id: str
    page: int
    sample_id: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What the methods wrote for one prompt. texts: method -> generation."""

    prompt: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Study:
    """equal: (sample, method, method) where both wrote the same text: there is nothing to choose, nobody is asked."""

    kind: str
    task: str
    seed: int
    methods: tuple[str, ...]
    samples: Mapping[str, Sample]
    items: tuple[Item, ...]
    equal: tuple[tuple[str, str, str], ...] = ()

    @property
    def digest(self) -> str:
        """What pages and answers carry, so that answers to another study are noticed."""
        return sha256_text(canonical_json(self._content()))[:16]

    @property
    def questions(self) -> dict[str, tuple[str, ...]]:
        """Question -> the answers that may be given to it."""
        if self.kind == "pairwise":
            return {PREFERENCE: CHOICES}
        return {criterion.key: tuple(map(str, SCALE)) for criterion in task_of(self.task).wording.criteria}

    def pages(self) -> list[list[Item]]:
        return [list(items) for _, items in itertools.groupby(self.items, key=lambda item: item.page)]

    def to_dict(self) -> dict[str, Any]:
        return {"study": self.digest, **self._content()}

    def _content(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "task": self.task,
            "seed": self.seed,
            "methods": list(self.methods),
            "questions": {name: list(answers) for name, answers in self.questions.items()},
            "items": [{**asdict(item), "methods": list(item.methods)} for item in self.items],
            "equal": [list(each) for each in self.equal],
            "samples": {name: {"prompt": s.prompt, "texts": dict(s.texts)} for name, s in self.samples.items()},
        }

    @classmethod
    def read(cls, path: Path) -> Study:
        """From key.json. Raises DataError where it is not one, or was changed since the pages were made."""
        content = read_json(path)
        try:
            study = cls(
                kind=content["kind"],
                task=content["task"],
                seed=content["seed"],
                methods=tuple(content["methods"]),
                samples={k: Sample(s["prompt"], s["texts"]) for k, s in content["samples"].items()},
                items=tuple(Item(**{**item, "methods": tuple(item["methods"])}) for item in content["items"]),
                equal=tuple((sample, one, other) for sample, one, other in content["equal"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(f"{path}: not the key of a study; expected the key.json that crowd export wrote.") from None
        if content["study"] != study.digest:
            raise DataError(f"{path}: changed since the pages were made; take the key.json that crowd export wrote.")
        return study


def make_study(
    kind: str,
    task: str,
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    n_samples: int | None,
    per_page: int,
    seed: int,
    baseline: str | None = None,
) -> Study:
    """Draw samples, put their texts into a random order, and cut the order into pages.

    predictions: method -> rows as published, of the same samples (those that all methods have are used). n_samples:
    None takes all. baseline: pairs are then of this method and each other one, else of every two. Of each two methods,
    half of the pairs show the one first, half the other. Equal arguments give an equal study.
    """
    task_of(task, "--task")
    _check(kind, predictions, per_page, n_samples, baseline)
    samples = _common_samples(predictions)
    rng = numpy_generator(seed, "crowd", kind, task)
    names = list(samples)
    if n_samples is not None and n_samples < len(names):
        names = [names[i] for i in sorted(rng.permutation(len(names))[:n_samples])]
    chosen = {name: samples[name] for name in names}
    methods = tuple(predictions)
    groups = [(method,) for method in methods] if kind == "likert" else _pairs(methods, baseline)
    shown: list[tuple[str, tuple[str, ...]]] = []
    equal: list[tuple[str, str, str]] = []
    for group in groups:
        same = [name for name in names if len(group) == 2 and len({chosen[name].texts[m].strip() for m in group}) == 1]
        equal += [(name, group[0], group[1]) for name in same]
        asked = [name for name in names if name not in set(same)]
        turned = set(rng.permutation(len(asked))[: len(asked) // 2].tolist())
        shown += [(name, group[::-1] if i in turned else group) for i, name in enumerate(asked)]
    if not shown:
        raise DataError("crowd export: the methods wrote equal texts for every sample; there is nothing to choose.")
    order = rng.permutation(len(shown))
    width = max(3, len(str(len(shown))))
    items = tuple(Item(f"i{n + 1:0{width}}", n // per_page + 1, *shown[position]) for n, position in enumerate(order))
    return Study(kind, task, seed, methods, chosen, items, tuple(equal))


def _check(
    kind: str, predictions: Mapping[str, Any], per_page: int, n_samples: int | None, baseline: str | None
) -> None:
    if kind == "pairwise" and len(predictions) < 2:
        raise ConfigError("crowd export: pairs need the predictions of two methods or more; give --predictions twice.")
    if per_page < 1 or (n_samples is not None and n_samples < 1):
        raise ConfigError("crowd export: --per-page and --samples must be at least 1.")
    if baseline is not None and (kind != "pairwise" or baseline not in predictions):
        known = ", ".join(predictions)
        raise ConfigError(f"--baseline {baseline}: expected, for pairs, one of the methods given: {known}.")


def _pairs(methods: Sequence[str], baseline: str | None) -> list[tuple[str, ...]]:
    pairs = itertools.combinations(methods, 2)
    return [pair for pair in pairs if baseline is None or baseline in pair]


def _common_samples(predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Sample]:
    """Sample id -> the texts of all methods, in the order of the first. Raises DataError where a prompt differs."""
    by_id = {method: {row["sample_id"]: row for row in rows} for method, rows in predictions.items()}
    first, *others = by_id
    samples = {}
    for name, row in by_id[first].items():
        if not all(name in by_id[method] for method in others):
            continue
        for method in others:
            if by_id[method][name]["prompt_text"] != row["prompt_text"]:
                raise DataError(f"sample {name}: {method} and {first} have other prompts; expected the same data.")
        texts = {method: by_id[method][name]["generated_text"] for method in predictions}
        samples[name] = Sample(row["prompt_text"], texts)
    if not samples:
        raise DataError(f"{', '.join(predictions)}: no sample_id in common; expected predictions of the same split.")
    return samples
