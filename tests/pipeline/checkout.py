"""A copy of the project in a directory of its own, and what its two DAGs say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rl4lms.config.layout import paths
from rl4lms.config.params import Params
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.io import sha256_file
from tests.pipeline import prefork

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "Snakefile",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    "pyproject.toml",
    "Makefile",
)
FOLDERS = ("data", "workflow", "params", "rl4lms", "scripts", ".dvc/plots")
PLAN = "snakemake_plan.py"
SCRIPTS = {"snakemake": prefork.SNAKEMAKE, PLAN: str(Path(__file__).with_name(PLAN))}


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml. deps, outs: paths; params: file -> keys (none: the whole file)."""

    name: str
    command: str
    deps: frozenset[str]
    params: dict[str, frozenset[str]]
    outs: frozenset[str]


class Checkout:
    """The project at `path`: its Snakemake plan and its DVC stages."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path, *, stub: bool = True) -> Checkout:
        """A copy of the working tree without its results, as a git repository of its own. stub: stages cost nothing."""
        for name in FILES:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        if stub:
            shutil.copy(Path(__file__).with_name("stub_stages.py"), path / "rl4lms/__main__.py")
        subprocess.run(["git", "init", "--quiet", "--initial-branch", "main"], cwd=path, check=True)
        return cls(path)

    def run(self, *command: str, check: bool = True, **variables: str | None) -> subprocess.CompletedProcess[str]:
        """A command in the checkout, with this interpreter's programs first; stdout holds stderr as well.

        variables: of the environment; None is one that is not set.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        given = {**os.environ, "PATH": path, "PYTHONPATH": "", **variables}
        environment = {name: value for name, value in given.items() if value is not None}
        if command[0] in SCRIPTS:
            result = self._forked(SCRIPTS[command[0]], *command[1:], environment=environment)
        else:
            result = subprocess.run(
                command,
                cwd=self.path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=3600,
            )
        if check and result.returncode:
            raise AssertionError(f"{' '.join(command)}: exit code {result.returncode}\n{result.stdout}")
        return result

    def _forked(self, *argv: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """A Python script that needs Snakemake."""
        with tempfile.NamedTemporaryFile("r") as out:
            code = prefork.run(list(argv), self.path, environment, Path(out.name))
            return subprocess.CompletedProcess(argv, code, out.read())

    def grue(self, *options: str, cores: int = 2, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        profile = ("--profile", "workflow/profiles/default", "--cores", str(cores))
        return self.run("snakemake", *profile, *options, **kwargs)

    def commit(self, message: str) -> None:
        """Everything that git does not ignore, by an author of the tests."""
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", message)

    def target(self, name: str, check: bool = True, **environment: str) -> str:
        """What a target of the Makefile says, in the environment of the tests."""
        return self.run("make", "--silent", "-o", ".venv/.installed", name, check=check, **environment).stdout

    def jobs(self, **config: Any) -> list[dict[str, Any]]:
        """Every job of the Snakemake DAG, see snakemake_plan.py."""
        out = self.path / ".plan.json"
        self.run(PLAN, str(out), json.dumps(config))
        jobs: list[dict[str, Any]] = json.loads(out.read_text())
        return jobs

    def declared(self, **config: Any) -> dict[str, str]:
        """Output of either DAG -> its digest."""
        return {file: sha256_file(self.path / file) for file in self._outputs(**config)}

    def made(self, **config: Any) -> dict[str, str]:
        """`declared`, of the outputs that are there."""
        there = [file for file in self._outputs(**config) if (self.path / file).exists()]
        return {file: sha256_file(self.path / file) for file in there}

    def _outputs(self, **config: Any) -> list[str]:
        return [file for job in self.jobs(**config) for file in job["outputs"]]

    def due(self, **config: Any) -> set[str]:
        """Commands that Snakemake would run, asked with these --config items."""
        return {job["command"] for job in self.jobs(**config) if job["due"]}

    def stages(self) -> list[Stage]:
        """Every stage of the DVC pipeline."""
        from dvc.dependency.param import ParamsDependency
        from dvc.repo import Repo

        with Repo(str(self.path)) as repo:
            return [
                Stage(
                    name=stage.name,
                    command=self.spelt_out(stage.cmd),
                    deps=frozenset(d.def_path for d in stage.deps if not isinstance(d, ParamsDependency)),
                    params={d.def_path: frozenset(d.params) for d in stage.deps if isinstance(d, ParamsDependency)},
                    outs=frozenset(out.def_path for out in stage.outs),
                )
                for stage in repo.index.stages
            ]

    def stale(self) -> set[str]:
        """Commands that DVC would run if every stage changed its outputs: stale ones and all that depend on them.

        The recipes are written first, as `dvc repro` would do; a stage is stale if its own has changed.
        """
        from dvc.repo import Repo

        with Repo(str(self.path)) as repo:
            stages = {stage.addressing: stage for stage in repo.index.stages}
            (recipes,) = (stage for stage in stages.values() if stage.name == "recipes")
            self.run(*recipes.cmd.split())
            changed = [stages[name] for name in repo.status() if stages[name] is not recipes]
            graph = repo.index.graph
            return {self.spelt_out(stage.cmd) for stage in _downstream(graph, changed)}

    def spelt_out(self, command: str) -> str:
        """A stage's command with the paths that it leaves to the suite's layout, as Snakemake gives them."""
        stage, *words = command.split()[3:]
        names = {key[2:]: value for key, value in zip(words[::2], words[1::2], strict=True)}
        if "out" in names:
            return command
        params = Params.open(self.path / "params", names["suite"])
        return " ".join([command, *(f"--{option} {path}" for option, path in paths(params, stage, names).items())])

    def set_param(self, file: str, key: str, value: Any) -> None:
        """Change one number of params/`file`; key: its path with dots. Whatever the file says there now."""
        path = self.path / "params" / file
        content = load_yaml(path)
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
        assert place.get(last) != value, f"{file} already says {key}: {value}"
        place[last] = value
        path.write_text(json.dumps(content))  # which is YAML


def _downstream(graph: Any, changed: list[Any]) -> set[Any]:
    """DVC's edges go from a stage to what it depends on."""
    seen: set[Any] = set()
    todo = list(changed)
    while todo:
        stage = todo.pop()
        if stage not in seen:
            seen.add(stage)
            todo += graph.predecessors(stage)
    return seen


def shrink(
    checkout: Checkout,
    *tasks: str,
    algs: Sequence[str] = ("ppo", "nlpo"),
    baselines: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
) -> None:
    """Of the tasks only these: imdb (GPT-2 and a classifier), common_gen (T5); of the seeds one."""
    params = checkout.path / "params"
    models = load_yaml(params / "base_models.yaml")
    kept = {family: [task for task in model["tasks"] if task in tasks] for family, model in models.items()}
    _change(params / "base_models.yaml", {family: models[family] | {"tasks": kept[family]} for family in models})
    chosen = {"tasks": tasks, "algs": algs, "baselines": baselines, "seeds": seeds}
    _change(params / "grue.yaml", {key: list(items) for key, items in chosen.items()})
    gone = {path.stem for path in (params / "tasks").iterdir()} - set(tasks)
    groups = ["intent", *(f"base_model_{family}" for family in kept if not kept[family])]
    dvc_file = checkout.path / "dvc.yaml"
    dvc = yaml.safe_load(dvc_file.read_text())
    dvc["stages"] = {k: stage for k, stage in dvc["stages"].items() if not any(group in k for group in groups)}
    for stage in dvc["stages"].values():
        stage["deps"] = [dep for dep in stage["deps"] if dep.rpartition("/")[2] not in gone]
    dvc["params"] = [path for path in dvc["params"] if Path(path).stem not in gone]
    dvc_file.write_text(yaml.safe_dump(dvc, sort_keys=False))


def _change(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(load_yaml(path) | changes, sort_keys=False))
