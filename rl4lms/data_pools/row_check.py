"""Does a row have the published columns? One complaint, naming the column, or None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl4lms.data_pools.published import DataSet, Row

_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}


def complaint(row: Any, dataset: DataSet) -> str | None:
    """Missing column, wrong type at any depth, or columns that do not fit together."""
    if not isinstance(row, dict):
        return f"expected an object, found {type(row).__name__}"
    missing = [name for name in dataset.required if name not in row]
    if missing:
        return f"missing column {', '.join(missing)}; found {', '.join(map(str, row)) or 'none'}"
    for name, shape in dataset.shape.items():
        if name in row and (row[name] is not None or name not in dataset.optional):
            wrong = _mismatch(row[name], shape)
            if wrong:
                return f"column {name}{wrong}"
    return dataset.check(row) if dataset.check else None


def published_row(row: Row, dataset: DataSet) -> Row:
    """The published columns of a row, in published order; other columns are left out."""
    return {name: row[name] for name in dataset.shape if name in row}


def _mismatch(value: Any, shape: Any) -> str | None:
    """'' path parts are appended on the way out: ' [3]: expected text, found int'. shape: see `DataSet.shape`."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f": expected {_NAMES[list]}, found {type(value).__name__}"
        for index, item in enumerate(value):
            wrong = _mismatch(item, shape[0])
            if wrong:
                return f"[{index}]{wrong}"
        return None
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return f": expected {_NAMES[dict]}, found {type(value).__name__}"
        for name, inner in shape.items():
            if name not in value:
                return f": missing key {name}"
            wrong = _mismatch(value[name], inner)
            if wrong:
                return f".{name}{wrong}"
        return None
    if isinstance(value, shape) and not (shape is int and isinstance(value, bool)):
        return None
    return f": expected {_NAMES[shape]}, found {type(value).__name__}"
