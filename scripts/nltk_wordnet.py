"""WordNet for nltk without nltk's downloader, from Debian's packages:

    apt-get install wordnet-base wordnet-sense-index
    python scripts/nltk_wordnet.py [--source /usr/share/wordnet] [--target $NLTK_DATA]

Copies the database (nltk follows no links out of its data) and writes `lexnames`, the one file that Debian leaves out:
the names of the 45 lexicographer files, as lexnames(5WN) of the WordNet manual numbers them. About 35 MB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from rl4lms.core.errors import DataError, report_error

# Number of the part of speech, then its lexicographer files in the order of the manual.
_LEXNAMES = (
    (3, "adj.all adj.pert"),
    (4, "adv.all"),
    (1, "noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition noun.communication "
        "noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person "
        "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape "
        "noun.state noun.substance noun.time"),
    (2, "verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption verb.contact "
        "verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative "
        "verb.weather"),
    (3, "adj.ppl"),
)  # fmt: skip
FILES = [f"{kind}.{part}" for part in ("noun", "verb", "adj", "adv") for kind in ("data", "index")]
FILES += [f"{part}.exc" for part in ("noun", "verb", "adj", "adv")] + ["index.sense"]


def lexnames() -> str:
    names = [(name, part) for part, group in _LEXNAMES for name in group.split()]
    return "".join(f"{number:02d}\t{name}\t{part}\n" for number, (name, part) in enumerate(names))


def install(source: Path, target: Path) -> Path:
    """Copy WordNet's files from `source` to `target`/corpora/wordnet, and return that folder."""
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise DataError(
            f"{source}: no {', '.join(missing)}. Install wordnet-base and wordnet-sense-index, or name the folder that "
            "holds WordNet's dict files with --source."
        )
    folder = target / "corpora" / "wordnet"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    (folder / "lexnames").write_text(lexnames(), encoding="ascii")
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("NLTK_DATA", "").split(os.pathsep)[0] or str(Path.home() / "nltk_data")
    parser.add_argument("--source", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--target", type=Path, default=Path(default), help="default: %(default)s")
    args = parser.parse_args()
    try:
        print(install(args.source, args.target.expanduser()))
    except Exception as error:
        return report_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
