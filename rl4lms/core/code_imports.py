"""What a piece of Python code rests on: the globals that it reads, the modules that it imports, and whose those are."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import importlib.metadata
import importlib.util
import itertools
import re
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms.core.io import sha256_file

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = ("site-packages", "dist-packages")
_STANDARD = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib"))


_LIBRARIES = ("torch", "transformers", "tokenizers", "stable_baselines3", "gymnasium", "datasets", "evaluate", "numpy",
              "sacrebleu", "pandas", "pyarrow", "scipy", "sklearn", "nltk", "spacy", "peft")  # fmt: skip
_followed: set[str] = set()  # installed packages of the user's: what is registered is of them


def follow(module: str | None) -> None:
    """Take the package of what a user registered for the user's own, wherever it is installed; not a great library."""
    top = (module or "").partition(".")[0]
    if top and top not in sys.stdlib_module_names and top not in _LIBRARIES:
        _followed.add(top)


def module_of(entry: Any) -> str | None:
    """The module that a registered class, function or instance is of."""
    return getattr(entry, "__module__", None) or type(entry).__module__


def is_local(module: str, file: str | None) -> bool:
    """Whether code is the user's: neither this package's, nor the standard library's, nor installed as a library."""
    if file is None:
        return module == "__main__" or (module not in sys.builtin_module_names and module not in sys.modules)
    path = Path(file).resolve()
    if path.is_relative_to(_PACKAGE) or file.startswith("<"):
        return False
    if any(part in INSTALLED for part in path.parts):
        return module.partition(".")[0] in _followed
    return not any(path.is_relative_to(root) for root in _STANDARD)


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


def source_of(reference: str, directory: Path) -> Path | None:
    """The file of a module or path, with or without ":attribute", in the working directory or `directory`, or None."""
    name = reference.partition(":")[0]
    if not re.fullmatch(r"\w+(\.\w+)*|[^\s:]+\.py", name):
        return None
    forms = [name] if name.endswith(".py") else [f"{name.replace('.', '/')}{end}" for end in (".py", "/__init__.py")]
    return next((root / form for root in (Path(), directory) for form in forms if (root / form).is_file()), None)


def is_local_module(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and is_local(name, getattr(module, "__file__", None))


def found_as(module: str | None, qualname: str) -> Any:
    """What a module has under a name, or None."""
    value: Any = sys.modules.get(module or "")
    for part in qualname.split("."):
        value = getattr(value, part, None)
    return value


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def named_version(module: str) -> str:
    """The name of a module that is not the user's, with the version of its package, or else the digest of its file."""
    name = module.partition(".")[0]
    top = sys.modules.get(name)
    if name in sys.stdlib_module_names or name == _PACKAGE.name:
        return f"{module} {getattr(top, '__version__', '')}"
    versions = []
    for each in sorted(set(_distributions().get(name, ()))):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(importlib.metadata.version(each))
    version = getattr(top, "__version__", None) if not versions else None
    if not versions and not isinstance(version, str):
        file = file_of(module)
        version = sha256_file(file) if file is not None and file.is_file() else ""
    return f"{module} {', '.join(versions) or version}"
