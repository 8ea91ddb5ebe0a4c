"""Samples in a file that is mapped into memory: however many there are, a process holds only those it is looking at.

The file has no name, so it goes with the last process that has it open, however that ends; it lies where `tempfile`
puts files (TMPDIR). Samples are written by `marshal`: plain values, read in a microsecond, by this Python alone.
"""

from __future__ import annotations

import contextlib
import marshal
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, cast, overload

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import DataError, RunError
from rl4lms.data_pools.text_generation_pool import Sample

_RELEASE_EVERY = 256  # reads, after which the pages that they touched are handed back


def stored(samples: Iterable[Sample]) -> StoredSamples:
    """The samples, written as they come. Raises DataError for a sample that holds more than plain values.

    Plain: None, bool, int, float, str, bytes, and lists, tuples, dicts and sets of them.
    """
    file = _temporary_file()
    try:
        size, ends = 0, [0]
        for sample in samples:
            record = _record(sample)
            _write(file, record)
            size += len(record)
            ends.append(size)
        _write(file, b"\0" * (-size % 8) + np.array(ends, dtype=np.int64).tobytes(), flush=True)
    except BaseException:
        with contextlib.suppress(OSError):  # closing writes what is left, for which there may be no room
            file.close()
        raise
    return StoredSamples(file, range(len(ends) - 1))


def _record(sample: Sample) -> bytes:
    try:
        return marshal.dumps((sample.id, sample.prompt_or_input_text, sample.references, sample.meta_data))
    except ValueError:
        raise DataError(
            f"sample {sample.id}: its id, prompt, references or meta_data hold more than plain values (numbers, text, "
            "lists, dicts); give the pool a list of its samples instead."
        ) from None


def _temporary_file() -> BinaryIO:
    try:
        return cast(BinaryIO, tempfile.TemporaryFile(prefix="samples-"))
    except OSError as error:
        raise _no_room(error) from None


def _write(file: BinaryIO, data: bytes, flush: bool = False) -> None:
    try:
        file.write(data)
        if flush:
            file.flush()
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> RunError:
    return RunError(
        f"samples of a data pool cannot be written ({error.strerror}); set TMPDIR to a directory with room."
    )


class StoredSamples(Sequence[Sample]):
    """The samples with numbers `rows` of a file that `stored` wrote; each is built anew when it is asked for.

    A slice shares the file. So does a copy in another process on Linux: it is sent the file's place, not what is in it.
    """

    def __init__(self, file: BinaryIO, rows: range, n_stored: int | None = None) -> None:
        self._file, self._rows = file, rows
        self._n_stored = len(rows) if n_stored is None else n_stored
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        index_at = len(self._map) - 8 * (self._n_stored + 1)
        self._bounds: NDArray[np.int64] = np.frombuffer(self._map, dtype=np.int64, offset=index_at)
        self._n_reads = 0

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, ix: int) -> Sample: ...

    @overload
    def __getitem__(self, ix: slice) -> StoredSamples: ...

    def __getitem__(self, ix: int | slice) -> Sample | StoredSamples:
        if isinstance(ix, slice):
            return StoredSamples(self._file, self._rows[ix], self._n_stored)
        row = self._rows[ix]
        start, stop = self._bounds[row : row + 2].tolist()
        sample = Sample(*marshal.loads(self._map[start:stop]))
        self._n_reads += 1
        if self._n_reads % _RELEASE_EVERY == 0 and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)  # the file still holds them
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[ix] for ix in range(len(self)))

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (f"/proc/{os.getpid()}/fd/{self._file.fileno()}", self._rows, self._n_stored)


def _reopen(path: str, rows: range, n_stored: int) -> StoredSamples:
    try:
        file = open(path, "rb")  # noqa: SIM115 - open for as long as the samples are
    except OSError as error:
        raise RunError(
            f"{path}: a data pool sent to another process shares its file, which cannot be opened here "
            f"({error.strerror}); send the samples that the process needs instead."
        ) from None
    return StoredSamples(file, rows, n_stored)
