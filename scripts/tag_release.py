"""Tag the commit as a release; its notes are the version's section of CHANGELOG.md.

    python scripts/tag_release.py 1.2.0

`make release VERSION=1.2.0` calls it. Nothing is pushed. It refuses a commit that does not say this version everywhere,
or beside which something is not committed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Where the version stands: file -> what comes before it and after it on its line.
STATED = {"rl4lms/__init__.py": r'^__version__ = "([^"]+)"', "CITATION.cff": r"^version: (\S+)"}


class ReleaseError(Exception):
    """One line: what is in the way, and what to do."""


def tag(root: Path, version: str) -> str:
    """Tag HEAD as v<version>. Returns the notes. Raises ReleaseError, having changed nothing."""
    if not re.fullmatch(r"\d+\.\d+\.\d+([ab]\d+|rc\d+)?", version):
        raise ReleaseError(f"VERSION={version}: expected one like 1.2.0 or 1.2.0rc1.")
    for name, pattern in STATED.items():
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        if found is None or found[1] != version:
            raise ReleaseError(
                f"{name} says version {found[1] if found else 'nothing'}; let it say {version}, and commit."
            )
    text = notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if changed := git(root, "status", "--porcelain").splitlines():
        raise ReleaseError(
            f"changes that are in no commit ({', '.join(line[3:] for line in changed[:5])}): commit them."
        )
    if git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} is there already; choose the next version.")
    # Headings of the notes begin with "#", which git would take for comments.
    git(root, "tag", "--annotate", "--cleanup=whitespace", f"v{version}", "--message", f"rl4lms {version}\n\n{text}")
    return text


def notes(changelog: str, version: str) -> str:
    """The text of a version's section. Raises ReleaseError if there is none, or if it is empty."""
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ReleaseError(f"CHANGELOG.md: no text under ## [{version}]; name what was unreleased so, and commit.")
    return found[1].strip()


def git(root: Path, *arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ReleaseError(f"git {arguments[0]}: {run.stderr.strip() or 'failed'}")
    return run.stdout.rstrip("\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version", help="like 1.2.0")
    version = parser.parse_args().version
    try:
        text = tag(ROOT, version)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"v{version} is tagged; git push origin v{version} publishes it. Its notes:\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
