"""Which files a run reads: what its digest and its manifest cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.reader import join
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError

_PATH_KEYS = frozenset({"model_name", "tokenizer_id", "data_dir"})


def local_inputs(config: RunConfig) -> list[Path]:
    """Directories and files that the configuration names and that exist here, sorted; hub ids are left out."""
    named = {Path(name) for _, name in _named(config.to_dict(), "")}
    return sorted(path for path in named if path.exists())


def check_paths(config: RunConfig, source: str) -> None:
    """Raises ConfigError for a path that does not exist: a `data_dir`, or a model named by an absolute or ./ path."""
    for key, name in _named(config.to_dict(), ""):
        is_path = key.endswith("data_dir") or name.startswith(("/", "./", "../", "~"))
        if is_path and not Path(name).exists():
            raise ConfigError(f"{source}: {key}: {name}: no such file or directory.")


def _named(section: Any, path: str) -> Iterator[tuple[str, str]]:
    """(key path, value) of everything that names a model or data."""
    if isinstance(section, Mapping):
        for key, value in section.items():
            if key in _PATH_KEYS and isinstance(value, str):
                yield join(path, key), value
            else:
                yield from _named(value, join(path, key))
    elif isinstance(section, list):
        for i, item in enumerate(section):
            yield from _named(item, f"{path}[{i}]")
