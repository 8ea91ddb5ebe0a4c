"""Which files a run reads: what its digest and its manifest cover.

Models and data, and what the arguments of its components name: a file, or a directory where the argument is one by its
own name ("lexicon_dir") or by its value ("lists/de"). An argument that says it is written ("log_file") is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.reader import join
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError

_PATH_KEYS = frozenset({"model_name", "tokenizer_id", "data_dir", "chat_template", "idf", "start_file", "spice_dir"})
_WRITTEN = ("log", "out", "output", "save", "cache", "dump", "tmp")  # words of a key whose file the run writes
_PLACES = ("path", "dir", "directory", "folder", "file", "files", "data", "model")


def local_inputs(config: RunConfig) -> list[Path]:
    """Directories and files that the configuration names and that exist here, sorted; hub ids are left out."""
    named = {Path(name) for _, name in _named(config.to_dict(), "")}
    return sorted({path for path in named if path.exists()} | set(argument_files(config)))


def argument_files(config: RunConfig) -> list[Path]:
    """Files and directories that exist here and that an argument of a component names, sorted."""
    return sorted({Path(text) for key, text in _arguments(config.to_dict(), "", False) if _is_read(key, text)})


def _is_read(key: str, text: str) -> bool:
    words = key.lower().split("_")
    if not text or "\0" in text or len(text) > 4096 or not {*words}.isdisjoint(_WRITTEN):
        return False
    path = Path(text)
    try:
        is_place = "/" in text or not {*words}.isdisjoint(_PLACES)
        return path.is_file() or (is_place and path.is_dir())
    except OSError:  # too long a name: a text, not a path
        return False


def _arguments(section: Any, key: str, inside: bool) -> Iterator[tuple[str, str]]:
    """(key, value) of every text among the arguments of components."""
    if isinstance(section, str) and inside:
        yield key, section
    elif isinstance(section, Mapping):
        for name, value in section.items():
            yield from _arguments(value, str(name), inside or name == "args")
    elif isinstance(section, list):
        for item in section:
            yield from _arguments(item, key, inside)


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
