"""One run's configuration, read from the published YAML schema of RL4LMs: typed and closed.

`RunConfig.from_dict` refuses an unknown key or id and a wrong type before any work, in one line that names the key
path; it imports no model library. `RunConfig.to_dict` is the resolved configuration, defaults written out: reading it
gives an equal RunConfig, and the training script runs it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from rl4lms.config.arguments import (
    ALGORITHM_ARGUMENTS,
    METRIC_ARGUMENTS,
    POLICY_ARGUMENTS,
    POOL_ARGUMENTS,
    REWARD_ARGUMENTS,
    Choices,
    mask_complaint,
    refuse_float16,
)
from rl4lms.config.generation import (
    GenerationConfig,
    check_rollout,
    notice_top_k,
    read_generation,
    share_token_facts,
)
from rl4lms.config.overrides import noted, override
from rl4lms.config.published import DEFAULTS, published
from rl4lms.config.reader import (
    Count,
    Seed,
    check_json,
    check_keys,
    hints,
    join,
    mapping,
    missing,
    plain,
    read,
    where,
)
from rl4lms.config.sections import (
    AlgorithmConfig,
    ComponentConfig,
    EnvConfig,
    KLConfig,
    PolicyConfig,
    SupervisedConfig,
    TokenizerConfig,
    TrainEvaluationConfig,
)
from rl4lms.config.training_arguments import read_training_args
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.kernels import Kernels
from rl4lms.core.registry import Registry
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
)

__all__ = [
    "AlgorithmConfig",
    "ComponentConfig",
    "EnvConfig",
    "GenerationConfig",
    "KLConfig",
    "PolicyConfig",
    "RunConfig",
    "SupervisedConfig",
    "TokenizerConfig",
    "TrainEvaluationConfig",
]

ALWAYS = ("tokenizer", "datapool", "alg", "train_evaluation")
ON_POLICY_ONLY = ("reward_fn", "env")
PROCESS = ("n_threads", "kernels")


@dataclass(frozen=True)
class RunConfig:
    """One run. notices: what to say once in the log, defaults that a reader of the file would not expect.

    n_threads: of torch, None takes what the environment says, or every core; kernels: see core/kernels.py.
    """

    tokenizer: TokenizerConfig
    datapool: ComponentConfig
    alg: AlgorithmConfig | SupervisedConfig
    train_evaluation: TrainEvaluationConfig
    reward_fn: ComponentConfig | None = None
    env: EnvConfig | None = None
    seed: Seed = published("seed")
    n_threads: Count | None = published("n_threads")
    kernels: Kernels = published("kernels")
    notices: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_supervised(self) -> bool:
        return isinstance(self.alg, SupervisedConfig)

    @classmethod
    def from_dict(cls, value: Any, source: str = "configuration") -> RunConfig:
        """The configuration in a mapping. source: what an error's line starts with. Raises ConfigError."""
        given = mapping(value, "", source)
        check_json(given, "", source)
        check_keys(given, (*ALWAYS, *ON_POLICY_ONLY, "seed", *PROCESS), "", source)
        supervised = _alg_id(given, source) == "supervised"
        for name in ALWAYS if supervised else ALWAYS + ON_POLICY_ONLY:
            if name not in given:
                raise ConfigError(f"{where(source, name)}: missing; expected a mapping.")
        for name in ON_POLICY_ONLY if supervised else ():
            if name in given:
                raise ConfigError(f"{where(source, name)}: not used by alg.id supervised; remove it.")
        config = _read_supervised(given, source) if supervised else _read_on_policy(given, source)
        kinds = hints(RunConfig)
        return replace(config, **{k: read(kinds[k], given[k], k, source) for k in PROCESS if k in given})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], changes: Mapping[str, Any] | None = None) -> RunConfig:
        """The configuration in a YAML file, or in a run's config.json (JSON is YAML). Raises ConfigError.

        changes: values in place of the file's, by dotted key: {"alg.args.n_epochs": 2}.
        """
        return cls.from_dict(override(load_yaml(path), changes or {}), noted(str(path), changes))

    def to_dict(self) -> dict[str, Any]:
        """The resolved configuration in the published schema, as JSON values."""
        evaluation = plain(self.train_evaluation)
        if self.is_supervised:
            evaluation.pop("save_every")
        sections: dict[str, Any] = {
            "tokenizer": plain(self.tokenizer),
            "reward_fn": plain(self.reward_fn),
            "datapool": plain(self.datapool),
            "env": plain(self.env),
            "alg": self.alg.to_dict(),
            "train_evaluation": evaluation,
            "seed": self.seed,
            "n_threads": self.n_threads,
            "kernels": self.kernels,
        }
        return {name: section for name, section in sections.items() if section is not None}


def _alg_id(given: Mapping[str, Any], source: str) -> str:
    alg = mapping(given.get("alg", {}), "alg", source)
    if "id" not in alg:
        raise missing(str, "alg.id", source)
    name: str = read(str, alg["id"], "alg.id", source)
    if name != "supervised" and not AlgorithmRegistry.table.admit(name):
        known = ["supervised", *AlgorithmRegistry.table.ids()]
        raise ConfigError(unknown("algorithm", name, known, where(source, "alg.id")))
    return name


def _read_supervised(given: Mapping[str, Any], source: str) -> RunConfig:
    alg = mapping(given["alg"], "alg", source)
    kinds = hints(SupervisedConfig)
    check_keys(alg, kinds, "alg", source)
    for name in ("training_args", "model_type", "model_name"):
        if name not in alg:
            raise missing(kinds[name], f"alg.{name}", source)
    model_type = read(kinds["model_type"], alg["model_type"], "alg.model_type", source)
    causal = model_type == "causal"
    sampling, path = alg.get("generation_kwargs"), "alg.generation_kwargs"
    generation = None if sampling is None else read_generation(sampling, path, source, causal=causal)
    length = None if generation is None else generation.max_new_tokens
    evaluation, notices = _train_evaluation(
        given["train_evaluation"], source, on_policy=False, length=length, causal=causal
    )
    if generation is not None:
        theirs = "train_evaluation.generation_kwargs"
        generation, decoding = share_token_facts(generation, evaluation.generation_kwargs, theirs, source, path)
        evaluation = replace(evaluation, generation_kwargs=decoding)
        if decoding is not None:
            notices.append(f"{path}: the evaluation decodes by {theirs} alone, but for the token ids.")
    decoding = evaluation.generation_kwargs or generation
    if evaluation.metrics and (decoding is None or decoding.max_new_tokens is None):
        raise missing(int, f"{path}.max_new_tokens", source)
    return RunConfig(
        tokenizer=read(TokenizerConfig, given["tokenizer"], "tokenizer", source),
        datapool=_component(given["datapool"], "datapool", source, DataPoolRegistry.table, POOL_ARGUMENTS),
        alg=SupervisedConfig(
            training_args=read_training_args(alg["training_args"], "alg.training_args", source),
            model_type=model_type,
            model_name=read(str, alg["model_name"], "alg.model_name", source),
            generation_kwargs=generation,
        ),
        train_evaluation=evaluation,
        seed=_seed(given, {}, source),
        notices=(*notice_top_k(sampling, path), *notices),
    )


def _read_on_policy(given: Mapping[str, Any], source: str) -> RunConfig:
    alg = mapping(given["alg"], "alg", source)
    check_keys(alg, ("id", "args", "kl_div", "policy"), "alg", source)
    for name in ("kl_div", "policy"):
        if name not in alg:
            raise ConfigError(f"{where(source, join('alg', name))}: missing; expected a mapping.")
    args = mapping(alg.get("args") or {}, "alg.args", source)
    seed = _seed(given, args, source)
    env: EnvConfig = read(EnvConfig, given["env"], "env", source)
    length = env.args.max_episode_length
    policy, notices = _policy(alg["policy"], source, length)
    if "minibatch" not in args:
        notices.append(
            "alg.args.minibatch: episodes, whole ones up to batch_size steps; write transitions for RL4LMs'."
        )
    evaluation, more = _train_evaluation(
        given["train_evaluation"], source,
        on_policy=True, length=policy.generation.max_new_tokens, causal=_is_causal(policy.id),
    )  # fmt: skip
    notices += more
    shipped = _shipped(AlgorithmRegistry.table, alg["id"], ALGORITHM_ARGUMENTS)
    arguments = _typed_arguments(shipped, args, "alg.args", source)
    if shipped is not None:  # the arguments of a user's class mean what it says; its rollouts check their size
        _check_buffer(arguments["n_steps"], env.n_envs, policy.generation.max_new_tokens or length, source)
    maskable = sorted(name for name in POLICY_ARGUMENTS if name.startswith("maskable_"))
    shipped = AlgorithmRegistry.table.is_shipped("nlpo") and PolicyRegistry.table.is_shipped(policy.id)
    if alg["id"] == "nlpo" and shipped and policy.id not in maskable:
        raise ConfigError(
            f"{where(source, 'alg.policy.id')}: nlpo needs a maskable policy, found {policy.id}; use "
            f"{' or '.join(maskable)}."
        )
    minibatch = arguments.pop("minibatch", DEFAULTS["alg.args.minibatch"].value)
    rollout, decoding = share_token_facts(
        policy.generation, evaluation.generation_kwargs, "train_evaluation.generation_kwargs", source
    )
    start, context_start = rollout.decoder_start_token_id, env.args.context_start_token
    if None not in (start, context_start) and start != context_start:
        raise ConfigError(
            f"{where(source, 'env.args.context_start_token')}: {context_start} contradicts decoder_start_token_id "
            f"{start} of generation_kwargs; it is the same token, so give it once."
        )
    return RunConfig(
        tokenizer=read(TokenizerConfig, given["tokenizer"], "tokenizer", source),
        reward_fn=_component(given["reward_fn"], "reward_fn", source, RewardFunctionRegistry.table, REWARD_ARGUMENTS),
        datapool=_component(given["datapool"], "datapool", source, DataPoolRegistry.table, POOL_ARGUMENTS),
        env=env,
        alg=AlgorithmConfig(
            id=alg["id"],
            args=arguments,
            kl_div=read(KLConfig, alg["kl_div"], "alg.kl_div", source),
            policy=replace(policy, generation=rollout),
            minibatch=read(Literal["episodes", "transitions"], minibatch, "alg.args.minibatch", source),
        ),
        train_evaluation=replace(evaluation, generation_kwargs=decoding),
        seed=seed,
        notices=tuple(notices),
    )


def _check_buffer(n_steps: int, n_envs: int, longest: int, source: str) -> None:
    """Raises ConfigError where an iteration's steps cannot hold one whole episode of `longest` steps."""
    if n_steps * n_envs < longest:
        raise ConfigError(
            f"{where(source, 'alg.args.n_steps')}: {n_steps} * env.n_envs {n_envs} = {n_steps * n_envs} steps cannot "
            f"hold one episode of up to {longest} tokens, which would be cut and never see a score; "
            f"expected at least {-(-longest // n_envs)}."
        )


def _policy(value: Any, source: str, episode_length: int) -> tuple[PolicyConfig, list[str]]:
    path = "alg.policy"
    given = mapping(value, path, source)
    check_keys(given, ("id", "args"), path, source)
    policy_id = _known_id(given, path, source, PolicyRegistry.table)
    args = mapping(given.get("args") or {}, f"{path}.args", source)
    here = f"{path}.args.generation_kwargs"
    sampling = args.pop("generation_kwargs", None) or {}
    causal = _is_causal(policy_id)
    generation = read_generation(sampling, here, source, episode_length=episode_length, causal=causal)
    check_rollout(generation, here, source, episode_length)
    notices = notice_top_k(sampling, here)
    known = _shipped(PolicyRegistry.table, policy_id, POLICY_ARGUMENTS)
    if known is not None:
        refuse_float16(args.get("dtype"), where(source, f"{path}.args.dtype"))
    arguments = _typed_arguments(known, args, f"{path}.args", source)
    if "top_mask" in arguments and "mask_type" in arguments:
        wrong = mask_complaint(arguments["mask_type"], arguments["top_mask"])
        if wrong is not None:
            raise ConfigError(f"{where(source, path)}.args.top_mask: {wrong}")
    return PolicyConfig(policy_id, arguments, generation), notices


def _is_causal(policy_id: str) -> bool:
    """Whether a policy is known to be of decoder-only models; a class of the user's may be of any."""
    return PolicyRegistry.table.is_shipped(policy_id) and "causal" in policy_id


# Keys of train_evaluation that supervised runs do without -> the argument of transformers' trainer in its place.
_OF_ON_POLICY = {"n_iters": "num_train_epochs", "save_every": "save_steps"}


def _train_evaluation(
    value: Any, source: str, *, on_policy: bool, length: int | None, causal: bool
) -> tuple[TrainEvaluationConfig, list[str]]:
    """The section, and its notices. Supervised runs count in epochs and not in iterations.

    length: of a text where the section gives none; causal: the model is known to be decoder-only. A metric that is
    listed twice (the published iwslt2017 files do) is computed once.
    """
    path = "train_evaluation"
    given = mapping(value, path, source)
    metrics = read(list[Any], given.pop("metrics", None) or [], f"{path}.metrics", source)
    decoding = given.pop("generation_kwargs", None)
    kinds = hints(TrainEvaluationConfig)
    for name in ("n_iters", "eval_every") if on_policy else ():
        if given.get(name) is None:
            raise missing(int, join(path, name), source)
    check_keys(given, [*kinds], path, source)
    section: TrainEvaluationConfig = read(TrainEvaluationConfig, given, path, source)
    if section.keep_best is not None and not on_policy:
        raise ConfigError(f"{where(source, join(path, 'keep_best'))}: not used by alg.id supervised; remove it.")
    generation = None
    if decoding is not None:
        here = f"{path}.generation_kwargs"
        generation = read_generation(decoding, here, source, episode_length=length, causal=causal)
    components = tuple(
        _component(m, f"{path}.metrics[{i}]", source, MetricRegistry.table, METRIC_ARGUMENTS)
        for i, m in enumerate(metrics)
    )
    notices = notice_top_k(decoding, f"{path}.generation_kwargs")
    for name, instead in _OF_ON_POLICY.items() if not on_policy else ():
        if name in given:
            notices.append(f"{path}.{name}: without effect on alg.id supervised; alg.training_args.{instead} says it.")
    for i, component in enumerate(components):
        if component in components[:i]:
            notices.append(f"{path}.metrics[{i}]: {component.id} is listed twice; it is computed once.")
    once = tuple(component for i, component in enumerate(components) if component not in components[:i])
    return replace(section, metrics=once, generation_kwargs=generation), notices


def _component(value: Any, path: str, source: str, table: Registry, choices: Choices) -> ComponentConfig:
    given = mapping(value, path, source)
    check_keys(given, ("id", "args"), path, source)
    name = _known_id(given, path, source, table)
    args = mapping(given.get("args") or {}, f"{path}.args", source)
    arguments = _shipped(table, name, choices)
    if arguments is not None:
        args = arguments.read(args, f"{path}.args", source)
        if table is RewardFunctionRegistry.table:
            _check_named(args, f"{path}.args", source)
    return ComponentConfig(name, args)


def _shipped(table: Registry, name: str, known: Mapping[str, Any]) -> Any:
    """What is known of a shipped id's arguments; None for a class of the user's, under a new id or one of ours."""
    return known.get(name) if table.is_shipped(name) else None


def _check_named(args: Mapping[str, Any], path: str, source: str) -> None:
    """The classes that a shipped reward names in turn: a shaping function, other rewards, a metric."""
    shaping = args.get("shaping_fn")
    if shaping is not None and not RewardFunctionRegistry.table.admit(shaping):
        raise ConfigError(RewardFunctionRegistry.table.unknown(shaping, where(source, f"{path}.shaping_fn")))
    for i, part in enumerate(args.get("rewards", ())):
        here = f"{path}.rewards[{i}]"
        check_keys(part, ("id", "args", "weight", "name"), here, source)
        for name, kind in (("weight", float), ("name", str | None)):
            read(kind, part.get(name, 1.0 if name == "weight" else None), join(here, name), source)
        named = {key: part[key] for key in ("id", "args") if key in part}
        part["args"] = _component(named, here, source, RewardFunctionRegistry.table, REWARD_ARGUMENTS).args
    if "metric" in args:
        if not MetricRegistry.table.admit(args["metric"]):
            raise ConfigError(MetricRegistry.table.unknown(args["metric"], where(source, f"{path}.metric")))
        metric = {"id": args["metric"], "args": args.get("args")}
        _component(metric, path, source, MetricRegistry.table, METRIC_ARGUMENTS)


def _known_id(given: Mapping[str, Any], path: str, source: str, table: Registry) -> str:
    if "id" not in given:
        raise ConfigError(f"{where(source, join(path, 'id'))}: missing; expected the id of a {table.kind}.")
    name: str = read(str, given["id"], join(path, "id"), source)
    if not table.admit(name):
        raise ConfigError(table.unknown(name, where(source, join(path, "id"))))
    return name


def _typed_arguments(kind: type | None, args: dict[str, Any], path: str, source: str) -> dict[str, Any]:
    """Arguments of a shipped class with its published defaults; a registered class's as they are."""
    return args if kind is None else cast(dict[str, Any], plain(read(kind, args, path, source)))


def _seed(given: Mapping[str, Any], args: dict[str, Any], source: str) -> int:
    """The top-level seed; `alg.args.seed` (stable-baselines3's) says the same where the first is not given."""
    inner = args.pop("seed", None)
    if inner is not None and given.get("seed", inner) != inner:
        raise ConfigError(
            f"{where(source, 'alg.args.seed')}: {inner} contradicts seed {given['seed']}; keep the top-level one."
        )
    default = DEFAULTS["seed"].value if inner is None else inner
    return int(read(Seed, given.get("seed", default), "seed", source))
