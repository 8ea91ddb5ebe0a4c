"""params/: every number of the benchmark, overlaid by params/suites/<suite>/, checked against closed schemas."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rl4lms.config.overrides import noted, override
from rl4lms.config.params_schema import (
    AlgParams,
    BaseModelParams,
    GrueParams,
    PreferenceModelParams,
    ResourcesParams,
    RewardModelParams,
    TaskParams,
)
from rl4lms.config.reader import Name, read
from rl4lms.config.search import point
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.code_imports import source_of
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.names import check_name, is_safe
from rl4lms.core.tables import TASKS

RUN = "run"  # stands for the composed configuration of a run among the files that `--set` changes
PROCESS = ("n_threads", "kernels")


@dataclass(frozen=True)
class Params:
    """The params of one suite. Every method returns plain nested dicts, merged, checked and with their defaults.

    A file is read once. Raises ConfigError naming file and key path. changes: what `--set` puts in place of values, by
    file and dotted key; those of RUN are the composed run's (config/compose.py).
    """

    directory: Path
    suite: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _files: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, directory: str | Path = "params", suite: str | None = None) -> Params:
        """suite: None takes the one that params/grue.yaml names. Raises ConfigError for a suite without a folder."""
        root = Path(directory)
        base = load_yaml(root / "grue.yaml")
        default = str(read(GrueParams, base, "", str(root / "grue.yaml")).suite)
        name = suite or default
        suites = {default, *(p.name for p in (root / "suites").glob("*") if p.is_dir() and is_safe(p.name))}
        if name not in suites:
            raise ConfigError(unknown("suite", name, suites, str(root / "suites")))
        params = cls(root, name)
        assert params.folders  # made here, so that a circle of suites is found before any work
        return params

    @cached_property
    def folders(self) -> list[Path]:
        """Where the suite's files lie, each over those before it."""
        return suite_folders(self.directory, self.suite)

    def changed(self, subject: str, changes: Mapping[str, Any]) -> Params:
        """The same with changes of what `subject` names: a file, "FILE ENTRY" for an entry of it, or RUN.

        n_threads and kernels are those of the process, and so of grue.yaml, whatever else the keys are of.
        """
        file, _, entry = subject.partition(" ")
        by_file: dict[str, dict[str, Any]] = {"grue.yaml": {}, file: {}}
        for key, value in changes.items():
            of_process = key in PROCESS
            by_file["grue.yaml" if of_process else file][key if of_process or not entry else f"{entry}.{key}"] = value
        return Params(self.directory, self.suite, {name: given for name, given in by_file.items() if given})

    def grue(self) -> dict[str, Any]:
        return {**self._file("grue.yaml", GrueParams), "suite": self.suite}

    def task(self, name: str) -> dict[str, Any]:
        """Makes the task known to its table as well, where it is of a module of the user's."""
        task = self._file(f"tasks/{check_name(name, 'task')}.yaml", TaskParams)
        if task["module"] is not None:
            module, _, attribute = task["module"].partition(":")
            if module.endswith(".py"):
                module = self._importable(module, f"{self.directory}/tasks/{name}.yaml: module")
            TASKS.add(name, f"{module}:{attribute or 'TASK'}")
        return task

    def _importable(self, file: str, where: str) -> str:
        """The name by which a .py file of the working directory or of params/ can be imported from now on."""
        path = source_of(file, self.directory)
        if path is None:
            raise ConfigError(f"{where}: {file}: no such file here or in {self.directory}.")
        if str(path.resolve().parent) not in sys.path:
            sys.path.append(str(path.resolve().parent))
        return path.stem

    def tasks(self) -> list[str]:
        """The tasks that have params, whether or not the suite has them."""
        return sorted({path.stem for folder in self.folders for path in (folder / "tasks").glob("*.yaml")})

    def algs(self) -> list[str]:
        """The algorithms that have params, whether or not the suite runs them by itself, and the points of searches."""
        files = {path.stem for folder in self.folders for path in (folder / "algs").glob("*.yaml")}
        names = sorted(name for name in files if is_safe(name))
        searches = ((name, self._alg(name).get("search")) for name in names)
        return names + [f"{name}.{k}" for name, search in searches if search for k in range(search["n_points"])]

    def alg(self, name: str) -> dict[str, Any]:
        """An algorithm's file as it is written, checked, without defaults: the run that it is part of has them.

        "point" holds what differs in a point of its search: of <algorithm>.<k> the k-th, else the one that is chosen.
        """
        file, separator, k = name.partition(".")
        alg = self._alg(file)
        search = alg.pop("search", None) or {"n_points": 0, "chosen": None}
        if not separator:
            if search.get("chosen") is None:
                return alg
            k = str(search["chosen"])
        if not k.isdecimal() or int(k) >= search["n_points"]:
            raise ConfigError(unknown("algorithm", f"{file}.{k}", self.algs(), f"{self.directory}/algs"))
        return alg | {"point": override({}, point(search["values"], int(k)))}

    def _alg(self, file: str) -> dict[str, Any]:
        return self._file(f"algs/{check_name(file, 'algorithm')}.yaml", AlgParams, written=True)

    def rl(self, task: str) -> dict[str, Any]:
        """`rl` of a task's file as it is written, for the same reason."""
        rl: dict[str, Any] = self._file(f"tasks/{check_name(task, 'task')}.yaml", TaskParams, written=True)["rl"]
        return rl

    def base_model(self, family: str) -> dict[str, Any]:
        return self._entry("base_models.yaml", BaseModelParams, family, "model family")

    def reward_model(self, name: str) -> dict[str, Any]:
        return self._entry("reward_models.yaml", RewardModelParams, name, "reward model")

    def base_models(self) -> dict[str, Any]:
        return self._file("base_models.yaml", dict[Name, BaseModelParams])

    def reward_models(self) -> dict[str, Any]:
        return self._file("reward_models.yaml", dict[Name, RewardModelParams])

    def preference_model(self) -> dict[str, Any]:
        return self._file("preference_model.yaml", PreferenceModelParams)

    def resources(self) -> dict[str, Any]:
        """Rule of the workflow -> what a scheduler reserves for one of its jobs, see JobResources."""
        return self._file("resources.yaml", ResourcesParams)

    def _entry(self, file: str, schema: Any, name: str, kind: str) -> dict[str, Any]:
        entries = self._file(file, dict[Name, schema])
        if name not in entries:
            raise ConfigError(unknown(kind, name, entries, str(self.directory / file)))
        entry: dict[str, Any] = entries[name]
        return entry

    def _file(self, file: str, schema: Any, *, written: bool = False) -> dict[str, Any]:
        """A file with its defaults, or as it is written."""
        if file not in self._files:
            self._files[file] = self._read(file, schema)
        return deepcopy(self._files[file][0 if written else 1])

    def _read(self, file: str, schema: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        found = [folder / file for folder in self.folders if (folder / file).exists()]
        if not found:
            known = {path.stem for folder in self.folders for path in (folder / file).parent.glob("*.yaml")}
            raise ConfigError(unknown("file", Path(file).stem, sorted(known), str((self.directory / file).parent)))
        merged = load_yaml(found[0])
        for overlay in found[1:]:
            changes = load_yaml(overlay)
            read(schema, changes, "", str(overlay), partial=True)
            merged = merge(merged, changes)
        source = " with ".join(map(str, found))
        given = self.changes.get(file, {})
        merged, source = override(merged, given), noted(source, given)
        checked = read(schema, merged, "", source)
        filled = {k: asdict(v) for k, v in checked.items()} if isinstance(checked, dict) else asdict(checked)
        return merged, filled


def suite_folders(directory: Path, suite: str) -> list[Path]:
    """params/, the suites that a suite extends, the first of them first, and its own folder. Raises ConfigError."""
    names: list[str] = []
    name: str | None = suite
    while name is not None:
        own = directory / "suites" / name / "grue.yaml"
        if name in names:
            raise ConfigError(f"{own}: extends: {' -> '.join([*reversed(names), name])} goes in a circle.")
        names.append(name)
        name = load_yaml(own).get("extends") if own.exists() else None
        if name is not None and not (directory / "suites" / str(name)).is_dir():
            known = [path.name for path in (directory / "suites").glob("*")]
            raise ConfigError(unknown("suite", name, known, f"{own}: extends"))
    return [directory, *(directory / "suites" / name for name in reversed(names))]


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `overlay` over it, by key, all the way down; lists and scalars replace.

    A mapping whose `id` changes is replaced whole: another class has other arguments.
    """
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and value.get("id", old.get("id")) == old.get("id"):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged
