"""Every key of a run file and of params/, with kind, default and sentence, read from the classes that check them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args, get_origin

from rl4lms.config import params_schema
from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, POLICY_ARGUMENTS, AlgorithmArguments, PolicyArguments
from rl4lms.config.generation import GenerationConfig
from rl4lms.config.reader import describe, hints, join, sentence, show
from rl4lms.config.schema import RunConfig
from rl4lms.config.sections import AlgorithmConfig, SupervisedConfig
from rl4lms.config.signatures import made_by, signature_of
from rl4lms.core.registry import Registry
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry, RewardFunctionRegistry

# Shown in a table of its own, because several keys hold it, or because an id decides what it is.
_APART = (GenerationConfig, AlgorithmArguments, PolicyArguments)
_SAMPLING = (
    "alg.policy.args.generation_kwargs",
    "a mapping",
    "required",
    "What rollouts sample with; do_sample is true.",
)
_FILES: Mapping[str, type] = {
    "params/grue.yaml": params_schema.GrueParams,
    "params/tasks/<task>.yaml": params_schema.TaskParams,
    "params/algs/<alg>.yaml": params_schema.AlgParams,
    "params/base_models.yaml, each family": params_schema.BaseModelParams,
    "params/reward_models.yaml, each model": params_schema.RewardModelParams,
    "params/preference_model.yaml": params_schema.PreferenceModelParams,
    "params/resources.yaml": params_schema.ResourcesParams,
}
_REGISTRIES: Mapping[str, Registry] = {
    "reward_fn.args": RewardFunctionRegistry.table,
    "train_evaluation.metrics[].args": MetricRegistry.table,
    "datapool.args": DataPoolRegistry.table,
}


class Key(NamedTuple):
    """One key. default: as YAML writes it, "required" where there is none."""

    name: str
    kind: str
    default: str
    sentence: str


@dataclass(frozen=True)
class KeyTable:
    title: str
    keys: tuple[Key, ...]


def tables() -> list[KeyTable]:
    """All keys: of a run file, of what the shipped ids take, and of the files under params/."""
    run = {name: kind for name, kind in hints(RunConfig).items() if name not in ("alg", "notices")}
    found = [
        KeyTable("A run file", tuple(_keys(RunConfig, "", run))),
        KeyTable("alg, of an on-policy algorithm", tuple(k for k in _keys(AlgorithmConfig, "alg") if k.sentence)),
        KeyTable("alg, of id supervised", tuple(_keys(SupervisedConfig, "alg"))),
        KeyTable("generation_kwargs, wherever it stands", tuple(_keys(GenerationConfig, "generation_kwargs"))),
    ]
    for path, choices in {"alg.args": ALGORITHM_ARGUMENTS, "alg.policy.args": POLICY_ARGUMENTS}.items():
        more = [Key(*_SAMPLING)] if path == "alg.policy.args" else []
        for kind in dict.fromkeys(choices.values()):
            ids = ", ".join(name for name, each in choices.items() if each is kind)
            found.append(KeyTable(f"{path} of {ids}", (*_keys(kind, path), *more)))
    for path, registry in _REGISTRIES.items():
        found += [KeyTable(f"{path} of {name}", tuple(_arguments(registry, name, path))) for name in registry.shipped()]
    return found + [KeyTable(file, tuple(_keys(kind, ""))) for file, kind in _FILES.items()]


def _keys(cls: Any, path: str, kinds: Mapping[str, Any] | None = None, seen: set[Any] | None = None) -> Iterator[Key]:
    """The keys of a section, each followed by those of the section that it holds, where that is not shown before."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    seen = {*_APART} if seen is None else seen
    for name, kind in (hints(cls) if kinds is None else kinds).items():
        section, key = _section(kind), join(path, name)
        is_list = section and get_origin(_bare(kind)) in (list, tuple)
        takes = "a list of mappings" if is_list else "a mapping" if section else describe(kind)
        yield Key(key, takes, _default(fields[name]), sentence(kind))
        if section and section not in seen:
            seen.add(section)
            yield from _keys(section, f"{key}[]" if is_list else key, None, seen)


def _section(kind: Any) -> Any:
    """The dataclass that a key holds: itself, several of them or none; None for a value."""
    bare = _bare(kind)
    inner = [bare, *(_bare(member) for member in get_args(bare))]
    return next((each for each in inner if dataclasses.is_dataclass(each)), None)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is typing.Annotated else kind


def _arguments(registry: Registry, name: str, path: str) -> Iterator[Key]:
    signature = signature_of(made_by(registry.load(name)))
    for key, kind in signature.kinds.items():
        default = _yaml(signature.defaults[key]) if key in signature.defaults else "required"
        yield Key(join(path, key), describe(kind), default, sentence(kind))


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return _yaml(field.default_factory())
    return "required" if field.default is dataclasses.MISSING else _yaml(field.default)


def _yaml(value: Any) -> str:
    if value is None or value is ...:
        return "null" if value is None else "its library's"
    if isinstance(value, Mapping) or dataclasses.is_dataclass(value):
        return "{}"
    return f"[{', '.join(map(_yaml, value))}]" if isinstance(value, list | tuple) else show(value)
