"""The identity of a run: digests of everything that determines it. A run is only resumed under the same identity.

`core/work_directory.py` digests configuration, input files and this library's code for every stage. This module adds
what a configuration only names: the user's classes and functions, and the samples of the data pool.
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from rl4lms.config.inputs import argument_files, local_inputs
from rl4lms.config.schema import AlgorithmConfig, RunConfig
from rl4lms.core.code_imports import follow, module_of
from rl4lms.core.io import canonical_json, sha256_text
from rl4lms.core.kernels import process_facts
from rl4lms.core.registry import Registry
from rl4lms.core.seeding import seed_everything
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    PostProcessorRegistry,
    RewardFunctionRegistry,
    WrapperRegistry,
)
from rl4lms.core.user_code import UndigestibleError, digest_of, digest_of_file
from rl4lms.core.work_directory import code_digest, input_digests
from rl4lms.training.pools import Pools, digest_of_samples

log = logging.getLogger(__name__)
# The registries whose ids an argument, or a string in a user's code, may contain.
_NAMED = (RewardFunctionRegistry.table, MetricRegistry.table, PostProcessorRegistry.table)


class RunIdentity:
    """The digests of a run. parts: name -> digest of the user's components and of the samples. pools: its data pools.

    A part that cannot be digested gets a new random value each time, so that the run is never resumed. A warning says
    so.
    """

    def __init__(self, config: RunConfig, *, evaluate_test: bool = True) -> None:
        self.config, self.pools = config, Pools(config.datapool)
        self.parts: dict[str, str] = {}
        used = [(t, name) for t, name in dict.fromkeys(_components(config)) if name in t and not t.is_shipped(name)]
        for table, name in used:
            follow(module_of(table.load(name)))
        for table, name in used:
            self._add(f'{table.kind} "{name}"', functools.partial(digest_of, table.load(name), _entry))
        for file in argument_files(config):
            if file.suffix == ".py":
                self._add(f"modules of {file}", functools.partial(digest_of_file, file))
        seed_everything(config.seed)  # as in the run, because a user's pool may draw random numbers
        for split in _splits(config, evaluate_test):
            self._add(f"samples of {split}", functools.partial(digest_of_samples, self.pools[split]))

    @functools.cached_property
    def inputs(self) -> dict[str, str]:
        """sha256 of every file that the configuration names."""
        return input_digests(local_inputs(self.config))

    @functools.cached_property
    def digest(self) -> str:
        """The digest of the whole run, which checkpoints carry."""
        own = {"config": self.config.determining(), "inputs": self.inputs, "code": code_digest()}
        return sha256_text(canonical_json(own | process_facts() | self.parts))

    def _add(self, part: str, digest: Callable[[], str]) -> None:
        try:
            self.parts[part] = digest()
        except UndigestibleError as error:
            self.parts[part] = f"none {uuid.uuid4()}"
            log.warning("%s has no digest (%s); this run is never resumed, it starts anew each time.", part, error)


def _splits(config: RunConfig, evaluate_test: bool) -> list[str]:
    """The splits that are read from elsewhere than from input files, so that their samples must be digested."""
    if DataPoolRegistry.table.is_shipped(config.datapool.id) and config.datapool.args.get("data_dir"):
        return []
    scored = bool(config.train_evaluation.metrics)
    return ["train", *["val"] * (scored or config.is_supervised), *["test"] * (scored and evaluate_test)]


def _components(config: RunConfig) -> Iterator[tuple[Registry, str]]:
    """(table, id) of every component that a configuration or one of its arguments names."""
    yield DataPoolRegistry.table, config.datapool.id
    if config.reward_fn is not None:
        yield RewardFunctionRegistry.table, config.reward_fn.id
    for metric in config.train_evaluation.metrics:
        yield MetricRegistry.table, metric.id
    if isinstance(config.alg, AlgorithmConfig):
        yield AlgorithmRegistry.table, config.alg.id
        yield WrapperRegistry.table, config.alg.id
        yield PolicyRegistry.table, config.alg.policy.id
    for text in sorted(_texts(config.to_dict())):
        yield from ((table, text) for table in _NAMED)


def _texts(value: Any, *, argument: bool = False) -> set[str]:
    """The strings in the arguments of a configuration's components and in its generation settings."""
    if isinstance(value, str):
        return {value} if argument else set()
    if isinstance(value, dict):
        inner = ((v, argument or k in ("args", "generation_kwargs")) for k, v in value.items())
        return set().union(*(_texts(v, argument=inside) for v, inside in inner))
    if isinstance(value, list):
        return set().union(*(_texts(v, argument=argument) for v in value))
    return set()


def _entry(text: str) -> Any:
    """The user's component with the id `text`; None if there is none."""
    for table in _NAMED:
        if text in table and not table.is_shipped(text):
            entry = table.load(text)
            follow(module_of(entry))
            return entry
    return None
