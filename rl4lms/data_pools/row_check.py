"""Does a row have the published columns? One complaint, naming the column, or None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rl4lms.data_pools.dataset import DataSet, Partial, Row

_NAMES = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object"
}  # fmt: skip


def complaint(row: Any, dataset: DataSet) -> str | None:
    """Missing column, wrong type at any depth, or columns that do not fit together."""
    if not isinstance(row, dict):
        return f"expected an object, found {type(row).__name__}"
    missing = [name for name in dataset.required if name not in row]
    if missing:
        return f"missing column {', '.join(missing)}; found {', '.join(map(str, row)) or 'none'}"
    return cells_complaint(row, dataset) or (dataset.check(row) if dataset.check else None)


def cells_complaint(row: Row, dataset: DataSet) -> str | None:
    """A published column that is there and of the wrong type, at any depth."""
    for name, shape in dataset.shape.items():
        if name in row and (row[name] is not None or name not in dataset.optional):
            wrong = _mismatch(row[name], shape)
            if wrong:
                return f"column {name}{wrong}"
    return None


def published_row(row: Row, dataset: DataSet) -> Row:
    """The published columns of a row, in published order; other columns are left out."""
    return {name: row[name] for name in dataset.shape if name in row}


def _mismatch(value: Any, shape: Any) -> str | None:
    """'' path parts are appended on the way out: ' [3]: expected text, found int'. shape: see `DataSet.shape`."""
    if isinstance(shape, tuple):
        fitting = [each for each in shape if _kind(each) is type(value)]
        expected = " or ".join(_NAMES[_kind(each)] for each in shape)
        return _mismatch(value, fitting[0]) if fitting else f": expected {expected}, found {type(value).__name__}"
    found: type = type(value)
    if found is not _kind(shape):
        return f": expected {_NAMES[_kind(shape)]}, found {found.__name__}"
    if isinstance(shape, list):
        wrong = ((f"[{index}]", _mismatch(item, shape[0])) for index, item in enumerate(value))
    elif isinstance(shape, Mapping):
        missing = next((name for name in shape if name not in value and not isinstance(shape, Partial)), None)
        if missing is not None:
            return f": missing key {missing}"
        wrong = ((f".{name}", _mismatch(value[name], inner)) for name, inner in shape.items() if name in value)
    else:
        return _unfit(value)
    return next((place + complaint for place, complaint in wrong if complaint), None)


def _kind(shape: Any) -> type:
    return shape if isinstance(shape, type) else list if isinstance(shape, list) else dict


def _unfit(value: Any) -> str | None:
    """What is wrong with a cell of the right type: text that no file in UTF-8 can hold, a number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return f": expected a finite number, found {value}"
    try:
        whole = not isinstance(value, str) or value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        whole = False
    return None if whole else ": expected text, found half a character (a lone surrogate) in it"
