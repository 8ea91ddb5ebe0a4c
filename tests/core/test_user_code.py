"""Digests of a user's code: they move with whatever would run, and with nothing else."""

from __future__ import annotations

import copy
import importlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.user_code import UndigestibleError, digest_of, digest_of_file

SCRIPT = """
import functools, helpers, re
from bases import Base
from helpers import shorter

SCALE, WORDS, NUMBER = 2, {"good", "fine"}, re.compile("[0-9]+")

def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

@logged
def decorated(text):
    return len(text) > SCALE

class Reward(Base):
    '''Scores a text.'''
    limit = 3
    def __init__(self, factor=1.0):
        self.factor = factor
    def __call__(self, text):
        import late
        return self.score(text) * helpers.weight(text) + shorter(text) + late.bonus(text)
    @property
    def words(self):
        return WORDS
    @staticmethod
    def matches(text):
        return NUMBER.match(text)

class Unrelated:
    def __call__(self, text):
        return -1

def make(threshold):
    return lambda text: len(text) > threshold

THING = Reward
"""
FILES = {
    "script.py": SCRIPT,
    "bases.py": "from constants import START\nclass Base:\n    def score(self, text):\n"
    "        return START + len(text)\n",
    "constants.py": "START = 1\n",
    "helpers.py": "def weight(text):\n    return inner(text)\ndef inner(text):\n    return 2\n"
    "def shorter(text):\n    return 1\ndef unused():\n    return 0\n",
    "late.py": "import later\ndef bonus(text):\n    return later.VALUE\n",
    "later.py": "VALUE = 7\n",
}
Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """The digest of `expression` in script.py, imported anew. changes: (file, from, to); `from` must be there."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = [name.removesuffix(".py") for name in FILES]

    def forget() -> None:
        for name in modules:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def made(expression: str = "THING", *changes: tuple[str, str, str]) -> str:
        forget()
        for name, text in FILES.items():
            for file, old, new in changes:
                if file == name:
                    assert old in text
                    text = text.replace(old, new)
            (tmp_path / name).write_text(text)
        return digest_of(eval(expression, vars(importlib.import_module("script"))))

    yield made
    forget()


CHANGED = {
    "a comparison in a decorated function": ("decorated", ("script.py", "len(text) > SCALE", "len(text) < SCALE")),
    "a global constant": ("decorated", ("script.py", "SCALE, WORDS, NUMBER = 2", "SCALE, WORDS, NUMBER = 3")),
    "a decorator": ("decorated", ("script.py", "return function(*args)", "return not function(*args)")),
    "a closure's value": ("make(3)", ("script.py", "threshold\n", "threshold + 1\n")),
    "an argument of partial": ("functools.partial(make, 3)", ("script.py", "text: len", "text: -len")),
    "an instance's class": ("Reward(2)", ("script.py", "self.factor = factor", "self.factor = -factor")),
    "a default": ("Reward", ("script.py", "factor=1.0", "factor=1.5")),
    "a class attribute": ("Reward", ("script.py", "limit = 3", "limit = 4")),
    "a set that a property reads": ("Reward", ("script.py", '"good"', '"bad"')),
    "a pattern that a static method reads": ("Reward", ("script.py", "[0-9]+", "[0-9]")),
    "a base class in another file": ("Reward", ("bases.py", "START + len", "START - len")),
    "a constant that the base class imports": ("Reward", ("constants.py", "1", "2")),
    "a module's function": ("Reward", ("helpers.py", "return inner(text)", "return -inner(text)")),
    "what a module's function calls": ("Reward", ("helpers.py", "return 2", "return 3")),
    "a function imported by name": ("Reward", ("helpers.py", "return 1", "return 4")),
    "a module imported when it runs": ("Reward", ("late.py", "later.VALUE", "-later.VALUE")),
    "what that module imports": ("Reward", ("later.py", "7", "8")),
    "an order of methods that lambdas share": ("[make(1), make]", ("script.py", "len(text) > threshold", "0 > 1")),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "change"), CHANGED.values(), ids=CHANGED)
def test_whatever_would_run_otherwise_has_another_digest(digest: Digest, expression: str, change: Any) -> None:
    assert digest(expression) == digest(expression)
    assert digest(expression) != digest(expression, change)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("make(3)", "make(4)"),
        ("make('3')", "make(3)"),
        ("functools.partial(decorated, 1)", "functools.partial(decorated, 2)"),
        ("Reward(1.0)", "Reward(2.0)"),
        ("Reward(1.0).score", "Reward(2.0).score"),
        ("make([1, {2: {3, 4}}])", "make([1, {2: {3, 5}}])"),
    ],
)
def test_values_are_part_of_it(digest: Digest, one: str, other: str) -> None:
    assert digest(one) == digest(one) != digest(other)


UNCHANGED = {
    "a comment": ("script.py", "class Reward", "# mine\nclass Reward"),
    "blank lines and spaces": ("script.py", "        self.factor = factor", "\n\n        self.factor  =  factor  # !"),
    "a class that is not used": ("script.py", "return -1", "return -2"),
    "a function that is not used": ("helpers.py", "return 0", "return 9"),
}


@pytest.mark.parametrize("change", UNCHANGED.values(), ids=UNCHANGED)
def test_what_does_not_run_is_no_part_of_it(digest: Digest, change: Any) -> None:
    assert digest("Reward") == digest("Reward", change)


def cell(source: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a notebook after one cell: `__main__` has no file."""
    session = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", session)
    exec(source, vars(session))
    return vars(session)


NOTEBOOK = (
    "import numpy\nlimit = {limit}\nweights = numpy.arange({n})\nclass R:\n    def f(self, x):\n        return g(x)\n"
)
NOTEBOOK += "def g(x):\n    return x > limit + weights.sum()\n"


def test_a_notebooks_class_is_its_code_and_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [
        digest_of(cell(NOTEBOOK.format(limit=a, n=n), monkeypatch)["R"]) for a, n in [(1, 3), (1, 3), (2, 3), (1, 4)]
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [("open(__import__('os').devnull)", "TextIOWrapper"), ("(i for i in [1])", "generator")],
)
def test_what_has_no_digest_is_named(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    names = cell(f"held = {value}\ndef score(text):\n    return held\n", monkeypatch)
    with pytest.raises(UndigestibleError, match=f"^the global held of score: a _?.*{said}$"):
        digest_of(names["score"])


def test_a_value_without_digest_in_a_file_stands_for_its_source(digest: Digest) -> None:
    held = ("script.py", "SCALE, WORDS", "HELD = open(__file__)\nSCALE, WORDS")
    read = ("script.py", "return function(*args)", "return HELD, function(*args)")
    other = ("script.py", "open(__file__)", "open(__file__, 'rb')")
    assert digest("decorated", held, read) == digest(
        "decorated", held, read, ("script.py", "class Un", "# no\nclass Un")
    )
    assert digest("decorated", held, read) != digest("decorated", held, read, other)


def test_installed_code_goes_by_its_name() -> None:
    assert digest_of(json.dumps) == digest_of(json.dumps) != digest_of(json.loads)


def test_an_id_in_the_code_is_followed(digest: Digest) -> None:
    def source(bonus: int) -> Any:
        return eval(f"lambda text: {bonus}")

    def uses() -> str:
        return "bonus_reward"

    one, other = (digest_of(uses, {"bonus_reward": source(n)}.get) for n in (1, 2))
    assert one != other and one == digest_of(uses, {"bonus_reward": source(1)}.get)


def test_a_file_with_the_modules_beside_it(tmp_path: Path) -> None:
    main, beside = tmp_path / "metric.py", tmp_path / "part.py"
    main.write_text("from .part import score\n")
    beside.write_text("def score(): return 1\n")
    before = digest_of_file(main)
    beside.write_text("def score(): return 1  # the same\n")
    assert digest_of_file(main) == before
    beside.write_text("def score(): return 2\n")
    assert digest_of_file(main) != before


class Held:
    def __init__(self, word: str) -> None:
        self.word = word


def test_taking_a_digest_or_a_copy_leaves_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held = cell("class Held:\n    limit = 1\nheld = Held()\ndef f():\n    return held, Held\n", monkeypatch)
    before = digest_of(held["Held"]), digest_of(held["f"])
    copy.deepcopy(held["held"])
    digest_of(held["held"])
    assert "__slotnames__" in vars(held["Held"])
    assert (digest_of(held["Held"]), digest_of(held["f"])) == before


def test_a_set_of_objects_is_the_same_in_every_process() -> None:
    code = "from tests.core.test_user_code import Held\nfrom rl4lms.core.user_code import digest_of\n"
    code += "print(digest_of({Held(word) for word in 'abcdefgh'}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(said) == 1


def test_asking_whether_it_is_the_main_module_brings_in_no_session(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell("held = 1\n", monkeypatch)
    asks = ("helpers.py", "def unused", "if __name__ == '__main__':\n    weight('')\ndef unused")
    whole = ("script.py", "def make", "def whole():\n    return helpers\ndef make")
    inside = ("script.py", "return -1", "return __name__ == '__main__'")
    for expression, *changes in (("whole", asks, whole), ("Unrelated", inside)):
        assert digest(expression, *changes) == digest(expression, *changes)


@pytest.mark.parametrize("n", [200, 3000])
def test_a_long_chain_of_functions_has_a_digest(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    def of(last: int) -> str:
        chain = "".join(f"def f{i}():\n    return f{i + 1}()\n" for i in range(n))
        return digest_of(cell(f"{chain}def f{n}():\n    return {last}\n", monkeypatch)["f0"])

    assert of(1) == of(1) != of(2)


def test_a_pydantic_model_is_the_same_in_every_process(tmp_path: Path) -> None:
    pytest.importorskip("pydantic")
    code = "import pydantic, model\nfrom rl4lms.core.user_code import digest_of\nprint(digest_of(model.score))"

    def digest(default: int) -> str:
        (tmp_path / "model.py").write_text(
            "import pydantic\nclass Limits(pydantic.BaseModel):\n    low: int = 1\n"
            f"    high: int = {default}\ndef score(text):\n    return Limits().high\n"
        )
        path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    assert digest(2) == digest(2) != digest(3)
