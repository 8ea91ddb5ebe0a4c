"""Which files a task of the benchmark reads its rows from, where they are local."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.sources import LocalSource
from rl4lms.tasks.task import task_of


def rows_directory(data: Mapping[str, Any], given: str | Path | None = None) -> Path | None:
    """Where a task's local rows lie: `given`, else what its `data` params say; None where they are not local."""
    root = data.get("data_dir") if given is None else given
    if root is None:
        return None
    directory = Path(root).expanduser()
    return directory / data["folder"] if data.get("folder") else directory


def local_rows(params: Params, task: str, given: str | Path | None = None) -> list[Path]:
    """The files that `prepare` reads for a task; [] where its rows are generated or on the hub.

    given: a directory in place of what params say. Raises ConfigError or DataError where no training rows lie there.
    """
    data = params.task(task)["data"]
    where = f"{params.directory}/tasks/{task}.yaml: data" if given is None else "data_dir"
    directory = rows_directory(data, given)
    if directory is None:
        if data["source"] == "local":
            raise ConfigError(
                f"{where}.source: local, so say where the rows of {task} lie: data.data_dir there, --data-dir DIR, or "
                "Snakemake's --config data_dir=DIR."
            )
        return []
    dataset = task_of(task).data
    try:
        found = LocalSource(directory).files(dataset)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if "train" not in found:
        looked = ", ".join(str(directory / name) for name in (".", *dataset.folders))
        raise DataError(f"{where}: {directory}: no file of {task}'s split train in {looked}.")
    return sorted(path for paths in found.values() for path in paths)
