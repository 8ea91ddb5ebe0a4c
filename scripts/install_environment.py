"""Install the packages of constraints.txt into a virtual environment, unless they are there.

    python3.11 scripts/install_environment.py .venv

A file in the environment says what it was made from, so nothing is installed twice, whatever the times of files say. An
environment inside the checkout also gets the project itself, in editable form. One outside may be shared by several
checkouts, so it gets only the packages, and is never changed once it is complete. uv does the work, which takes a
fifth of pip's time; if uv cannot be installed, pip does it. Needs only Python's standard library.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK, WITHOUT_DEPENDENCIES = "constraints.txt", "requirements-nodeps.txt"
STAMP = ".installed"
# What nearly every job imports: it shows that the environment works, and Python compiles what it reads once, here.
IMPORTS = "import torch, transformers, datasets, stable_baselines3, snakemake.cli, dvc.cli"
# pip's setting -> uv's variable and the character between several values; uv does not read pip's configuration.
UV_SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "cert": ("SSL_CERT_FILE", " "),
}


class InstallError(Exception):
    """One line: what is in the way, and what to do."""


def requirements(project: dict[str, Any], extra: str) -> list[str]:
    """The project's dependencies with those of the extra, in which other extras of the project are resolved."""
    own = re.compile(rf"{re.escape(project['name'])}\[([^\]]+)\]")
    found, extras = list(project["dependencies"]), [extra]
    for name in extras:
        for line in project["optional-dependencies"][name]:
            if match := own.fullmatch(line):
                extras += [other for other in re.split(r"\s*,\s*", match[1]) if other not in extras]
            else:
                found.append(line)
    return list(dict.fromkeys(found))


def digest(root: Path, wanted: Iterable[str]) -> str:
    """What an environment depends on: the interpreter, the packages that are asked for, and their versions."""
    files = [
        [line for line in (root / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        for name in (LOCK, WITHOUT_DEPENDENCIES)
    ]
    facts = [platform.python_version(), platform.machine(), platform.system(), sorted(wanted), files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def uv_environment(pip_config: str) -> dict[str, str]:
    """pip_config: what `pip config list` prints. The same indexes and files for uv, which chooses as pip chooses."""
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    lines = [line.partition("=") for line in pip_config.splitlines()]
    for name, _, value in sorted(lines, key=lambda line: line[0].startswith(":env:")):  # variables win over files
        setting = UV_SETTINGS.get(name.removeprefix(":env:").rpartition(".")[2])
        if setting:
            variable, between = setting
            found[variable] = between.join(str(ast.literal_eval(value)).split())
    return found


def install(root: Path, venv: Path) -> None:
    """Bring the environment to what the checkout asks for, if it is not there yet. Raises InstallError."""
    with (root / "pyproject.toml").open("rb") as f:
        wanted = requirements(tomllib.load(f)["project"], "dev")
    stamp = {"digest": digest(root, wanted), "place": str(venv)}
    if read_stamp(venv) == stamp | {"complete": True}:
        return
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if read_stamp(venv) != stamp | {"complete": True}:  # of two that install at once, one finds the work done
            make(root, venv, stamp, wanted)


def make(root: Path, venv: Path, stamp: dict[str, Any], wanted: list[str]) -> None:
    """Make the environment, or go on with one that was begun. Raises InstallError for one that others may use."""
    shared = not venv.is_relative_to(root)
    found, there = read_stamp(venv), venv.is_dir() and any(venv.iterdir())
    if shared and there and found != stamp | {"complete": False}:
        made = "was made from other versions" if found.get("complete") else "was not made by make env"
        raise InstallError(
            f"{venv} {made}, and others may use it: name another place, make env VENV=..., or delete it."
        )
    if there and found.get("place", stamp["place"]) != stamp["place"]:
        shutil.rmtree(venv)  # copied or moved: its programs name the interpreter of the old place
    print(f"Installing into {venv} (about 2 GB; a minute or more)", flush=True)
    venv.mkdir(exist_ok=True)
    write_stamp(venv, stamp | {"complete": False})
    run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(venv))
    fill(root, venv, wanted, editable=not shared)
    write_stamp(venv, stamp | {"complete": True})


def fill(root: Path, venv: Path, wanted: list[str], *, editable: bool) -> None:
    """Install the wanted packages in the locked versions, and those whose dependencies are left out."""
    python = str(venv / "bin/python")
    asked = venv / f"{STAMP}.txt"
    asked.write_text("\n".join([*wanted, ""]), encoding="utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if subprocess.run([*pip, "-c", str(root / LOCK), "uv"], env=environment, check=False).returncode == 0:
        config = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
        pip = [str(venv / "bin/uv"), "pip", "install", "--quiet", "--python", python]
        environment = uv_environment(config.stdout) | environment
    else:
        print("uv cannot be installed: pip goes on, which takes longer.", file=sys.stderr)
    run(*pip, "-c", str(root / LOCK), "-r", str(asked), env=environment)
    own = ["-e", str(root)] if editable else []
    run(*pip, "--no-deps", "-r", str(root / WITHOUT_DEPENDENCIES), *own, env=environment)
    run(python, "-c", IMPORTS, env=environment)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run to its end. Raises InstallError."""
    result = subprocess.run(command, env=env, check=False)
    if result.returncode:
        raise InstallError(f"{' '.join(command[:4])} ...: exit code {result.returncode}; the same command tries again.")


def read_stamp(venv: Path) -> dict[str, Any]:
    """What an environment says of itself; nothing if it is another's, or of an older form."""
    try:
        stamp: dict[str, Any] = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp


def write_stamp(venv: Path, stamp: dict[str, Any]) -> None:
    scratch = venv / f"{STAMP}.new"
    scratch.write_text(json.dumps(stamp), encoding="utf-8")
    scratch.replace(venv / STAMP)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("venv", type=Path, help="the folder of the environment")
    venv = parser.parse_args().venv.resolve()
    try:
        install(ROOT, venv)
    except (InstallError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
