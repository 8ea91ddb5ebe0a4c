"""Write the files that pages of docs/ show into their fences, so that a page reads on GitHub as on the site.

    python scripts/show_files.py [--check]

A fence under the comment `<!-- docs/examples/reward.py -->`, or `<!-- docs/examples/reward.yml:2:4 -->` for some of the
lines, is filled with that file; --check changes nothing, and fails where a fence has something else.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = re.compile(r"(<!-- (docs/examples/[^\s:]+)(?::(\d+):(\d+))? -->\n```[^\n]*\n)(.*?)(\n?```\n)", re.DOTALL)


def filled(text: str) -> str:
    """The text of a page with every shown file as it is now."""
    return SHOWN.sub(lambda found: f"{found[1]}{shown(found[2], found[3], found[4])}\n```\n", text)


def shown(name: str, first: str | None, last: str | None) -> str:
    lines = (ROOT / name).read_text(encoding="utf-8").rstrip("\n").splitlines()
    return "\n".join(lines[int(first) - 1 : int(last)] if first and last else lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    check, stale = parser.parse_args().check, []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: {'not as the files are; python scripts/show_files.py' if check else 'filled'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
