"""The commands of README.md and docs/, and whether each is one that its program takes today.

A check parses and runs nothing: our own parsers, Snakemake's, DVC's and pytest's, the targets of make, the extras of
pyproject.toml. A renamed option, target, file or stage is an error that names it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("python", "snakemake", "dvc", "make", "pytest", "torchrun", "pip", "rl4lms")
BUILTINS = ("cd", "export", "source", ".", "git", "mkdir", "cat", "ls", "cp", "apt-get")
OURS = ("benchmarks", "tests")  # packages with modules to run; what an installed package's take is its own affair
SETTABLE = ("suite", "tasks", "algs", "baselines", "seeds", "data_dir", "container")  # workflow/rules/common.smk


@dataclass(frozen=True)
class Command:
    """One command of a page. text: on one line, without its comment."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """Without the environment that it is given; what stands in brackets is taken."""
        words = shlex.split(re.sub(r"\[(--[^]]*)\]", r"\1", self.text))
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        return words

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


class WrongCommand(Exception):
    """What its program says of a command that it does not take."""


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_of(path: Path) -> Iterator[Command]:
    """Of ```sh blocks, every line; of indented blocks, the lines that begin with one of our programs."""
    fence, inside, started, text = None, False, 0, ""
    page = str(path.relative_to(ROOT))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark = re.match(r"\s*(```+)(\w*)", line)
        if mark and (fence is None or mark[1] == fence):
            inside = fence is None and mark[2] in ("sh", "bash", "shell", "console")
            fence = mark[1] if fence is None else None
            continue
        if fence is None:
            indented = re.match(rf"    (?=({'|'.join(PROGRAMS)}) )", line) is not None
        if inside or (fence is None and (indented or text)):
            started = started if text else number
            text += line if _is_open(text) else line.strip()
            if text.endswith("\\"):
                text = text[:-1]
                continue
            if _is_open(text):
                text += "\n"
                continue
            for part in _parts(text):
                yield Command(page, started, part)
            text = ""


def _is_open(text: str) -> bool:
    """Whether a quotation goes on in the next line."""
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


def _parts(line: str) -> Iterator[str]:
    """The commands of a line, `a && b # comment`: a, b."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars="&;|")
    lexer.whitespace_split, lexer.commenters = True, "#"
    part: list[str] = []
    for token in [*lexer, "&&"]:
        if token in ("&&", ";", "|", "||"):
            if part:
                yield " ".join(part)
            part = []
        else:
            part.append(token)


def all_commands() -> list[Command]:
    return [command for path in pages() for command in commands_of(path)]


def check(command: Command) -> None:
    """Raises WrongCommand with what is wrong."""
    words = command.words
    program = words[0].rpartition("/")[2] if words else ""
    if program not in CHECKS:
        raise WrongCommand(f"no check for {program!r}; add one to tests/docs/commands.py")
    CHECKS[program](words[1:])


def _python(words: Sequence[str]) -> None:
    if words[0] == "-c":
        compile(words[1], "-c", "exec")
    elif words[0] == "-m":
        _module(words[1], list(words[2:]))
    else:
        _script(words[0], list(words[1:]))


def _module(name: str, arguments: list[str]) -> None:
    if name == "rl4lms":
        _stage(arguments)
    elif name.partition(".")[0] in OURS:
        path = ROOT / (name.replace(".", "/") + ".py")
        if not path.is_file():
            raise WrongCommand(f"no module {name}")
        _main(path, arguments, name)


def _stage(arguments: list[str]) -> None:
    from rl4lms.cli.main import MODULES, build_parser
    from rl4lms.config.params import Params

    name = next((word for word in arguments if word in MODULES), None)
    with _errors():
        build_parser(name).parse_args(arguments, argparse.Namespace(params=Params.open(ROOT / "params")))


def _script(name: str, arguments: list[str]) -> None:
    path = ROOT / name
    if not path.is_file() and not path.name.startswith("my"):  # my.py stands for the reader's own
        raise WrongCommand(f"no script {name}")
    if not path.is_file() and "--config_path" not in arguments:
        return  # it calls the library itself
    if not path.is_file() or "Registry.add(" in path.read_text():  # registers classes of its own, and calls our `main`
        from rl4lms.cli.train_text_generation import build_parser

        with _errors():
            build_parser().parse_args(arguments)
    else:
        _main(path, arguments, str(name))
    config = Path(arguments[arguments.index("--config_path") + 1]) if "--config_path" in arguments else None
    if config is not None and config.parent.name and not (ROOT / config).is_file():
        raise WrongCommand(f"no configuration {config}")


class _Parsed(BaseException):
    pass


def _main(path: Path, arguments: list[str], name: str) -> None:
    """Run a script up to its own parser's answer."""
    original = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, given: Sequence[str] | None = None, *rest: object) -> None:
        original(parser, arguments if given is None else given)
        raise _Parsed

    patches = [
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse),
        mock.patch.object(sys, "argv", [name, *arguments]),
    ]
    with contextlib.ExitStack() as stack, contextlib.suppress(_Parsed):
        for patch in patches:
            stack.enter_context(patch)
        with _errors():
            runpy.run_path(str(path), run_name="__main__")
        if arguments:
            raise WrongCommand(f"{name} has no parser, and is given {' '.join(arguments)}")


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """A parser's exit as a WrongCommand with what it said."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            yield
    except SystemExit as error:
        if error.code:
            raise WrongCommand(said.getvalue().strip().splitlines()[-1]) from None


def _snakemake(words: Sequence[str]) -> None:
    from snakemake.cli import get_argument_parser

    profile = words[words.index("--profile") + 1] if "--profile" in words else None
    if profile and not (ROOT / profile / "config.yaml").is_file():
        raise WrongCommand(f"no profile {profile}")
    with _errors():
        args = get_argument_parser().parse_args([w for w in words if w not in ("--profile", profile)])
    rules = "\n".join(path.read_text() for path in [ROOT / "workflow/Snakefile", *(ROOT / "workflow").rglob("*.smk")])
    for target in args.targets or []:
        if "/" not in target and not re.search(rf"^rule {target}:", rules, re.MULTILINE):
            raise WrongCommand(f"no rule {target}")
    for entry in args.config or []:
        if str(entry).partition("=")[0] not in SETTABLE:
            raise WrongCommand(f"--config does not set {entry}")


def _dvc(words: Sequence[str]) -> None:
    from dvc.cli import DvcParserError
    from dvc.cli.parser import get_main_parser

    try:
        with _errors():
            args = get_main_parser().parse_args(list(words))
    except DvcParserError:  # which has said why to its log
        raise WrongCommand(f"dvc does not take {' '.join(words)}") from None
    for change in getattr(args, "set_param", None) or []:
        name, _, key = change.partition("=")[0].rpartition(":")
        path = ROOT / (name or "params.yaml")
        found = re.sub(r"~|\+", "", key).split(".")
        if not path.is_file() or f"{found[-1]}:" not in path.read_text():
            raise WrongCommand(f"-S {change}: no such parameter")


def _make(words: Sequence[str]) -> None:
    text = (ROOT / "Makefile").read_text() + (ROOT / "workflow/grid.mk").read_text()
    phony = re.findall(r"\.PHONY:((?:.*\\\n)*.*)", text)
    targets = {name for names in phony for name in names.replace("\\", "").split()}
    variables = set(re.findall(r"^([A-Z_]+) \?=", text, re.MULTILINE))
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name not in variables:
            raise WrongCommand(f"the Makefile has no variable {name}")
        if not equals and name not in targets:
            raise WrongCommand(f"the Makefile has no target {name}")


def _pytest(words: Sequence[str]) -> None:
    marks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    known = {mark.partition(":")[0] for mark in marks}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-m":
            if unknown := set(re.findall(r"\w+", rest.pop(0))) - known - {"not", "and", "or"}:
                raise WrongCommand(f"pytest knows no mark {', '.join(unknown)}")
        elif word in ("-n", "-k", "--dist"):
            rest.pop(0)
        elif not word.startswith("-"):
            require_test(word)


def require_test(node: str) -> None:
    """Raises WrongCommand unless the test, or the file of tests, is there: tests/x.py[::test_y]."""
    name, _, function = node.partition("::")
    path = ROOT / name
    if not path.exists() or (function and f"def {function}(" not in path.read_text()):
        raise WrongCommand(f"no test {node}")


def _torchrun(words: Sequence[str]) -> None:
    at = next(i for i, word in enumerate(words) if word.endswith(".py"))
    _script(words[at], list(words[at + 1 :]))


def _pip(words: Sequence[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        for extra in re.findall(r"(?:rl4lms-grue|rl4lms|^\.)\[([^]]+)\]", word):
            if unknown := set(re.split(r", *", extra)) - extras.keys():
                raise WrongCommand(f"pyproject.toml has no extra {', '.join(unknown)}")


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "python": _python,
    "rl4lms": lambda words: _stage(list(words)),
    "snakemake": _snakemake,
    "dvc": _dvc,
    "make": _make,
    "pytest": _pytest,
    "torchrun": _torchrun,
    "pip": _pip,
    **dict.fromkeys(BUILTINS, lambda words: None),
}
