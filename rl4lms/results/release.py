"""The manifest of a released suite: what its tables were made of, by which commit, with which packages and kernels.

One digest for every file that a job of the suite left behind, so that a cell (a task, a method, a seed) can be made
again and compared, and so that what is released can be checked without the results: a cell's rows of scores.csv,
written as its metrics.json, have the digest of that file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, methods, run_of, starting_point
from rl4lms.config.layout import paths
from rl4lms.config.params import Params
from rl4lms.config.stages import STAGES
from rl4lms.core.errors import DataError, did_you_mean
from rl4lms.core.io import read_json, sha256_file, sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.locked_versions import differing, locked_versions

FORMAT = 1
README = "README.md"
LOCK_FILES = ("constraints.txt", "requirements-nodeps.txt")
FACTS = ("python", "kernels", "threads", "packages")  # equal in every job of a suite, so that a release says them once


class SuiteCell(NamedTuple):
    """One evaluated run."""

    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}/{self.method}/seed{self.seed}"


class JobFiles(NamedTuple):
    """What one job left behind. digests: sha256 of its stage's outputs, in their order."""

    stage: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """The content of a released suite's manifest.json.

    lock: file of locked versions -> sha256. machine: FACTS, and `cpus` and `devices`, all that made a part of it.
    recipes: file below recipes/<suite>/ -> sha256 (what code and numbers a job had). dvc_lock: sha256 of dvc.lock,
    None where it does not record the suite. outputs: stage -> names of its files. made_from: task, or directory of a
    shared model -> what its jobs read, beside the runs that a method starts from. jobs: directory below
    results/<suite>/ -> JobFiles, each after those that it was made from. files: released file -> sha256; of README.md
    without this manifest's digest in it.
    """

    suite: str
    commit: str
    lock: Mapping[str, str]
    machine: Mapping[str, Any]
    recipes: Mapping[str, str]
    dvc_lock: str | None
    outputs: Mapping[str, tuple[str, ...]]
    made_from: Mapping[str, tuple[str, ...]]
    jobs: Mapping[str, JobFiles]
    files: Mapping[str, str]
    format: int = FORMAT

    @property
    def cells(self) -> list[SuiteCell]:
        """Every evaluated run, in the suite's order."""
        found = (Path(directory).parts for directory, job in self.jobs.items() if job.stage == "evaluate")
        return [SuiteCell(task, method, int(seed.removeprefix("seed"))) for _, task, method, seed in found]

    def digests(self, directory: str) -> dict[str, str]:
        """File name -> sha256 of what a job left in a directory below results/<suite>/."""
        job = self.jobs[directory]
        return dict(zip(self.outputs[job.stage], job.digests, strict=True))

    def ancestry(self, cell: SuiteCell) -> list[str]:
        """The directories of a cell and of everything that it was made from, each after those that it needs."""
        trained = {run_of(cell.method), starting_point(cell.method)} - {ZERO_SHOT}
        needed = {f"scores/{cell}", *(f"runs/{cell.task}/{method}/seed{cell.seed}" for method in trained)}
        for directory in self.made_from.get(cell.task, ()):
            needed |= {directory, *self.made_from.get(directory, ())}
        return [directory for directory in self.jobs if directory in needed]

    def text(self) -> str:
        """The file: JSON with a line for each job, so that a diff of two releases names cells."""
        content = asdict(self)
        lines = [f" {json.dumps(key)}: {_lines(value)}" for key, value in content.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def read(cls, path: Path) -> Release:
        """Raises DataError for a file that is missing, or no manifest of a release."""
        if not path.is_file():
            raise DataError(f"{path}: no such file, so there is nothing to verify; make release writes it.")
        content = read_json(path)
        known = cls.__dataclass_fields__.keys()
        if not isinstance(content, dict) or content.get("format") != FORMAT or content.keys() != known:
            raise DataError(f"{path}: no manifest of a release in format {FORMAT} (keys: {', '.join(known)}).")
        try:
            jobs = {name: JobFiles(stage, tuple(digests)) for name, (stage, digests) in content["jobs"].items()}
            lists = {k: {name: tuple(each) for name, each in content[k].items()} for k in ("outputs", "made_from")}
            release = cls(**{**content, **lists, "jobs": jobs})
            _ = [release.digests(directory) for directory in jobs], release.cells, dict(release.files)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: its list of jobs cannot be read ({error}); release the suite again.") from None
        return release


def _lines(value: Any) -> str:
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value)
    return (
        "{\n"
        + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
        + "\n }"
    )


def suite_jobs(params: Params) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """(directory below results/<suite>/ -> stage, made_from) of every job that the suite's cells need."""
    grue = params.grue()
    runs, scores, made_from = dict[str, str](), dict[str, str](), dict[str, tuple[str, ...]]()
    run = methods(grue["algs"], grue["baselines"], grue["starts"])
    for task, method, seed in product(grue["tasks"], run, grue["seeds"]):
        found = _directories(params, "evaluate", task=task, method=method, seed=seed)
        scores[found["out"]] = "evaluate"
        if method != ZERO_SHOT:
            runs[found["run"]] = SUPERVISED if run_of(method) == SUPERVISED else "train"
        made_from[task] = tuple(found[key] for key in ("data", "base-model", "reward-model") if key in found)
    shared = dict[str, str]()
    for _, base, *classifiers in list(made_from.values()):
        shared[base] = "base-model"
        made_from[base] = tuple(f"data/{task}" for task in params.base_model(Path(base).name)["tasks"])
        for each in classifiers:
            shared[each] = "reward-model"
            made_from[each] = (_directories(params, "reward-model", name=Path(each).name)["data"],)
    data = {each: "prepare" for read in made_from.values() for each in read if each.startswith("data/")}
    warm_first = dict(sorted(runs.items(), key=lambda item: item[1] != SUPERVISED))
    return {**data, **shared, **warm_first, **scores}, made_from


def _directories(params: Params, stage: str, **names: Any) -> dict[str, str]:
    """Option of a job's command -> directory below results/<suite>/."""
    root = f"results/{params.suite}/"
    return {option: path.removeprefix(root) for option, path in paths(params, stage, names).items()}


def build_release(root: Path, suite: str, commit: str, files: Mapping[str, str]) -> Release:
    """The manifest of results/<suite> below `root`, which must be finished. files: released file -> sha256.

    Raises DataError for a file of a job that is missing, for jobs that ran with other packages, kernels or threads, and
    for one that says it read another file than the one that lies there.
    """
    results = root / "results" / suite
    params = Params.open(root / "params", suite)
    stages, made_from = suite_jobs(params)
    jobs = {directory: JobFiles(stage, _digests(results / directory, stage)) for directory, stage in stages.items()}
    outputs = {stage: STAGES[stage].outputs for stage in dict.fromkeys(stages.values())}
    machine = _machine(results, stages)
    if other := differing(locked_versions((root / LOCK_FILES[0]).read_text(encoding="utf-8")), machine["packages"]):
        raise DataError(f"results/{suite} was made with other packages than {LOCK_FILES[0]} has: {', '.join(other)}.")
    recipes = recipe_digests(root / "recipes" / suite)
    if not recipes:
        raise DataError(f"{root}/recipes/{suite}: no recipes there; make record writes them.")
    dvc_lock = root / "dvc.lock"
    recorded = dvc_lock.read_text(encoding="utf-8") if dvc_lock.is_file() else ""
    release = Release(
        suite=suite,
        commit=commit,
        lock={name: _digest(root / name) for name in LOCK_FILES},
        machine=machine,
        recipes=recipes,
        dvc_lock=sha256_text(recorded) if records(recorded, suite) else None,
        outputs=outputs,
        made_from=made_from,
        jobs=jobs,
        files=dict(files),
    )
    _check_inputs(root, release)
    return release


def recipe_digests(directory: Path) -> dict[str, str]:
    """File below recipes/<suite>/ -> sha256."""
    return {str(path.relative_to(directory)): sha256_file(path) for path in sorted(directory.rglob("*.json"))}


def records(dvc_lock: str, suite: str) -> bool:
    """Whether the text of a dvc.lock records the tables of a suite, each by its own name."""
    return f"results/{suite}/grue/scores.csv" in dvc_lock


def _digest(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file, so the suite is not finished; make grue and make record, then release.")
    return sha256_file(path)


def _digests(directory: Path, stage: str) -> tuple[str, ...]:
    return tuple(_digest(directory / name) for name in STAGES[stage].outputs)


def _machine(results: Path, directories: Iterable[str]) -> dict[str, Any]:
    """FACTS, in which all jobs must agree, every CPU and device. Raises DataError naming the job that differs."""
    said = {directory: read_json(results / directory / MANIFEST_FILE) for directory in directories}
    first, *_ = said
    for directory, facts in said.items():
        for name in FACTS:
            if facts.get(name) != said[first].get(name):
                raise DataError(
                    f"{results / directory}: {name} is {facts.get(name)!r}, of {first} {said[first].get(name)!r}; "
                    "a release is of one environment: make the jobs of one of the two again."
                )
    several = {f"{name}s": sorted({facts[name] for facts in said.values()}) for name in ("cpu", "device")}
    return {name: said[first][name] for name in FACTS} | several


def _check_inputs(root: Path, release: Release) -> None:
    """Raises DataError where a job read a file, by its own manifest, that is not the one that is released."""
    place = f"results/{release.suite}"
    released = {f"{place}/{d}/{name}": sha for d in release.jobs for name, sha in release.digests(d).items()}
    for directory in release.jobs:
        read: dict[str, str] = read_json(root / place / directory / MANIFEST_FILE)["inputs"]
        for file, sha in read.items():
            if released.get(file, sha) != sha:
                raise DataError(
                    f"{place}/{directory}: made from another {file} than the one that lies there; make it again."
                )


def metrics_text(rows: Iterable[tuple[str, float, int]]) -> str:
    """A cell's metrics.json, byte for byte, from its rows of scores.csv: (metric, value, n)."""
    listed = list(rows)
    content: dict[str, float | int] = {metric: value for metric, value, _ in listed}
    return json.dumps({**content, "n": listed[0][2]}, indent=2, ensure_ascii=False) + "\n"


def readme_digest(text: str, manifest: str) -> str:
    """sha256 of a released README.md without the digest of the manifest. manifest: that digest."""
    return sha256_text(text.replace(manifest, ""))


def unknown_cell(name: str, cells: Iterable[SuiteCell]) -> str:
    """What is wrong with the name of a cell."""
    known = [str(cell) for cell in cells]
    return f"--cells {name}: no such cell.{did_you_mean(name, known)} Expected a number, or <task>/<method>/<seed>."


def named_cells(names: Iterable[str], cells: Iterable[SuiteCell]) -> Iterator[SuiteCell]:
    """The cells of these names, with or without the word seed. Raises DataError for an unknown one."""
    known = {str(cell): cell for cell in cells}
    for name in names:
        head, _, seed = name.rpartition("/")
        cell = known.get(f"{head}/seed{seed.removeprefix('seed')}")
        if cell is None:
            raise DataError(unknown_cell(name, known.values()))
        yield cell
