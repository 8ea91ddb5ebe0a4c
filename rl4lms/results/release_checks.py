"""Do a released folder, its manifest, the repository and the results say the same? Each check gives its findings.

A finding is one line that names what differs. Where a forger changed one of two things that are bound to each other, it
is found here, in seconds; where both were changed alike, only making the cell again finds it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rl4lms.core.errors import DataError
from rl4lms.core.io import sha256_file, sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.core.result_keys import SPLIT
from rl4lms.results.release import README, Release, SuiteCell, metrics_text, readme_digest, records

Rows = dict[SuiteCell, dict[str, tuple[float, int]]]  # cell -> metric -> (value, n), in the order of scores.csv


def check_files(folder: Path, release: Release) -> Iterator[str]:
    """Every released file has its digest, none is missing, none was added; README.md names the manifest."""
    manifest = sha256_file(folder / MANIFEST_FILE)
    there = {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    for name in sorted(there - {MANIFEST_FILE, *release.files}):
        yield f"{name}: not in the manifest"
    for name, sha in release.files.items():
        if name not in there:
            yield f"{name}: missing"
        elif name == README:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
            if manifest not in text:
                yield f"{MANIFEST_FILE}: not the one that {README} names by its digest; it is {manifest}"
            if readme_digest(text, manifest) != sha:
                yield f"{README}: not the file that was released"
            if "grue.md" in there and (folder / "grue.md").read_text(errors="replace").strip() not in text:
                yield f"{README}: its tables are not those of grue.md"
        elif sha256_file(folder / name) != sha:
            yield f"{name}: not the file that was released (sha256)"
    if README not in release.files:
        yield f"{MANIFEST_FILE}: lists no {README}, which would name it"


def read_scores(folder: Path) -> Rows:
    """The rows of scores.csv by cell. Raises DataError for a line that is none."""
    path, rows = folder / "scores.csv", Rows()
    if not path.is_file():
        raise DataError(f"{path}: no such file; a release has the scores of all cells.")
    for number, row in enumerate(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8", errors="replace"))), 2):
        try:
            cell = SuiteCell(row["task"], row["method"], int(row["seed"]))
            metric, value, n = row["metric"].removeprefix("'"), float(row["value"]), int(row["n"])
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"{path}, line {number}: no row of scores; expected task, method, seed, value, n."
            ) from None
        if row["split"] != SPLIT or metric in rows.get(cell, {}):
            raise DataError(f"{path}, line {number}: {metric} of {cell} is there twice, or of another split.")
        rows.setdefault(cell, {})[metric] = (value, n)
    return rows


def check_cells(rows: Rows, release: Release) -> Iterator[str]:
    """scores.csv has the manifest's cells, and the rows of each are what its metrics.json said, to the byte."""
    cells = dict.fromkeys(release.cells)
    for cell in [cell for cell in rows if cell not in cells]:
        yield f"scores.csv: {cell} is not in the manifest"
    for cell in cells:
        if cell not in rows:
            yield f"scores.csv: no rows of {cell}"
        else:
            text = metrics_text((metric, value, n) for metric, (value, n) in rows[cell].items())
            if sha256_text(text) != release.digests(f"scores/{cell}")["metrics.json"]:
                yield f"scores.csv: the rows of {cell} are not the metrics that the manifest has of it"


def check_members(release: Release, numbers: Mapping[str, Any], all_methods: list[str]) -> Iterator[str]:
    """The manifest's cells are those of the suite at its commit. numbers: its params/grue.yaml."""
    expected = [SuiteCell(t, m, s) for t in numbers["tasks"] for m in all_methods for s in numbers["seeds"]]
    listed, wanted = dict.fromkeys(release.cells), dict.fromkeys(expected)
    for cell in wanted | listed:
        if cell not in wanted or cell not in listed:
            where = "missing from the manifest" if cell in wanted else "in the manifest but not in the suite"
            yield f"{cell}: {where} at commit {release.commit[:12]}"


def check_dvc_lock(text: str | None, folder: Path, release: Release) -> Iterator[str]:
    """The released tables are those that dvc.lock recorded.

    text: of the dvc.lock that the manifest names, None where it is not found; where it names none, of the present one.
    """
    if release.dvc_lock is None:
        if text is not None and records(text, release.suite):
            yield "manifest.json: names no dvc.lock, though the repository's records the suite"
        return
    if text is None:
        yield f"dvc.lock: no version of it in this repository has the manifest's sha256 {release.dvc_lock[:12]}..."
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages = yaml.load(text, Loader=loader)["stages"]
    recorded = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}
    place = f"results/{release.suite}"
    for name in release.files:
        md5 = recorded.get(f"{place}/grue/{name}")
        if md5 is not None and (folder / name).is_file() and md5 != _md5(folder / name):
            yield f"{name}: not the file that dvc.lock recorded"


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def check_results(results: Path, release: Release) -> tuple[int, list[str]]:
    """(number of files compared, findings) of the files of every job below `results`, which is results/<suite>."""
    if not results.is_dir():
        raise DataError(f"--results {results}: no such directory; expected results/{release.suite} or a copy of it.")
    n, findings = 0, list[str]()
    for directory in release.jobs:
        found, differing = compare_job(results, directory, release)
        findings, n = findings + differing, n + found
    return n, findings


def compare_job(results: Path, directory: str, release: Release) -> tuple[int, list[str]]:
    """(number of files compared, findings) of one job's files against the manifest."""
    findings = list[str]()
    digests = release.digests(directory)
    for name, sha in digests.items():
        path = results / directory / name
        found = sha256_file(path) if path.is_file() else None
        if found != sha:
            said = "missing" if found is None else f"sha256 {found[:12]}..., released {sha[:12]}..."
            findings.append(f"{directory}/{name}: {said}")
    return len(digests), findings
