"""Translation edit rate (Snover et al., 2006), equal to sacrebleu's and much faster.

TER searches block shifts greedily: each round tries up to 1,000 shifts of the hypothesis and keeps the one that lowers
the edit distance most. sacrebleu measures one candidate after the other in Python, which takes 40 ms for a shuffled
sentence of 14 words and 440 ms for an edited one of 70. Here the candidates of a round are measured together.

The work for a pair is bounded: rounds end after 1,000 candidates, or once 200,000 words of a hypothesis have been read.
Each round lowers the distance, so a pair of up to 447 words never reaches the second bound.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import lib_ter
from sacrebleu.metrics.ter import TER

tercom: Any = lib_ter  # as Any, because its type hints demand strings and words are numbers here
_FAR = np.int32(1 << 20)
_NEVER = 1 << 40
MAX_WORDS_READ = 200_000  # words of one hypothesis, over all rounds of the search for shifts
_FEW = 4  # up to this number of candidates, measuring one after the other is faster


def band(row: int, n_rows: int, n_columns: int) -> tuple[int, int]:
    """The columns [first, last) of a row of the edit matrix that are inside the beam around the diagonal."""
    ratio = n_columns / n_rows
    width = math.ceil(ratio / 2 + tercom._BEAM_WIDTH) if ratio / 2 > tercom._BEAM_WIDTH else tercom._BEAM_WIDTH
    diagonal = math.floor(row * ratio)
    last = n_columns + 1 if row == n_rows else min(n_columns + 1, diagonal + width)
    return max(0, diagonal - width), last


def edit_distances(hypotheses: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Beam-limited Levenshtein distances (C,) int32. hypotheses: (C, H) int32; reference: (R,) int32.

    The rows of the edit matrix are computed one after the other, for all C hypotheses at once. Insertions,
    d[j] = min_k (d[k] + j - k), are a running minimum of d[k] - k. Only two rows are kept. Only their columns inside
    the beam are written, because the others never have a smaller distance.
    """
    n_candidates, n_rows = hypotheses.shape
    words = np.ascontiguousarray(hypotheses.T)  # (H, C)
    columns = np.arange(len(reference) + 1, dtype=np.int32)[:, None]
    previous: np.ndarray = np.repeat(columns, n_candidates, axis=1)  # (R + 1, C)
    rows = [np.full_like(previous, _FAR) for _ in range(2)]
    for row in range(1, n_rows + 1):
        first, last = band(row, n_rows, len(reference))
        current = rows[row % 2]
        if first:
            current[first - 1] = _FAR  # it was inside the beam two rows ago
        inside = current[first:last]
        np.add(previous[first:last], 1, out=inside)
        start = max(first, 1)
        differs = reference[start - 1 : last - 1, None] != words[row - 1]
        np.minimum(current[start:last], previous[start - 1 : last - 1] + differs, out=current[start:last])
        inside -= columns[first:last]
        np.minimum.accumulate(inside, axis=0, out=inside)
        inside += columns[first:last]
        previous = current
    distances: np.ndarray = previous[-1]
    return distances


def distance_and_trace(words: Sequence[int], reference: Sequence[int]) -> tuple[int, str]:
    """The beam-limited Levenshtein distance and its edits, equal to those of `lib_ter.BeamEditDistance`.

    That class keeps a row as long as the reference for every prefix that it has seen: 1.6 GB and a quarter of a minute
    for a text of 20,000 words. Here a row is as wide as the beam. At equal costs, substitution precedes deletion, and
    deletion precedes insertion.
    """
    first, costs = 0, list(range(len(reference) + 1))
    rows: list[tuple[int, str]] = [(0, tercom._OP_INS * len(costs))]
    for row, word in enumerate(words, 1):
        start, last = band(row, len(words), len(reference))
        found, edits, left = [], [], _NEVER
        for column in range(start, last):
            place = column - first
            up = costs[place] + 1 if place < len(costs) else _NEVER
            best, edit = up, tercom._OP_DEL
            if column:
                same = word == reference[column - 1]
                diagonal = (costs[place - 1] if 0 < place <= len(costs) else _NEVER) + (not same)
                if diagonal <= best:
                    best, edit = diagonal, tercom._OP_NOP if same else tercom._OP_SUB
                if left + 1 < best:
                    best, edit = left + 1, tercom._OP_INS
            left = best
            found.append(best)
            edits.append(edit)
        first, costs = start, found
        rows.append((start, "".join(edits)))
    return costs[-1], _trace(rows, len(words), len(reference))


def _trace(rows: Sequence[tuple[int, str]], row: int, column: int) -> str:
    """The edits from the first cell to the last. rows: the first column inside the beam, and each cell's edit."""
    backwards = []
    while row or column:
        first, edits = rows[row]
        edit = edits[column - first]
        backwards.append(edit)
        row -= edit != tercom._OP_INS
        column -= edit != tercom._OP_DEL
    return "".join(reversed(backwards))


def matching_runs(
    words: Sequence[int],
    reference: Sequence[int],
    errors: Sequence[int] | None = None,
    reference_errors: Sequence[int] | None = None,
) -> Iterator[tuple[int, int, int]]:
    """(start, reference_start, length) of all equal runs of up to 10 words, at most 50 places apart.

    They come in the order of `lib_ter._find_shifted_pairs`, which compares all words with all words. errors,
    reference_errors: one flag per word; if given, only runs with an error in both texts are returned.
    """
    to_error, reference_to_error = _steps_to_error(errors, words), _steps_to_error(reference_errors, reference)
    places: dict[int, list[int]] = {}
    for place, word in enumerate(reference):
        if reference_to_error[place] < tercom._MAX_SHIFT_SIZE:
            places.setdefault(word, []).append(place)
    for start, word in enumerate(words):
        if to_error[start] >= tercom._MAX_SHIFT_SIZE:
            continue
        found = places.get(word, [])
        near = bisect_left(found, start - tercom._MAX_SHIFT_DIST), bisect_right(found, start + tercom._MAX_SHIFT_DIST)
        for reference_start in found[slice(*near)]:
            shortest = max(to_error[start], reference_to_error[reference_start]) + 1
            longest = min(tercom._MAX_SHIFT_SIZE, len(words) - start, len(reference) - reference_start)
            for length in range(1, longest + 1):
                if words[start + length - 1] != reference[reference_start + length - 1]:
                    break
                if length >= shortest:
                    yield start, reference_start, length


def _steps_to_error(errors: Sequence[int] | None, words: Sequence[int]) -> list[int]:
    """For each word, the distance to the next word with an error; 0 everywhere if errors is None."""
    if errors is None:
        return [0] * len(words)
    steps, distance = [0] * len(words), tercom._MAX_SHIFT_SIZE
    for place in range(len(words) - 1, -1, -1):
        distance = 0 if errors[place] else distance + 1
        steps[place] = distance
    return steps


def _shifts(words: Sequence[int], reference: Sequence[int], trace: str, tried: int) -> Iterator[tuple[int, int, int]]:
    """(start, length, target) of Tercom's candidate shifts, in its order, until 1,000 in all rounds have been tried."""
    align, reference_errors, errors = tercom.trace_to_alignment(trace)
    for start, reference_start, length in matching_runs(words, reference, errors, reference_errors):
        if start <= align[reference_start] < start + length:
            continue
        previous = -1
        for offset in range(-1, length):
            if reference_start + offset == -1:
                target = 0
            elif reference_start + offset in align:
                target = align[reference_start + offset] + 1
            else:
                break
            if target != previous:
                previous = target
                tried += 1
                yield start, length, target
        if tried >= tercom._MAX_SHIFT_CANDIDATES:
            return


def edit_rate(hypothesis: list[str], reference: list[str]) -> tuple[int, int]:
    """(edits, words of the reference); equals `sacrebleu.metrics.lib_ter.translation_edit_rate`."""
    if not reference:
        return len(hypothesis), 0
    vocabulary = {word: i for i, word in enumerate(sorted({*hypothesis, *reference}))}  # sorted, because it breaks ties
    words = [vocabulary[w] for w in hypothesis]
    target = [vocabulary[w] for w in reference]
    target_array = np.array(target, dtype=np.int32)
    n_shifts = n_tried = n_read = 0
    while True:
        distance, trace = distance_and_trace(words, target)
        n_read += len(words)
        if distance == 0 or n_read > MAX_WORDS_READ:
            return n_shifts + distance, len(reference)
        candidates = list(_shifts(words, target, tercom._flip_trace(trace), n_tried))
        n_tried += len(candidates)
        if not candidates or n_tried >= tercom._MAX_SHIFT_CANDIDATES:
            return n_shifts + distance, len(reference)
        shifted = [tercom._perform_shift(words, *candidate) for candidate in candidates]
        if len(shifted) <= _FEW:
            distances = [distance_and_trace(candidate, target)[0] for candidate in shifted]
        else:
            distances = edit_distances(np.array(shifted, dtype=np.int32), target_array).tolist()
        ranked = zip(distances, candidates, shifted, strict=True)
        best, _, _, _, words_after = max((distance - d, n, -s, -t, w) for d, (s, n, t), w in ranked)
        if best <= 0:
            return n_shifts + distance, len(reference)
        n_shifts += 1
        words = words_after


class FastTER(TER):
    """sacrebleu's TER with `edit_rate` instead of its own search."""

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: dict[str, Any]) -> list[float]:
        edits, lengths = zip(*(edit_rate(hypothesis.split(), words) for words in ref_kwargs["ref_words"]), strict=True)
        return [min(edits), sum(lengths) / len(lengths)]
