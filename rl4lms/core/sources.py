"""Which sources of this package a module rests on: those that it imports, and those that it loads by name.

A registry's rows are texts ("module:attribute"), so no import shows them: whoever calls a registry's `get` or `load`
rests on its rows, of which only those count whose ids are asked for. Nothing is imported to find this out.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from rl4lms.core.io import sha256_file

PACKAGE = Path(__file__).resolve().parents[1]
_FOR_TYPES = re.compile(r"^if (?:typing\.)?TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)+", re.MULTILINE)
# A statement that is quoted in a docstring counts as well: one module too many does no harm, one too few would.
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.+))", re.MULTILINE)
_LOADS = re.compile(r"\b([A-Z_]\w*)(?:\.table)?\.(?:get|load)\(")
_NAMING = re.compile(r"""Registry\(|import_module\(|["'][\w.{}]+:\w+["']""")
_ANY = "\0"  # the part of a text that is only known when the program runs


class Row(NamedTuple):
    """A row of a registry. name: its id; None where it has none that could be asked for."""

    name: str | None
    module: str


class _Module(NamedTuple):
    """What the text of a module says. loads: names whose `get` or `load` it calls. tables: registries it defines."""

    imports: set[str]
    loads: set[str]
    tables: dict[str, list[Row]]


class Sources:
    """The modules and data files of a package, read once. package: its directory."""

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package
        self._texts: dict[str, str] = {}
        self._digests: dict[Path, str] = {}
        self._read: dict[str, _Module] = {}

    @cached_property
    def _files(self) -> list[Path]:
        """Every file of the package but compiled ones."""
        files = (path for path in self.package.rglob("*") if "__pycache__" not in path.parts and path.is_file())
        return sorted(path for path in files if path.suffix not in (".pyc", ".pyo"))

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Name -> source of every module."""
        names = {}
        for path in self._files:
            if path.suffix == ".py":
                parts = path.relative_to(self.package.parent).with_suffix("").parts
                names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return names

    def digest(self, modules: Iterable[str], named: Collection[str] = (), front: Collection[str] = ()) -> str:
        """sha256 over the sources and data files that `modules` rest on, by name and bytes; see `closure`."""
        closure = self.closure(modules, named, front)
        return self._digest_of({self.modules[name] for name in closure} | set(self._data(closure)))

    def digest_of_all(self) -> str:
        """sha256 over every file of the package."""
        return self._digest_of(self._files)

    def _digest_of(self, paths: Iterable[Path]) -> str:
        digest = hashlib.sha256()
        for path in sorted(paths):
            if path not in self._digests:
                self._digests[path] = sha256_file(path)
            digest.update(f"{path.relative_to(self.package).as_posix()}\0{self._digests[path]}\n".encode())
        return digest.hexdigest()

    def closure(self, modules: Iterable[str], named: Collection[str] = (), front: Collection[str] = ()) -> set[str]:
        """Every module that running `modules` may import, themselves included.

        named: the texts by which rows of registries may be asked for. A registry of which none is named counts whole.
        front: modules that lead to one of `modules` by its name. What they import counts, what they load does not.
        """
        seen, loads, tables = set[str](), set[str](), dict[str, list[Row]]()
        todo = [*modules, *front]
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                module = self._module(name)
                todo += module.imports
                tables |= module.tables
                loads |= set() if name in front else module.loads
            if not todo:
                rows = (row for table in loads & tables.keys() for row in _asked_for(tables[table], named))
                todo = [row.module for row in rows if row.module not in seen]
        return seen

    def _module(self, name: str) -> _Module:
        if name not in self._read:
            text = self._text(name)
            names_some = "." in name and _NAMING.search(text)  # the package's own face is a table of all that it has
            tables = self._tables(name, ast.parse(text)) if names_some else {}
            self._read[name] = _Module(self._imports(name), {f"{name} ", *_LOADS.findall(text)}, tables)
        return self._read[name]

    def _imports(self, name: str) -> set[str]:
        """The modules of the package that one imports, and the packages that hold them, whose `__init__` runs first."""
        package = name if self.modules[name].name == "__init__.py" else name.rpartition(".")[0]
        found = set()
        for source, names, whole in _IMPORT.findall(_FOR_TYPES.sub("", self._text(name))):
            base = source
            if source.startswith("."):
                inner = source.lstrip(".")
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) + 1 - (len(source) - len(inner))], *inner.split()])
            listed = [word.split() for word in (names or whole).strip("()").split(",")]
            imported = [f"{base}.{words[0]}" if base else words[0] for words in listed if words]
            for each in [base, *imported]:
                parts = each.split(".")
                found |= {".".join(parts[: n + 1]) for n in range(len(parts))}
        return found & self.modules.keys()

    def _text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self.modules[name].read_text(encoding="utf-8")
        return self._texts[name]

    def _tables(self, name: str, tree: ast.Module) -> dict[str, list[Row]]:
        """Registries by name; what a class names besides is its own table's, what a module names is "<module> "."""
        texts = {"__name__": name, "__package__": name.rpartition(".")[0]}
        tables: dict[str, list[Row]] = {}
        for node in tree.body:
            targets = getattr(node, "targets", [])
            if targets and isinstance(targets[0], ast.Name):
                texts[targets[0].id] = _text_of(getattr(node, "value", node), texts)
            calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
            registries = [call for call in calls if _called(call) == "Registry"]
            owner = getattr(node, "name", None) or ast.unparse(targets[0]) if registries else f"{name} "
            rows = tables.setdefault(owner, [])
            inner = {each for call in registries for each in ast.walk(call)}
            for call in calls:
                if call in registries:
                    rows += self._rows_in(call, texts)
                elif call not in inner:
                    given = (_text_of(each, texts) for each in [*call.args, *(pair.value for pair in call.keywords)])
                    whole = _called(call) == "import_module"
                    rows += [row for text in given if whole or ":" in text for row in self._rows_of(None, text)]
        return tables

    def _rows_in(self, call: ast.Call, texts: dict[str, str]) -> list[Row]:
        """The rows that stand in the call of a registry: under the key of a dict, or anywhere else in it."""
        rows: list[Row] = []
        for each in ast.walk(call):
            pairs = zip(each.keys, each.values, strict=True) if isinstance(each, ast.Dict) else ()
            for key, value in pairs:
                id_ = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
                rows += [row for inner in ast.walk(value) for row in self._rows_of(id_, _text_of(inner, texts))]
        if not rows:
            rows = [row for inner in ast.walk(call) for row in self._rows_of(None, _text_of(inner, texts))]
        return rows

    def _rows_of(self, id_: str | None, text: str) -> list[Row]:
        """The modules that a text may name; one that is made up as the program runs names many, each its own row."""
        path = text.partition(":")[0]
        if path in self.modules:
            return [Row(id_, path)]
        if _ANY not in path or not path.startswith(f"{self.package.name}."):
            return []
        pattern = re.compile(re.escape(path).replace(_ANY, r"(\w+)"))
        matches = ((pattern.fullmatch(module), module) for module in self.modules)
        return [Row(match.group(1), module) for match, module in matches if match]

    def _data(self, closure: set[str]) -> Iterator[Path]:
        """The files that are no modules, as templates and word lists: those beside a module of the closure.

        One that modules name, itself or its folder, counts only if one of these is in the closure as well.
        """
        homes = {self.modules[name].parent for name in closure}
        for path, home, readers in self._data_files:
            if home in homes and (not readers or not readers.isdisjoint(closure)):
                yield path

    @cached_property
    def _data_files(self) -> list[tuple[Path, Path, set[str]]]:
        """(file, the nearest directory with modules, the modules that name it)."""
        directories = {path.parent for path in self.modules.values()}
        readers: dict[str, set[str]] = {}
        found = []
        for path in (path for path in self._files if path.suffix != ".py"):
            home = next(parent for parent in path.parents if parent in directories)
            words = [path.name, *(part for part in path.parent.relative_to(home).parts)]
            for word in words:
                if word not in readers:
                    readers[word] = {name for name in self.modules if word in self._text(name)}
            found.append((path, home, set().union(*(readers[word] for word in words))))
        return found


def _called(node: ast.AST) -> str:
    """The last name of the function that a call calls."""
    function = getattr(node, "func", None)
    return getattr(function, "attr", None) or getattr(function, "id", None) or ""


def _asked_for(rows: list[Row], named: Collection[str]) -> list[Row]:
    asked = [row for row in rows if row.name in named]
    return asked + [row for row in rows if row.name is None] if asked else rows


def _text_of(node: ast.AST, texts: dict[str, str]) -> str:
    """The text that an expression stands for, with _ANY for what is not known; "" for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.Name):
        return texts.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part, texts) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text_of(node.value, texts) or _ANY
    return ""
