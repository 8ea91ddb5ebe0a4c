"""Samples and pools of samples: the published extension point for data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self, TypeGuard

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.seeding import derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(init=True)
class Sample:
    """One prompt with its reference texts; `id` is unique in a pool, `meta_data` goes to rewards and metrics.

    What rows of pandas or NumPy give is made plain: an integer id an int, an array or other sequence of texts a list.
    """

    id: str
    prompt_or_input_text: str
    references: list[str]
    meta_data: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if type(self.references) is not list and _is_sequence(self.references):
            self.references = [str(text) if isinstance(text, str) else text for text in self.references]
        if type(self.id) is not str and isinstance(self.id, Integral) and not isinstance(self.id, bool):
            self.id = int(self.id)


class TextGenPool:
    """The samples of one split. Derive from it, write `prepare`, and register the class to use it from YAML.

    samples: a list, or for many samples `stored_samples.stored(...)`, which keeps them in a file and not in memory.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._n_drawn = 0

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, ix: int) -> tuple[Sample, float]:
        """(sample, weight); every weight is 1.0 unless a subclass says otherwise. IndexError past the end."""
        return self._samples[ix], 1.0

    def __iter__(self) -> Iterator[tuple[Sample, float]]:
        return (self[ix] for ix in range(len(self)))

    def weights(self) -> NDArray[np.float64]:
        """(n,) the weight of every sample, as `pool[ix]` gives it; without building samples where all are 1.0."""
        import numpy as np

        if type(self).__getitem__ is TextGenPool.__getitem__:
            return np.ones(len(self))
        return np.fromiter((weight for _, weight in self), dtype=np.float64, count=len(self))

    def sample(self) -> Sample:
        """A uniformly drawn sample; the k-th call draws the same one in every process, no global generator moves."""
        if not len(self._samples):
            raise IndexError("the pool holds no samples")
        index = derive_seed("TextGenPool.sample", self._n_drawn) % len(self._samples)
        self._n_drawn += 1
        return self._samples[index]

    @classmethod
    def prepare(cls, split: str, *args: Any, **kwargs: Any) -> TextGenPool:
        """Build the pool of a split, "train" | "val" | "test"; `kwargs` are the configuration's `datapool.args`."""
        raise NotImplementedError(f"{cls.__name__} does not say how to prepare a split: write its prepare(split, ...).")

    def split(self, split_ratios: Sequence[float]) -> list[Self]:
        """Consecutive pools of int(len * ratio) samples each, in order; what the ratios leave over is in none."""
        if any(ratio < 0 for ratio in split_ratios) or sum(split_ratios) > 1 + 1e-9:
            raise ConfigError(f"split_ratios {list(split_ratios)}: expected numbers >= 0 whose sum is at most 1.")
        pools, start = [], 0
        for ratio in split_ratios:
            stop = start + int(len(self) * ratio + 1e-9)  # 0.29 * 100 is 28.999999999999996
            pools.append(type(self)(self._samples[start:stop]))
            start = stop
        return pools


_MISSING = object()


def check_samples(pool: Iterable[Any], where: str) -> None:
    """Raises DataError for the first item of a pool that is not (sample, weight) with fields of their types."""
    for number, item in enumerate(pool):
        if not isinstance(item, tuple) or len(item) != 2:
            raise DataError(f"{where}: item {number} is of type {type(item).__name__}, expected (Sample, weight).")
        fault = _fault(item[0])
        if fault is not None:
            name = repr(getattr(item[0], "id", None))
            raise DataError(f"{where}: item {number}, sample {name[:80]}: {fault}.")


def _fault(sample: Any) -> str | None:
    """What is wrong with a sample's fields, None for nothing."""
    given = [getattr(sample, name, _MISSING) for name in ("id", "prompt_or_input_text", "references", "meta_data")]
    if any(value is _MISSING for value in given):
        return f"an object of type {type(sample).__name__}, expected a Sample"
    identity, prompt, references, _ = given
    if not _is_text(identity) and (isinstance(identity, bool) or not isinstance(identity, Integral)):
        return f"id is {_kind(identity)}, expected str"
    if not _is_text(prompt):
        return f"prompt_or_input_text is {_kind(prompt)}, expected str"
    if not _is_sequence(references):
        found = "one str" if isinstance(references, str) else _kind(references)
        return f"references is {found}, expected a list of str"
    for i, reference in enumerate(references):
        if not _is_text(reference):
            return f"references[{i}] is {_kind(reference)}, expected str"
    return None


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """A list, a tuple, an array or a column; no text, and nothing without an order."""
    if isinstance(value, str | bytes | bytearray | Mapping):
        return False
    return isinstance(value, Sequence) or (hasattr(value, "__array__") and len(getattr(value, "shape", ())) == 1)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _kind(value: object) -> str:
    """What was found, for a message."""
    if isinstance(value, str):
        return "a str that holds half a character (a lone surrogate)"
    return "None" if value is None else f"of type {type(value).__name__}"
