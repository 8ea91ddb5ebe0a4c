"""Digests of a user's own code, so that what a changed reward or pool made is never taken for the new one's.

What is digested is what would run: of a function its byte code, constants, defaults, closure, attributes and the
globals that it reads, each followed in turn; of a class its bases and attributes; of an instance its class and state;
of a module that is used as a whole its source and that of the local modules it imports. Comments, blank lines and
layout do not count, docstrings do. Code of this package (`code_digest` covers it), of the standard library and of
site-packages is known by its name, the last with its version.
"""

from __future__ import annotations

import ast
import copyreg
import functools
import hashlib
import os
import sys
import threading
import types
import typing
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rl4lms.core.code_imports import (
    INSTALLED,
    file_of,
    found_as,
    globals_read,
    is_local,
    is_local_module,
    modules_of_code,
    modules_of_source,
    named_version,
)

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_BY_NAME = (
    types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType,
)  # fmt: skip
_TYPING = (types.GenericAlias, types.UnionType, typing.TypeVar)
_STATELESS = (type(threading.Lock()), type(threading.RLock()), threading.local, weakref.ref,
              weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)  # fmt: skip
_OF_THE_PROCESS = {id(each): name for name, each in (("os.environ", os.environ), ("sys.modules", sys.modules),
                   ("sys.argv", sys.argv), ("sys.path", sys.path))}  # fmt: skip
_DATA = ("numpy", "pandas", "pyarrow", "scipy", "torch")  # packages whose objects are values
_CACHED = type(functools.lru_cache(len))
_DEPTH, _STACK = 200_000, 512 * 1024**2  # of calls; bytes, of which only those that are used are taken
_ONE_WALK = threading.RLock()
_NO_CODE = {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "_abc_impl",
            "__slotnames__"}  # fmt: skip


class UndigestibleError(Exception):
    """The message says what has no digest, and where it was found."""


def digest_of(value: Any, named: Callable[[str], Any] = lambda name: None) -> str:
    """sha256 of a user's class, function or instance with all of the user's that it rests on.

    named: what else a text in that code may stand for (an id in a registry), or None. Raises UndigestibleError.
    """
    walk = _Walk(named)
    _deep(lambda: walk.visit(value, getattr(value, "__qualname__", type(value).__qualname__)))
    return walk.digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """sha256 of a Python file and of the local modules that it imports, from beside it or by name."""
    walk = _Walk(lambda name: None)
    _deep(lambda: walk.file(path, path.stem))
    return walk.digest.hexdigest()


def _deep(walk: Callable[[], None]) -> None:
    """Walk where functions that call each other, or values that hold each other, may be a hundred thousand deep."""
    raised: list[BaseException] = []

    def run() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, _DEPTH))
        try:
            walk()
        except RecursionError:
            raised.append(UndigestibleError("values that hold each other too deeply"))
        except BaseException as error:  # of a user's code as well; raised by whoever asked
            raised.append(error)
        finally:
            sys.setrecursionlimit(limit)

    with _ONE_WALK:
        before = threading.stack_size(_STACK)
        try:
            thread = threading.Thread(target=run)
            thread.start()
        finally:
            threading.stack_size(before)
        thread.join()
    if raised:
        raise raised[0] from None


class _Walk:
    """One digest, filled depth first. What was seen before is named by its place, so cycles end."""

    def __init__(self, named: Callable[[str], Any], seen: Mapping[int, tuple[int, Any]] | None = None) -> None:
        self.named, self.digest = named, hashlib.sha256()
        self._seen: dict[int, tuple[int, Any]] = dict(seen or {})  # kept, so that no other object gets its id
        self._files: set[str] = set()

    def say(self, *words: object) -> None:
        for word in words:
            text = str(word).encode("utf-8", "surrogatepass")
            self.digest.update(b"%d:" % len(text) + text)

    def visit(self, value: Any, where: str) -> None:
        """Add a value. where: what an error names."""
        kind = type(value)
        if kind in _PLAIN:
            self.say(kind.__name__, repr(value))
        elif kind in (tuple, types.CodeType, frozenset):  # hold no cycle of themselves; may or may not be shared
            self._content(value, where)
        elif id(value) in self._seen:
            self.say("again", self._seen[id(value)][0])
        else:
            self._seen[id(value)] = len(self._seen), value
            self._content(value, where)

    def _content(self, value: Any, where: str) -> None:
        kind = type(value)
        if id(value) in _OF_THE_PROCESS:
            self.say(_OF_THE_PROCESS[id(value)])
        elif kind in _EXACTLY:
            _EXACTLY[kind](self, value, where)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.ModuleType):
            self.module(value.__name__, where)
        elif isinstance(value, _STATELESS):
            self.say(kind.__name__)
        elif isinstance(value, _TYPING) or kind.__module__ == "typing":
            self.say(repr(value))
        elif (parts := _parts(value)) is not None:
            self.say(kind.__qualname__)
            self._sequence(parts, where)
        else:
            self._instance(value, where)

    def _sequence(self, value: Any, where: str) -> None:
        self.say(type(value).__name__, len(value))
        for item in value:
            self.visit(item, where)

    def _mapping(self, value: Mapping[Any, Any], where: str) -> None:
        self.say("mapping", len(value))
        for key, item in value.items():
            self.visit(key, where)
            self.visit(item, where)

    def _set(self, value: Any, where: str) -> None:
        self.say("set", *sorted(self._apart(item, where) for item in value))

    def _apart(self, value: Any, where: str) -> str:
        """The digest of a member of a set, whose order says nothing."""
        walk = _Walk(self.named, self._seen)
        walk.visit(value, where)
        return walk.digest.hexdigest()

    def _function(self, function: types.FunctionType, where: str) -> None:
        space, name = function.__globals__, function.__qualname__
        module = str(space.get("__name__", ""))
        if is_local(module, space.get("__file__")):
            self.say("function")
            self._code(function.__code__, name)
            self._names(function.__code__, space, name)
        else:
            self.say("function", named_version(module), name)
            if not is_local_module(function.__module__) and found_as(function.__module__, name) is function:
                return
        self.visit(function.__defaults__, f"a default of {name}")
        self.visit(function.__kwdefaults__, f"a default of {name}")
        for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self.say(variable)
            try:
                content = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            self.visit(content, f"{variable} in the closure of {name}")
        self.visit(vars(function), f"an attribute of {name}")

    def _code(self, code: types.CodeType, where: str) -> None:
        self.say("code", code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        self.say(code.co_code.hex(), code.co_exceptiontable.hex(), code.co_names, code.co_varnames)
        self.say(code.co_freevars, code.co_cellvars)
        for constant in code.co_consts:
            self.visit(constant, where)
            if type(constant) is str:
                self._named(constant, where)

    def _named(self, text: str, where: str) -> None:
        """What a text in the code may stand for: an id of the user's in a registry, or one of the user's modules."""
        if text != "__main__" and text in sys.modules and is_local_module(text):
            self.module(text, where)
        elif (entry := self.named(text)) is not None:
            self.visit(entry, where)

    def _names(self, code: types.CodeType, space: dict[str, Any], where: str) -> None:
        """The globals that code reads, and the modules that it imports."""
        for name, *attributes in globals_read(code):
            if name in space:
                value, path = space[name], name
                while isinstance(value, types.ModuleType) and attributes and hasattr(value, attributes[0]):
                    if not is_local_module(value.__name__):
                        self.say(named_version(value.__name__), attributes[0])
                        break
                    attribute = attributes.pop(0)
                    value, path = getattr(value, attribute), f"{path}.{attribute}"
                else:
                    self.say(path)
                    self._or_source(value, space, f"the global {path} of {where}")
        for module in modules_of_code(code, space.get("__package__")):
            self.module(module, where)

    def _or_source(self, value: Any, space: Mapping[str, Any], where: str) -> None:
        """A value that its module's source made when it was imported; where it has no digest, that source has."""
        file = space.get("__file__")
        foreign = not isinstance(value, type | types.FunctionType | types.ModuleType) and _is_foreign(value)
        if foreign and file is not None and Path(file).is_file():
            self.file(Path(file), str(space.get("__name__")))
            return
        try:
            self.visit(value, where)
        except UndigestibleError:
            if file is None or not Path(file).is_file():
                raise
            self.file(Path(file), str(space.get("__name__")))

    def _class(self, cls: type) -> None:
        module = sys.modules.get(cls.__module__)
        space = vars(module) if module is not None else {}
        if not is_local(cls.__module__, space.get("__file__")):
            self.say("class", named_version(cls.__module__), cls.__qualname__)
            return
        self.say("class", cls.__qualname__)
        self.visit(type(cls), cls.__qualname__)
        for base in cls.__bases__:
            self.visit(base, cls.__qualname__)
        written = "<locals>" not in cls.__qualname__  # by the module's source, when it was imported
        for name, value in vars(cls).items():
            if name == "__annotations__":
                self.say(name, sorted((k, str(v)) for k, v in value.items()))
            elif name == "__abstractmethods__":
                self.say(name, sorted(value))
            elif name not in _NO_CODE and not name.startswith("__pydantic_"):  # generated from what else is there
                self.say(name)
                self._or_source(value, space if written else {}, f"{cls.__qualname__}.{name}")

    def _instance(self, value: Any, where: str) -> None:
        kind = type(value)
        self.visit(kind, where)
        raw = _raw(value)
        if raw is not None:
            self.say(value.dtype, tuple(value.shape))
            self.digest.update(raw)
            return
        try:
            reduce = copyreg.dispatch_table.get(kind)
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
            parts = [reduced] if isinstance(reduced, str) else [*reduced[:3], *map(_listed, reduced[3:])]
        except Exception:  # a file, a generator, a connection: whatever cannot be copied may raise anything
            raise UndigestibleError(f"{where}: a {kind.__qualname__}") from None
        for part in parts:
            self.visit(part, where)

    def module(self, name: str, where: str) -> None:
        """A module as a whole: its source, and the local modules that it imports. One that is not local by its name."""
        file = file_of(name)
        if file is None or not is_local(name, str(file)):
            if name == "__main__":
                raise UndigestibleError(f"{where}: the interactive session as a whole")
            self.say("module", named_version(name))
        else:
            self.file(file, name)

    def file(self, path: Path, name: str) -> None:
        if str(path) in self._files:
            return
        self._files.add(str(path))
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise UndigestibleError(f"{path}: cannot be read as Python source ({type(error).__name__})") from None
        self.say("source", name, ast.dump(tree))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for module in modules_of_source(tree, package):
            beside = path.parent.joinpath(*module.lstrip(".").split(".")).with_suffix(".py")
            if beside.is_file() and is_local(module, str(beside)):
                self.file(beside, module)
            elif (file := file_of(module)) is not None and is_local(module, str(file)):
                self.file(file, module)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._named(node.value, str(path))


def _raw(value: Any) -> bytes | None:
    """The numbers of an array or a tensor; None for anything else."""
    kind = type(value)  # of the object itself, `hasattr` may run a user's code
    if hasattr(kind, "detach") and hasattr(kind, "untyped_storage"):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return bytes(flat.view(sys.modules["torch"].uint8).numpy())
    if hasattr(kind, "__array_interface__") and not value.dtype.hasobject:
        return bytes(value.tobytes())
    return None


_EXACTLY: dict[type, Callable[[_Walk, Any, str], None]] = {
    tuple: _Walk._sequence,
    list: _Walk._sequence,
    dict: _Walk._mapping,
    types.MappingProxyType: _Walk._mapping,
    set: _Walk._set,
    frozenset: _Walk._set,
    types.FunctionType: _Walk._function,
    types.CodeType: _Walk._code,
}


def _parts(value: Any) -> list[Any] | None:
    """What a mantle around functions holds; None for anything else."""
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, functools.cached_property):
        return [value.func]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, _CACHED):
        return [value.__wrapped__, value.cache_parameters()]
    if isinstance(value, _BY_NAME):
        owner = getattr(value, "__self__", None)
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        return [name] if owner is None or isinstance(owner, types.ModuleType) else [name, owner]
    return None


def _listed(items: Any) -> Any:
    """The items that `__reduce_ex__` gives as an iterator."""
    return items if items is None or callable(items) else list(items)


def _is_foreign(value: Any) -> bool:
    """Whether a value is an object of an installed package with a state of its own, as a pipeline or a model.

    Its state may differ from process to process without a change of the source that made it.
    """
    kind = type(value)
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    installed = (
        file is not None
        and not is_local(kind.__module__, file)
        and any(part in INSTALLED for part in Path(file).resolve().parts)
    )
    return installed and kind.__module__.partition(".")[0] not in _DATA
