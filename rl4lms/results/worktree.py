"""A checkout of the commit that a release names, and running that commit's own code in it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from rl4lms.config.params import Params, merge, suite_folders
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.io import sha256_text
from rl4lms.results.locked_versions import differing, locked_versions
from rl4lms.results.release import LOCK_FILES, Release, recipe_digests
from rl4lms.tasks.task import task_of

_SHOWN = 4  # packages of an error
INSTALL = "scripts/install_environment.py"


def git(directory: Path, *arguments: str) -> str | None:
    """What git says on stdout; None where it refuses."""
    run = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, check=False)
    return run.stdout.decode("utf-8", errors="replace") if run.returncode == 0 else None


def repository_of(folder: Path, commit: str) -> Path:
    """The git checkout that holds the folder, or else the working directory. Raises DataError without the commit."""
    for place in (folder, Path.cwd()):
        if (root := git(place, "rev-parse", "--show-toplevel")) is not None:
            repository = Path(root.strip())
            break
    else:
        raise DataError(
            f"{folder}: in no git repository; verify in a clone of the project, which has the commit {commit}."
        )
    if not re.fullmatch("[0-9a-f]{40}", commit) or git(repository, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise DataError(
            f"{repository}: has no commit {commit}, of which the release is; git fetch --unshallow --all, or clone."
        )
    return repository


def dvc_lock_of(repository: Path, release: Release) -> str | None:
    """The text of the dvc.lock that a release names: of the working tree, or of any commit. None if there is none.

    The working tree's for a release that names none.
    """
    present = repository / "dvc.lock"
    text = present.read_text(encoding="utf-8") if present.is_file() else None
    if release.dvc_lock is None or (text is not None and sha256_text(text) == release.dvc_lock):
        return text
    for commit in (git(repository, "log", "--all", "--format=%H", "--", "dvc.lock") or "").split():
        text = git(repository, "show", f"{commit}:dvc.lock") or ""
        if sha256_text(text) == release.dvc_lock:
            return text
    return None


@dataclass(frozen=True)
class Worktree:
    """A clean checkout of a release's commit at `path`."""

    path: Path
    release: Release

    def params_file(self, name: str) -> dict[str, Any]:
        """A file of params/ as it is written, with its overlays; without this version's schemas and defaults."""
        folders = suite_folders(self.path / "params", self.release.suite)
        files = [folder / name for folder in folders if (folder / name).is_file()]
        if not files:
            raise DataError(f"params/{name}: not at commit {self.release.commit[:12]}, of which the release is.")
        return reduce(merge, map(load_yaml, files))

    def bounds_of_own(self, tasks: Iterable[str]) -> dict[str, Any]:
        """Result key -> its bounds, of those of the tasks that are of a module; their labels are known from then on."""
        params = Params(self.path / "params", self.release.suite)
        own = [task for task in tasks if self.params_file(f"tasks/{task}.yaml").get("module")]
        for task in own:
            params.task(task)
        return {key: asdict(bounds) for task in own for key, bounds in task_of(task).bounds.items()}

    def check_lock(self) -> Iterator[str]:
        """Findings where the locked versions of the commit are not those of the manifest."""
        for name in LOCK_FILES:
            path = self.path / name
            found = sha256_text(path.read_text(encoding="utf-8")) if path.is_file() else None
            if found != self.release.lock.get(name):
                yield f"{name}: at commit {self.release.commit[:12]} another file than the manifest says"

    def check_recipes(self, python: str = sys.executable) -> Iterator[str]:
        """Findings where the code or numbers of the commit's jobs are not those of the manifest."""
        with tempfile.TemporaryDirectory() as folder:
            self.run(python, "-m", "rl4lms", "recipes", "--quiet", "--suite", self.release.suite, "--out", folder)
            found = recipe_digests(Path(folder))
        names = [
            n for n in dict.fromkeys([*found, *self.release.recipes]) if found.get(n) != self.release.recipes.get(n)
        ]
        if names:
            yield (
                f"commit {self.release.commit[:12]}: code or params of {len(names)} of {len(found)} recipes are not "
                f"the manifest's ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            )

    def run(self, *command: str, log: Path | None = None) -> None:
        """A command of the commit's code, to its end. Raises RunError with the last line that it printed."""
        bin_directory = Path(command[0]).parent
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(self.path)
        if self.release.machine["devices"] == ["cpu"]:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        with open(log, "a+b") if log else tempfile.TemporaryFile() as out:
            began = out.seek(0, os.SEEK_END)
            run = subprocess.run(command, cwd=self.path, env=environment, stdout=out, stderr=out, check=False)
            if run.returncode:
                out.seek(began)
                said, where = _error_line(out.read()), f"; see {log}" if log else ""
                name = " ".join(Path(word).name for word in command[:4])
                raise RunError(f"{name}: exit code {run.returncode} ({said}){where}")

    def interpreter(self, env: Path | None) -> str:
        """The Python with the commit's locked packages: this one, or that of `env`, which is made where it is not.

        Raises ConfigError naming the packages of another version.
        """
        if env is not None:
            base = getattr(sys, "_base_executable", sys.executable)
            if not (self.path / INSTALL).is_file():
                raise ConfigError(
                    f"--env: commit {self.release.commit[:12]} has no {INSTALL}; install {LOCK_FILES[0]} by hand."
                )
            if subprocess.run([base, INSTALL, str(env.absolute())], cwd=self.path, check=False).returncode:
                raise RunError(f"--env {env}: the environment could not be made; the lines above say why.")
            return str(env.absolute() / "bin/python")
        locked = locked_versions((self.path / LOCK_FILES[0]).read_text(encoding="utf-8"))
        others = differing(locked, {each.name: each.version for each in importlib.metadata.distributions()})
        made_with = str(self.release.machine["python"])
        if made_with.rpartition(".")[0] != platform.python_version().rpartition(".")[0]:
            others.insert(0, f"Python is {platform.python_version()}, of the release {made_with}")
        if others:
            more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            raise ConfigError(
                f"other versions than commit {self.release.commit[:12]} locks: {', '.join(others[:_SHOWN])}{more}; "
                f"--env DIR makes its environment (python{made_with.rpartition('.')[0]} {INSTALL} DIR in its checkout)."
            )
        return sys.executable

    def make(self, python: str, targets: Sequence[str], cores: int, log: Path) -> None:
        """Let the commit's own Snakemake rules make files of the suite, with everything that they need."""
        profile = ("--profile", "workflow/profiles/default", "--cores", str(cores))
        self.run(
            python, "-m", "snakemake", *profile, "--config", f"suite={self.release.suite}", "--", *targets, log=log
        )  # fmt: skip


def _error_line(printed: bytes) -> str:
    """The last line that says what went wrong, or else the last line."""
    lines = [line.strip() for line in printed.decode("utf-8", errors="replace").splitlines() if line.strip()]
    wrong = [line for line in lines if "rror" in line]
    return [*lines, *wrong][-1] if lines else "it printed nothing"


@contextlib.contextmanager
def worktree(repository: Path, release: Release, work: Path | None) -> Iterator[Worktree]:
    """A worktree of the release's commit, below `work` where it stays, else in a temporary directory.

    Where cells were made again and something did not hold, the temporary directory stays as well. Raises DataError for
    a `work` that holds something else.
    """
    place = Path(tempfile.mkdtemp(prefix="verify-")) if work is None else work.absolute()
    path = place / release.commit[:12]
    if path.exists():
        _check_checkout(path, release)
    else:
        place.mkdir(parents=True, exist_ok=True)
        if git(repository, "worktree", "add", "--force", "--detach", str(path), release.commit) is None:
            raise RunError(
                f"git worktree add {path} {release.commit[:12]}: git refused; give --work DIR, or make room."
            )
    held = False
    try:
        yield Worktree(path, release)
        held = True
    finally:
        if work is None and (held or not (path / "results").exists()):
            git(repository, "worktree", "remove", "--force", str(path))
            shutil.rmtree(place, ignore_errors=True)


def _check_checkout(path: Path, release: Release) -> None:
    head = (git(path, "rev-parse", "HEAD") or "").strip()
    changed = git(path, "status", "--porcelain", "--untracked-files=no")
    if head != (git(path, "rev-parse", release.commit) or "").strip() or changed is None:
        raise DataError(
            f"--work: {path} is no checkout of {release.commit[:12]}; name another directory, or delete it."
        )
    if changed.strip():
        names = ", ".join(line[3:] for line in changed.splitlines()[:3])
        raise DataError(f"--work: {path} was changed ({names}); delete it, and it is made again.")
    # An untracked module would win over nothing of the commit's, but could be imported by name.
    if foreign := (
        git(path, "ls-files", "--others", "--exclude-standard", "--", "rl4lms", "params", "workflow") or ""
    ).split():
        raise DataError(f"--work: {path} has files that are not of the commit ({', '.join(foreign[:3])}); delete it.")
