"""Forge a release of the suite `tiny` in a hundred ways and see whether `python -m rl4lms verify` finds each.

`python -m tests.forgeries` runs the suite in a copy of the project and releases it. Then 90 forgeries that change one
of two things that are bound to each other (most of them with every file's digest written anew) must be found in
seconds, without making anything again; 10 that are consistent, for the forger changed the results and released them
anew, must pass that and be found where `--cells` names the cell; and 20 honest verifications, each of a cell that is
drawn, must pass. Prints a table and ends with 1 where anything went otherwise. --work DIR keeps everything, and goes
on from it; --fresh makes the cell of each honest verification in a directory of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.cli.main import main as rl4lms
from rl4lms.core.io import sha256_file, sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.release import README, Release, metrics_text
from scripts.release_results import release
from tests.pipeline.checkout import ROOT, Checkout

SUITE = "tiny"
MAIN = {"imdb": "semantic/learned_automodel_metric", "common_gen": "lexical/meteor"}
WEIGHTS = "model/model.safetensors"
Change = Callable[["Copy", random.Random], None]


@dataclass
class Copy:
    """A released folder, and results/<suite>, that a forger may change."""

    folder: Path
    results: Path

    @property
    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / MANIFEST_FILE).read_text())
        return content

    def write_manifest(self, content: dict[str, Any]) -> None:
        (self.folder / MANIFEST_FILE).write_text(json.dumps(content))

    def rehash(self) -> None:
        """Write the digests of the released files anew: the manifest's, and the manifest's own in README.md."""
        content, readme = self.manifest, self.folder / README
        text = re.sub(r"`[0-9a-f]{64}`", "``", readme.read_text())
        content["files"] = {name: sha256_file(self.folder / name) for name in content["files"] if name != README}
        content["files"][README] = sha256_text(text)
        self.write_manifest(content)
        readme.write_text(text.replace("``", f"`{sha256_file(self.folder / MANIFEST_FILE)}`"))

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.folder / name).read_text())))

    def write_rows(self, name: str, rows: list[dict[str, str]]) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        (self.folder / name).write_text(out.getvalue())


def nudged(text: str, rng: random.Random) -> str:
    """A number, a little larger or smaller, as a forger would have it."""
    value = float(text)
    return repr(value * (1 + rng.choice((-1, 1)) * rng.uniform(0.02, 0.2)) if value else 0.01)


def a_number_of(name: str, column: str | None = None) -> Change:
    """Change one number of a csv file. column: whose; None takes any that has one and is no bound of an average."""

    def change(copy: Copy, rng: random.Random) -> None:
        rows = copy.rows(name)
        row = rng.choice(rows)
        usual = [
            key for key, text in row.items() if re.fullmatch(r"-?\d+\.\d+(e-\d+)?", text) and "average:" not in key
        ]
        key = column or rng.choice(usual)
        row[key] = nudged(row[key], rng)
        copy.write_rows(name, rows)

    return change


def in_markdown(name: str) -> Change:
    """Change one number that a table of methods shows."""

    def change(copy: Copy, rng: random.Random) -> None:
        text = (copy.folder / name).read_text()
        tables = text[text.index("## Task metrics") : text.index("## KL to the starting model")]
        found = rng.choice([m for m in re.finditer(r"\b0\.\d{3}\b", tables) if float(m[0]) > 0])
        forged = f"{float(found[0]) + rng.choice((0.004, 0.02)):.3f}"
        copy_of = tables[: found.start()] + forged + tables[found.end() :]
        (copy.folder / name).write_text(text.replace(tables, copy_of))
        if name == "grue.md":  # README.md holds the same tables
            readme = copy.folder / README
            readme.write_text(readme.read_text().replace(tables, copy_of))

    return change


def headline(copy: Copy, rng: random.Random) -> None:
    numbers = json.loads((copy.folder / "metrics.json").read_text())
    key = rng.choice([key for key in numbers if key.startswith("score_")])
    (copy.folder / "metrics.json").write_text(json.dumps(numbers | {key: round(numbers[key] + 0.03, 6)}))


def drop_row(copy: Copy, rng: random.Random) -> None:
    rows = copy.rows("scores.csv")
    rows.pop(rng.randrange(len(rows)))
    copy.write_rows("scores.csv", rows)


def drop_cell(copy: Copy, rng: random.Random) -> None:
    rows = copy.rows("scores.csv")
    gone = rng.choice(rows)
    same = ("task", "method", "seed")
    copy.write_rows("scores.csv", [row for row in rows if any(row[key] != gone[key] for key in same)])


def add_cell(copy: Copy, rng: random.Random) -> None:
    """A third seed, a copy of another one's rows."""
    rows = copy.rows("scores.csv")
    chosen = rng.choice(rows)
    same = [row for row in rows if all(row[key] == chosen[key] for key in ("task", "method", "seed"))]
    copy.write_rows("scores.csv", rows + [row | {"seed": "2"} for row in same])


def swap_seeds_in_scores(copy: Copy, rng: random.Random) -> None:
    rows = copy.rows("scores.csv")
    chosen = rng.choice([row for row in rows if row["method"] != "zero_shot"])
    for row in rows:
        if row["task"] == chosen["task"] and row["method"] == chosen["method"]:
            row["seed"] = "1" if row["seed"] == "0" else "0"
    copy.write_rows("scores.csv", rows)


def swap_seeds_in_manifest(copy: Copy, rng: random.Random) -> None:
    content = copy.manifest
    one = rng.choice([name for name in content["jobs"] if re.match(r"scores/\w+/(?!zero_shot).*seed0", name)])
    other = one.replace("seed0", "seed1")
    content["jobs"][one], content["jobs"][other] = content["jobs"][other], content["jobs"][one]
    copy.write_manifest(content)


def swap_methods(copy: Copy, rng: random.Random) -> None:
    """The numbers of one method are shown as another's."""
    rows = copy.rows("grue.csv")
    one, other = rng.sample(range(len(rows)), 2)
    rows[one]["method"], rows[other]["method"] = rows[other]["method"], rows[one]["method"]
    copy.write_rows("grue.csv", rows)


def manifest_key(key: str, value: Callable[[Any], Any]) -> Change:
    def change(copy: Copy, rng: random.Random) -> None:
        content = copy.manifest
        content[key] = value(content[key])
        copy.write_manifest(content)

    return change


def digest_of_job(file: str) -> Change:
    """Another digest for a file of a run or of its scores."""

    def change(copy: Copy, rng: random.Random) -> None:
        content = copy.manifest
        have = [name for name, (stage, _) in content["jobs"].items() if file in content["outputs"][stage]]
        stage, digests = content["jobs"][name := rng.choice(have)]
        digests[content["outputs"][stage].index(file)] = sha256_text(f"{name} forged")
        copy.write_manifest(content)

    return change


def in_results(file: str) -> Change:
    """Change a file of a job where it lies: a byte of weights, a word or a number of a text."""

    def change(copy: Copy, rng: random.Random) -> None:
        path = rng.choice(sorted(copy.results.rglob(file)))
        data = bytearray(path.read_bytes())
        path.unlink()  # it may be a link to the honest one
        data[-rng.randrange(1, min(200, len(data)))] ^= 1
        path.write_bytes(data)

    return change


def swap_results(copy: Copy, rng: random.Random) -> None:
    one = rng.choice(sorted(copy.results.glob("scores/*/ppo/seed0")))
    other = one.with_name("seed1")
    one.rename(aside := one.with_name("aside"))
    other.rename(one)
    aside.rename(other)


def picture(copy: Copy, rng: random.Random) -> None:
    path = rng.choice(sorted(copy.folder.glob("*.png")))
    path.write_bytes(path.read_bytes() + b"\0")


def first_hex(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


# What is forged -> (change, whether all digests of files are then written anew, whether the results lie there), and how
# often, each time in another place. 90 in all.
INCONSISTENT: dict[str, tuple[Change, bool, bool, int]] = {
    "a number of scores.csv": (a_number_of("scores.csv", "value"), False, False, 4),
    "a number of scores.csv, re-hashed": (a_number_of("scores.csv", "value"), True, False, 8),
    "a number of grue.csv": (a_number_of("grue.csv"), False, False, 4),
    "a number of grue.csv, re-hashed": (a_number_of("grue.csv"), True, False, 8),
    "a number of grue.md, re-hashed": (in_markdown("grue.md"), True, False, 6),
    "a number of README.md, re-hashed": (in_markdown(README), True, False, 4),
    "a number of significance.csv, re-hashed": (a_number_of("significance.csv", "value"), True, False, 4),
    "a headline number, re-hashed": (headline, True, False, 3),
    "a number of curves.csv": (a_number_of("curves.csv", "value"), False, False, 3),
    "a picture": (picture, False, False, 2),
    "a row of scores.csv gone, re-hashed": (drop_row, True, False, 4),
    "a cell of scores.csv gone, re-hashed": (drop_cell, True, False, 3),
    "a cell added to scores.csv, re-hashed": (add_cell, True, False, 3),
    "two methods swapped in grue.csv, re-hashed": (swap_methods, True, False, 3),
    "seeds swapped in scores.csv, re-hashed": (swap_seeds_in_scores, True, False, 4),
    "seeds swapped in the manifest, re-hashed": (swap_seeds_in_manifest, True, False, 3),
    "seeds swapped in the results": (swap_results, False, True, 2),
    "a prediction in the results": (in_results("test_predictions.json"), False, True, 5),
    "a weight in the results": (in_results("model.safetensors"), False, True, 5),
    "a number logged in the results": (in_results("rollout_info.jsonl"), False, True, 2),
    "a weight's digest in the manifest": (digest_of_job(WEIGHTS), False, False, 2),
    "a weight's digest, re-hashed, beside the results": (digest_of_job(WEIGHTS), True, True, 2),
    "a score's digest in the manifest, re-hashed": (digest_of_job("metrics.json"), True, False, 2),
    "the manifest's commit, re-hashed": (manifest_key("commit", first_hex), True, False, 1),
    "the manifest's lock, re-hashed": (
        manifest_key("lock", lambda lock: lock | {"constraints.txt": "0" * 64}), True, False, 1,
    ),
    "the manifest's recipes, re-hashed": (
        manifest_key("recipes", lambda found: {name: first_hex(sha) for name, sha in found.items()}), True, False, 1,
    ),
    "a method left out of the manifest, re-hashed": (
        manifest_key("jobs", lambda jobs: {n: job for n, job in jobs.items() if "/ppo/" not in n}), True, False, 1,
    ),
}  # fmt: skip


class Trial:
    """The project with its honest release, and what each forgery and verification came to."""

    def __init__(self, work: Path) -> None:
        self.work, self.wrong = work, 0
        self.project = Checkout(work / "project")
        self.folder = self.project.path / "docs/results" / SUITE  # which is not the default suite

    def prepare(self) -> None:
        """Run and release the suite, unless that is done."""
        if (self.folder / MANIFEST_FILE).is_file():
            return
        shutil.rmtree(self.work, ignore_errors=True)
        project = Checkout.make(self.project.path, stub=False)
        for name in ("constraints.txt", "requirements-nodeps.txt"):
            shutil.copy(ROOT / name, project.path)
        project.set_param(f"suites/{SUITE}/grue.yaml", "algs", ["ppo"])
        project.set_param(f"suites/{SUITE}/grue.yaml", "seeds", [0, 1])
        project.run("python", "-m", "rl4lms", "recipes", "--suite", SUITE, "--out", f"recipes/{SUITE}")
        project.commit("The project")
        project.grue("grue_all", "--config", f"suite={SUITE}", cores=os.cpu_count() or 1)
        release(project.path, SUITE)

    def verify(self, folder: Path, *options: str) -> tuple[int, list[str], float]:
        """(exit code, what it printed, seconds)"""
        out, began = io.StringIO(), time.monotonic()
        with contextlib.chdir(self.project.path), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = rl4lms(["verify", str(folder), "--quiet", *options])
        return code, out.getvalue().splitlines() or [""], time.monotonic() - began

    def say(self, name: str, right: bool, seconds: float, said: str) -> None:
        self.wrong += not right
        print(f"{'' if right else 'WRONG: '}{name} | {seconds:.1f} s | {said.replace(str(self.work), '')}", flush=True)

    def inconsistent(self, n: int, seed: int) -> None:
        todo = [(name, entry[:3]) for name, entry in INCONSISTENT.items() for _ in range(entry[3])]
        for i, (name, (change, rehash, with_results)) in enumerate(todo[:n]):
            copy = Copy(self.work / "forged/folder", self.work / "forged/results")
            shutil.rmtree(copy.folder.parent, ignore_errors=True)
            shutil.copytree(self.folder, copy.folder)
            shutil.copytree(self.project.path / "results" / SUITE, copy.results, copy_function=os.link)
            change(copy, random.Random(f"{seed} {i}"))
            if rehash:
                copy.rehash()
            options = ("--results", str(copy.results)) if with_results else ()
            code, said, seconds = self.verify(copy.folder, *options)
            self.say(name, code in (1, 2), seconds, said[0])

    def consistent(self, n: int, seed: int) -> None:
        forger = Checkout(self.work / "forger")
        cells = Release.read(self.folder / MANIFEST_FILE).cells
        for i in range(n):
            rng = random.Random(f"{seed} consistent {i}")
            kind = (forge_scores, forge_predictions, forge_weights, forge_curve)[i % 4]
            trained = [cell for cell in cells if cell.method != "zero_shot"]
            cell = rng.choice([each for each in trained if "ppo" in each.method] if kind is forge_curve else trained)
            shutil.rmtree(forger.path, ignore_errors=True)
            shutil.copytree(self.project.path, forger.path, symlinks=True)
            kind(forger.path / "results" / SUITE, str(cell), MAIN[cell.task])
            forger.run("python", "-m", "rl4lms", "aggregate", "--suite", SUITE)
            folder = self.work / "forged/folder"  # outside of the forger's repository, so that the project's is asked
            shutil.rmtree(folder.parent, ignore_errors=True)
            shutil.copytree(release(forger.path, SUITE), folder)
            name = f"{kind.__name__.replace('_', ' ')} of {cell}, consistently"
            code, said, seconds = self.verify(folder)
            self.say(f"{name}: without making it again it passes", code == 0, seconds, said[-1])
            code, said, seconds = self.verify(folder, "--cells", str(cell), "--work", str(self.work / "again"))
            self.say(f"{name}: made again", code == 1, seconds, said[0])

    def honest(self, n: int, fresh: bool) -> None:
        for k in range(n):
            work = self.work / (f"again-{k}" if fresh else "again")
            code, said, seconds = self.verify(self.folder, "--cells", "1", "--seed", str(k), "--work", str(work))
            self.say(f"honest, seed {k}", code == 0, seconds, said[-1])


def forge_scores(results: Path, cell: str, main: str) -> None:
    """A better main metric, in the metrics and in the predictions that have it."""
    scores = results / f"scores/{cell}"
    metrics = json.loads((scores / "metrics.json").read_text())
    n, metrics[main] = metrics.pop("n"), metrics[main] * 1.1
    (scores / "metrics.json").write_text(metrics_text((name, value, n) for name, value in metrics.items()))
    line = json.loads((scores / "test_split_metrics.jsonl").read_text())
    (scores / "test_split_metrics.jsonl").write_text(json.dumps(line | {"metrics": metrics}) + "\n")
    rows = json.loads((scores / "test_predictions.json").read_text())
    for row in rows:
        if main in row:
            row[main] *= 1.1
    (scores / "test_predictions.json").write_text(json.dumps(rows))


def forge_predictions(results: Path, cell: str, main: str) -> None:
    """Another text in one prediction."""
    path = results / f"scores/{cell}/test_predictions.json"
    rows = json.loads(path.read_text())
    rows[0]["generated_text"] += " and more"
    path.write_text(json.dumps(rows))


def forge_weights(results: Path, cell: str, main: str) -> None:
    """Other weights, and every manifest that names them."""
    path = results / f"runs/{cell}" / WEIGHTS
    old, data = sha256_file(path), bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    for manifest in results.rglob(MANIFEST_FILE):
        manifest.write_text(manifest.read_text().replace(old, sha256_file(path)))


def forge_curve(results: Path, cell: str, main: str) -> None:
    """Rollouts that earned more than they did."""
    path = results / f"runs/{cell}/rollout_info.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["rollout/ep_rew_mean"] *= 1.2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, n in (("inconsistent", 90), ("consistent", 10), ("honest", 20)):
        parser.add_argument(f"--{name}", type=int, default=n, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of what is forged where (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="directory to keep and go on from (default: a temporary one)")
    parser.add_argument("--fresh", action="store_true", help="make each honest cell in a directory of its own")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        trial = Trial(args.work.absolute() if args.work else Path(temporary))
        trial.prepare()
        for part in ("inconsistent", "consistent", "honest"):
            began, wrong = time.monotonic(), trial.wrong
            count, more = getattr(args, part), {"honest": args.fresh}.get(part, args.seed)
            getattr(trial, part)(count, more)
            print(f"== {count} {part}: {trial.wrong - wrong} wrong, {time.monotonic() - began:.0f} s\n", flush=True)
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
