"""Copy a finished suite's tables and plots to docs/results/, with their commit and a manifest of what made them.

    python scripts/release_results.py mini

`make release` records the results in DVC first. The commit is that of the code; changes that are not committed would
make the copy no one's, so they are refused, apart from what a release itself writes. The manifest is what
`python -m rl4lms verify docs/results` checks.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from rl4lms.config.params import Params
from rl4lms.core.errors import UserError
from rl4lms.core.io import sha256_file, sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.release import README, build_release, readme_digest

ROOT = Path(__file__).resolve().parents[1]
GAINS = ("statistics.csv", "contrasts.csv", "pairs.csv", "profiles.csv", "training.csv")
TABLES = ("grue.md", "grue.csv", "scores.csv", "significance.csv", *GAINS, "curves.csv", "metrics.json")
PLOTS = ("summary.png", "statistics.png", "learning_curves.png", "kl_reward.png")
MAX_BYTES = 2_000_000  # the study: 210 cells of 56 metrics, and the curves of 165 runs
WRITTEN = ("docs/results", "dvc.lock", "recipes")  # by the release; may differ from the commit


class ReleaseError(UserError):
    """What is in the way of a release, and what to do."""


def release(root: Path, suite: str, commit: str | None = None) -> Path:
    """Replace what is released of the suite by its tables and plots. Returns the directory. Raises UserError.

    commit: of the code, where the results were recorded before; None takes HEAD, of which the working tree is a copy.
    """
    source, target = root / "results" / suite / "grue", folder_of(root, suite)
    files = [source / name for name in (*TABLES, *PLOTS)]
    if missing := [str(path.relative_to(root)) for path in files if not path.is_file()]:
        raise ReleaseError(f"{', '.join(missing)}: not there; finish the benchmark first (make grue).")
    size = sum(path.stat().st_size for path in files)
    if size > MAX_BYTES:
        raise ReleaseError(f"{source}: {size:,} bytes to copy, at most {MAX_BYTES:,} are kept in the repository.")
    commit = commit or clean_commit(root)
    table = (source / "grue.md").read_text(encoding="utf-8")
    digests = {path.name: sha256_file(path) for path in files}
    digests[README] = readme_digest(readme(suite, commit, table, "", target.relative_to(root)), "")
    manifest = build_release(root, suite, commit, digests).text()
    target.mkdir(parents=True, exist_ok=True)
    for path in map(root.joinpath, _git(root, "ls-files", "--", str(target)).splitlines()):
        if path.parent == target:  # of an earlier release, which git keeps; other files are somebody's
            path.unlink(missing_ok=True)
    for path in files:
        shutil.copyfile(path, target / path.name)
    (target / MANIFEST_FILE).write_text(manifest, encoding="utf-8")
    text = readme(suite, commit, table, sha256_text(manifest), target.relative_to(root))
    (target / README).write_text(text, encoding="utf-8")
    return target


def folder_of(root: Path, suite: str) -> Path:
    """docs/results/ for the suite of params/grue.yaml, and a folder of its own in it for another."""
    default = Params.open(root / "params").suite
    return root / "docs" / "results" / ("" if suite == default else suite)


def clean_commit(root: Path) -> str:
    """HEAD, of which the working tree is a copy but for WRITTEN. Raises ReleaseError where it is not."""
    changed = _git(root, "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in WRITTEN))
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines()[:5])
        raise ReleaseError(f"changes that are in no commit ({names}): commit them, run make grue, and release again.")
    return _git(root, "rev-parse", "HEAD")


def _git(root: Path, *arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ReleaseError(f"git {' '.join(arguments[:2])}: {run.stderr.strip() or 'failed'}")
    return run.stdout.rstrip("\n")


def readme(suite: str, commit: str, table: str, manifest: str, folder: Path) -> str:
    """manifest: its sha256; the manifest in turn has the digest of this text without it. folder: below the root."""
    docs = "../" * (len(folder.parts) - 1)
    recorded = " The exact inputs and outputs of every stage are in `dvc.lock`." if len(folder.parts) == 2 else ""
    plots = "\n\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in PLOTS)
    return f"""# Results of the suite `{suite}`

Of commit `{commit}`, made by `make grue` and copied here by `make release`.{recorded}
`python -m rl4lms verify {folder} --cells 3` checks the digests of all that is here, and makes three cells again
([how]({docs}verify.md)).

- `manifest.json`: commit, packages, kernels, and a digest of every file that made a number; its sha256:
  `{manifest}`
- `grue.csv`: what the table below says; `scores.csv`: every metric of every run; `significance.csv`: each checkpoint
  beside the one that it started from
- `statistics.csv`, `contrasts.csv`, `pairs.csv`, `profiles.csv`: what methods gain over their warm start;
  `training.csv`: what their trainings were
- `curves.csv`: rollouts and validation by iteration; `metrics.json`: the headline numbers

{plots}

{table.strip()}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("suite", help="the suite under results/")
    try:
        target = release(ROOT, parser.parse_args().suite)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target.relative_to(ROOT)}: {len(list(target.iterdir()))} files, {size / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
