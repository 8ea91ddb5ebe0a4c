"""Reading YAML: the 1.2 core rules for scalars, no duplicate keys, and errors that name file and line.

PyYAML follows YAML 1.1, where `1e-05` is a string, `yes` a boolean and `010` eight. DVC writes and reads 1.2; so do we.
Values are those of JSON, for a resolved configuration is written as JSON: no dates, sets or binary data. A file is
bounded in size, depth and what its aliases unfold to, so that none keeps the reader busy for long.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from typing import Any

import yaml

from rl4lms.config.reader import show
from rl4lms.core.errors import ConfigError

try:
    from yaml import CSafeLoader as _SafeLoader  # twenty times faster
except ImportError:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 100_000  # keys, values and collections, each alias counted as what it stands for
LONG_TEXT = 50  # characters of a text that count as one value
MAX_DIGITS = 100  # of an integer

_WAY_OUT = "name a file of data in an argument instead"
_TAG = "tag:yaml.org,2002:"
_JSON = ("null", "bool", "int", "float", "str", "seq", "map")


class CoreLoader(_SafeLoader):
    """SafeLoader with the scalar rules of YAML 1.2's core schema, and its tags alone."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's class attribute
    yaml_constructors = {  # noqa: RUF012 - PyYAML's class attribute
        **{_TAG + name: _SafeLoader.yaml_constructors[_TAG + name] for name in _JSON},
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the parent, whose constructors raise whatever Python does for `!!int abc`."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError):
            kind = node.tag.removeprefix(_TAG)
            found = show(node.value) if isinstance(node, yaml.ScalarNode) else f"a {_kind(node)}"
            raise yaml.constructor.ConstructorError(None, None, f"{found} is no {kind}", node.start_mark) from None

    def construct_core_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        if len(text) > MAX_DIGITS:
            problem = f"an integer of {len(text)} digits, expected at most {MAX_DIGITS}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(text, 0) if text.startswith(("0x", "0o")) else int(text)

    def construct_other(self, node: yaml.Node) -> Any:
        problem = f"unknown tag {show(node.tag.removeprefix(_TAG))}; values are text, numbers, true, false, null, "
        raise yaml.constructor.ConstructorError(None, None, problem + "lists and mappings", node.start_mark)


_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
)
for _name, _pattern, _first in _SCALARS:
    _starts = ["" if c == "\0" else c for c in _first]
    CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _starts)
CoreLoader.add_constructor(_TAG + "int", CoreLoader.construct_core_int)
CoreLoader.add_constructor(None, CoreLoader.construct_other)


def load_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigError naming the file, and the line of what is broken."""
    try:
        with open(path, "rb") as f:
            content = f.read(MAX_BYTES + 1)
        value = parse_yaml(content.decode("utf-8-sig"), str(path), len(content))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a directory, expected a YAML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}).") from None
    if not isinstance(value, dict):
        raise ConfigError(
            f"{path}: expected a mapping of keys, found {'nothing' if value is None else type(value).__name__}."
        )
    return value


def parse_yaml(text: str, source: str, n_bytes: int | None = None) -> Any:
    """The value of a YAML text. Raises ConfigError that begins with `source`, and names the line of what is broken."""
    try:
        return _load(text, len(text.encode(errors="replace")) if n_bytes is None else n_bytes)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}{_position(error)}: not valid YAML ({_problem(error)}).") from None


def _load(text: str, n_bytes: int) -> Any:
    """The value of a YAML text. Raises YAMLError, and for a text that is out of bounds."""
    if n_bytes > MAX_BYTES:
        raise yaml.MarkedYAMLError(problem=f"more than {MAX_BYTES:,} bytes; that is no configuration")
    _check_nesting(text)
    loader = CoreLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_unfolded(node)
        _check_keys(node, loader)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_nesting(text: str) -> None:
    """Raises YAMLError for a text that is nested too deeply or has too many parts; nothing is built for that."""
    depth = n_nodes = 0
    for event in yaml.parse(text, Loader=CoreLoader):
        mark: Any = event.start_mark
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        n_nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        if n_nodes > MAX_NODES:
            problem = f"more than {MAX_NODES:,} keys and values; {_WAY_OUT}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _check_unfolded(root: yaml.Node) -> None:
    """Raises YAMLError where aliases unfold to too much or too deep, or lead back to themselves."""
    sizes: dict[int, tuple[int, int]] = {}  # node -> (size, depth) of it and all below, each alias unfolded
    open_nodes: set[int] = set()

    def measure(node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value) // LONG_TEXT, 1
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in open_nodes:
            problem = "an alias that leads back to itself"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        open_nodes.add(id(node))
        is_mapping = isinstance(node, yaml.MappingNode)
        children = [part for pair in node.value for part in pair] if is_mapping else node.value
        below = [measure(child) for child in children]
        open_nodes.remove(id(node))
        size, depth = 1 + sum(n for n, _ in below), 1 + max((d for _, d in below), default=0)
        if size > MAX_NODES or depth > MAX_DEPTH + 1:
            problem = f"aliases that unfold to more than {MAX_NODES:,} values or {MAX_DEPTH} levels; {_WAY_OUT}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        sizes[id(node)] = size, depth
        return size, depth

    measure(root)


def _check_keys(root: yaml.Node, loader: CoreLoader) -> None:
    """Raises YAMLError for a key that is there twice or is no scalar: before merges, which add keys to the nodes."""
    seen: set[int] = set()  # nodes, for an alias is the node that it stands for
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_keys_of(node, loader)
            waiting += [value for _, value in reversed(node.value)]
        else:
            waiting += reversed(node.value)


def _check_keys_of(node: yaml.MappingNode, loader: CoreLoader) -> None:
    keys: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == f"{_TAG}merge":
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            problem = f"a {_kind(key_node)} as a key, expected text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if key in keys:
            raise yaml.MarkedYAMLError(problem=f"duplicate key {show(key)}", problem_mark=key_node.start_mark)
        keys.add(key)


def _kind(node: yaml.Node) -> str:
    return "mapping" if isinstance(node, yaml.MappingNode) else "sequence"


def _position(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _problem(error: yaml.YAMLError) -> str:
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    return problem if len(problem) <= 200 else f"{problem[:197]}..."
