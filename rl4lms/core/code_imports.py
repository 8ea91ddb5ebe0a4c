"""What a piece of Python code rests on: the globals that it reads, the modules that it imports, and whose those are."""

from __future__ import annotations

import ast
import dis
import importlib.util
import itertools
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = ("site-packages", "dist-packages")
_STANDARD = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib"))


def is_local(module: str, file: str | None) -> bool:
    """Whether code is the user's: neither this package's, nor the standard library's, nor installed."""
    if file is None:
        return module == "__main__" or (module not in sys.builtin_module_names and module not in sys.modules)
    path = Path(file).resolve()
    installed = any(part in INSTALLED for part in path.parts) or path.is_relative_to(_PACKAGE)
    return not installed and not any(path.is_relative_to(root) for root in _STANDARD) and not file.startswith("<")


def globals_read(code: types.CodeType) -> Iterator[tuple[str, ...]]:
    """(name, attribute, attribute ...) of every global that code reads, functions within it included, each once."""
    found: dict[tuple[str, ...], None] = {}
    for each in _with_inner(code):
        chain: list[str] = []
        for step in itertools.chain(dis.get_instructions(each), [None]):
            if step is not None and chain and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                chain.append(step.argval)
                continue
            if chain:
                found[tuple(chain)] = None
            reads = step is not None and step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
            chain = [step.argval] if step is not None and reads else []
    return iter(found)


def modules_of_code(code: types.CodeType, package: str | None) -> Iterator[str]:
    """The modules that code imports when it runs, by absolute name, and what is imported from them where a module."""
    for each in _with_inner(code):
        before: list[Any] = [None, None]
        for step in dis.get_instructions(each):
            if step.opname == "IMPORT_NAME":
                level, names = before
                yield from _resolved(step.argval, level or 0, names or (), package)
            if step.opname == "LOAD_CONST":
                before = [before[1], step.argval]


def modules_of_source(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _resolved(alias.name, 0, (), package)
        elif isinstance(node, ast.ImportFrom):
            yield from _resolved(node.module or "", node.level, [alias.name for alias in node.names], package)


def _resolved(name: str, level: int, names: Any, package: str | None) -> Iterator[str]:
    if level:
        parents = (package or "").split(".")
        name = ".".join(part for part in [*parents[: len(parents) - level + 1], name] if part)
    for end in range(1, name.count(".") + 2):  # importing a.b runs a as well
        yield ".".join(name.split(".")[:end])
    for inner in names:
        if file_of(f"{name}.{inner}" if name else inner) is not None:
            yield f"{name}.{inner}" if name else inner


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_inner(constant)


def file_of(module: str) -> Path | None:
    """The source file of a module, imported or not; None for one without."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return None if file is None else Path(file)
    parent = module.rpartition(".")[0]
    if not module or (parent and (parent not in sys.modules or not is_local_module(parent))):
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if spec is None or not spec.has_location or spec.origin is None else Path(spec.origin)


def is_local_module(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and is_local(name, getattr(module, "__file__", None))


def found_as(module: str | None, qualname: str) -> Any:
    """What a module has under a name, or None."""
    value: Any = sys.modules.get(module or "")
    for part in qualname.split("."):
        value = getattr(value, part, None)
    return value


def named_version(module: str) -> str:
    """The name of a module that is not the user's, with the version of its package."""
    top = sys.modules.get(module.partition(".")[0])
    return f"{module} {getattr(top, '__version__', '')}"
