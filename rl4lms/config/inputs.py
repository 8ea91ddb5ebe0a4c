"""Which files a run reads: what its digest and its manifest cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError

_PATH_KEYS = frozenset({"model_name", "tokenizer_id", "data_dir"})


def local_inputs(config: RunConfig) -> list[Path]:
    """Directories and files that the configuration names and that exist here, sorted; hub ids are left out."""
    named = {Path(name) for name in _named(config.to_dict())}
    return sorted(path for path in named if path.exists())


def check_paths(config: RunConfig, source: str) -> None:
    """Raises ConfigError for a path that does not exist: a `data_dir`, or a model named by an absolute or ./ path."""
    for name in _named(config.to_dict()):
        if name.startswith(("/", "./", "../", "~")) and not Path(name).exists():
            raise ConfigError(f"{source}: {name}: no such file or directory.")
    data_dir = config.datapool.args.get("data_dir")
    if data_dir is not None and not Path(data_dir).exists():
        raise ConfigError(f"{source}: datapool.args.data_dir: {data_dir}: no such directory.")


def _named(section: Any) -> Iterator[str]:
    if isinstance(section, Mapping):
        for key, value in section.items():
            if key in _PATH_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _named(value)
    elif isinstance(section, list):
        for item in section:
            yield from _named(item)
