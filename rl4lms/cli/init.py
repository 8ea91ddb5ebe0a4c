"""`init`: write a grid of one's own, the Snakemake and DVC pipeline with its parameters, into a folder.

A wheel carries the files in `_grid/` beside this package, where the build puts them (hatch_build.py); a checkout has
them at its root. pyproject.toml lists them for both.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterable
from pathlib import Path

from rl4lms import __version__
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import write_text

PACKAGE = Path(__file__).resolve().parents[1]
MAKEFILE = "workflow/grid.mk"  # the part of the Makefile that a grid needs
# In a grid of one's own no folder holds the library, so its version stands for its code.
LIBRARY, VERSION_FILE = "deps: [rl4lms, ", "requirements.txt"
SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="the folder, made if it is not there")
    parser.add_argument("--force", action="store_true", help="overwrite files that say something else")


def run(args: argparse.Namespace) -> None:
    directory: Path = args.directory
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"init: {directory} is a file; name a folder.")
    files = grid()
    new = {name: text for name, text in files.items() if content(directory / name) != text.encode()}
    kept = [name for name in new if (directory / name).exists()]
    if kept and not args.force:
        more = f" and {len(kept) - SHOWN} more" if len(kept) > SHOWN else ""
        raise ConfigError(
            f"init: {directory} has other files of these names: {', '.join(kept[:SHOWN])}{more}. "
            "Name an empty folder, or overwrite them with --force."
        )
    for name, text in new.items():
        write_text(directory / name, text)
    print(f"{directory}: {len(new)} files written, {len(files) - len(new)} were there already.")
    print("There: snakemake -n grue_all plans the benchmark, make grue runs it; dvc needs `git init` first.")


def grid() -> dict[str, str]:
    """Every file of a grid: its path in the grid -> its text. Raises ConfigError if this installation has none."""
    files = dict(sources())
    files["Makefile"] = files.pop(MAKEFILE)
    files["dvc.yaml"] = files["dvc.yaml"].replace(LIBRARY, f"deps: [{VERSION_FILE}, ")
    files[VERSION_FILE] = f"rl4lms-grue=={__version__}\n"
    return files


def sources() -> Iterable[tuple[str, str]]:
    """(path, text) of each file that the grid is made of."""
    root, names = PACKAGE / "_grid", ["."]
    if not root.is_dir():
        root = PACKAGE.parent
        try:
            build = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
            names = build["targets"]["wheel"]["hooks"]["custom"]["grid"]
        except (OSError, KeyError):
            raise ConfigError(
                f"init: {PACKAGE} was installed without the grid; install a wheel or use a checkout."
            ) from None
    for name in names:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
