"""The first-party imports of rl4lms, read from its sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rl4lms.core import tables
from rl4lms.core.registry import Registry

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Import:
    """`importer` imports the module `imported`; deferred: inside a function."""

    importer: str
    imported: str
    line: int
    deferred: bool

    def __str__(self) -> str:
        return f"{path_of(self.importer)}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Name -> source of every module of the package."""
    found = {}
    for path in sorted((ROOT / "rl4lms").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def path_of(module: str) -> str:
    return str(modules()[module].relative_to(ROOT))


def package_of(module: str) -> str:
    """The floor's package, "cli" of rl4lms.cli.main; "" for the package itself and its __main__."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "rl4lms" / parts[1]).is_dir() else ""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports of rl4lms; `from package import name` imports the module `package.name` where it is one."""
    return tuple(_walk(module, tree(module), deferred=False))


def _walk(module: str, node: ast.AST, deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        names: list[str] = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            inner = [f"{child.module}.{alias.name}" for alias in child.names]
            names = [name if name in modules() else child.module for name in inner]
        for name in dict.fromkeys(names):
            if name in modules():
                yield Import(module, name, getattr(child, "lineno", 0), deferred)
        yield from _walk(
            module, child, deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        )


@cache
def registry_modules() -> dict[str, frozenset[str]]:
    """Registry class -> modules that it loads by name."""
    found = {}
    for name, value in vars(tables).items():
        table = getattr(value, "table", None)
        if isinstance(table, Registry):
            entries = (entry for entry in table._entries.values() if isinstance(entry, str))
            found[name] = frozenset(entry.partition(":")[0] for entry in entries)
    return found


def loaded_by_registry(module: str) -> set[str]:
    """Modules that a module may load through a registry: all of the table whose `get` or `load` it calls."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "load"):
            registry = ast.unparse(node.func.value).removesuffix(".table")
            found |= registry_modules().get(registry, frozenset())
    return found & modules().keys()


def closure(module: str) -> set[str]:
    """All modules that running `module` may import, itself included."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [each.imported for each in imports(name)]
            todo += loaded_by_registry(name)
    return seen
