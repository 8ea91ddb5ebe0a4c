"""Finds and runs the Java programs inside the package pycocoevalcap: the PTB tokenizer and SPICE.

The package's Python code is not imported; its metadata says where the programs are.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rl4lms.core.errors import ConfigError, RunError

PACKAGE = "pycocoevalcap"
INSTALL = f"pip install --no-deps {PACKAGE}==1.2"
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def package_folder(name: str, where: str) -> Path:
    """A folder of the installed package. Raises ConfigError, with the command that installs it, if it is missing."""
    try:
        return Path(str(importlib.metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/{name}")))
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(f'{where}: {PACKAGE} is not installed; "{INSTALL}" brings it (104 MB).') from None


@functools.cache
def java_version(java: str, where: str) -> int:
    """The feature release (8, 11, 17) of a Java program by name or path. Raises ConfigError if it does not run."""
    program = shutil.which(java)
    if program is None:
        raise ConfigError(f'{where}: no "{java}" on PATH; install a Java runtime, or give its path as java.')
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = _VERSION.search(answer.stderr + answer.stdout)
    if version is None:
        raise ConfigError(f'{where}: "{java} -version" names no version; give the path of a Java runtime as java.')
    return int(version.group(1))


def run_java(java: str, arguments: Sequence[str], where: str, folder: Path, text: str = "") -> str:
    """What the program prints, given `text` on its standard input. Raises RunError, with its message, if it fails."""
    command = [java, "-Dfile.encoding=UTF-8", *arguments]
    answer = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", cwd=folder, check=False)
    if answer.returncode:
        reason = next((line for line in answer.stderr.splitlines() if "Exception" in line or "Error" in line), "")
        raise RunError(f"{where}: Java ended with code {answer.returncode} ({reason or 'it said nothing'}).")
    return answer.stdout
