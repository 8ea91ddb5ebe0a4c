"""One run's configuration, read from the published YAML schema of RL4LMs: typed and closed.

`RunConfig.from_dict` refuses an unknown key or id and a wrong type before any work, in one line that names the key
path; it imports no model library. `RunConfig.to_dict` is the resolved configuration, defaults written out: reading it
gives an equal RunConfig, and the training script runs it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from rl4lms.config.arguments import (
    ALGORITHM_ARGUMENTS,
    POLICY_ARGUMENTS,
    AlgorithmArguments,
    GroupArguments,
    MaskablePolicyArguments,
    OnPolicyArguments,
    group_arguments,
    mask_complaint,
    refuse_float16,
    run_complaints,
)
from rl4lms.config.generation import (
    GenerationConfig,
    check_rollout,
    notice_top_k,
    read_generation,
    share_token_facts,
)
from rl4lms.config.groups import group_complaints
from rl4lms.config.overrides import noted, override
from rl4lms.config.reader import Count, Seed, check_json, check_keys, hints, join, mapping, missing, plain, read, where
from rl4lms.config.sections import (
    AlgorithmConfig,
    ComponentConfig,
    EnvConfig,
    KLConfig,
    PolicyConfig,
    PushConfig,
    SupervisedConfig,
    TokenizerConfig,
    TrainEvaluationConfig,
)
from rl4lms.config.signatures import read_arguments
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
# Keys of train_evaluation that supervised runs do without -> the argument of transformers' trainer in its place.
_OF_ON_POLICY = {"n_iters": "num_train_epochs", "save_every": "save_steps"}


@dataclass(frozen=True)
class RunConfig:
    """One run. notices: what to say once in the log, defaults that a reader of the file would not expect."""

    tokenizer: Annotated[TokenizerConfig, "The tokenizer of prompts, responses and references."]
    datapool: Annotated[ComponentConfig, "The samples."]
    alg: Annotated[AlgorithmConfig | SupervisedConfig, "The algorithm, or supervised fine-tuning."]
    train_evaluation: Annotated[TrainEvaluationConfig, "How long to train, and how to evaluate meanwhile."]
    reward_fn: Annotated[ComponentConfig | None, "The reward function; supervised runs have none."] = None
    env: Annotated[EnvConfig | None, "The environments; supervised runs have none."] = None
    seed: Annotated[Seed, "Of every random choice of the run."] = 0
    n_threads: Annotated[Count | None, "Threads of torch; null takes OMP_NUM_THREADS, or every core."] = None
    kernels: Annotated[Kernels, "Arithmetic that is equal on every CPU with AVX2, or each CPU's own."] = "portable"
    push_to_hub: Annotated[PushConfig | None, "Where to push the model at the end; null pushes nothing."] = None
    notices: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_supervised(self) -> bool:
        return isinstance(self.alg, SupervisedConfig)

    @classmethod
    def from_dict(cls, value: Any, source: str = "configuration") -> RunConfig:
        """The configuration in a mapping. source: what an error's line starts with. Raises ConfigError."""
        return _Reading(mapping(value, "", source), source).run()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], changes: Mapping[str, Any] | None = None) -> RunConfig:
        """The configuration in a YAML file, or in a run's config.json (JSON is YAML). Raises ConfigError.

        changes: values in place of the file's, by dotted key: {"alg.args.n_epochs": 2}.
        """
        return cls.from_dict(override(load_yaml(path), changes or {}), noted(str(path), changes))

    def to_dict(self) -> dict[str, Any]:
        """The resolved configuration in the published schema, as JSON values."""
        own = ("seed", "n_threads", "kernels", "push_to_hub")
        names = ("tokenizer", "reward_fn", "datapool", "env", "alg", "train_evaluation", *own)
        sections = {name: plain(getattr(self, name)) for name in names} | {"alg": self.alg.to_dict()}
        if self.is_supervised:
            sections["train_evaluation"].pop("save_every")
        return {name: section for name, section in sections.items() if section is not None}

    def determining(self) -> dict[str, Any]:
        """What the results depend on: `to_dict` but for where they go, so that a finished run can be pushed."""
        return {name: section for name, section in self.to_dict().items() if name != "push_to_hub"}


class _Reading:
    """One configuration that is being read; source begins its errors, notices gather what to say in the log."""

    def __init__(self, given: Mapping[str, Any], source: str) -> None:
        self.given, self.source, self.notices = given, source, list[str]()

    def run(self) -> RunConfig:
        check_json(self.given, "", self.source)
        check_keys(self.given, hints(RunConfig).keys() - {"notices"}, "", self.source)
        supervised = self._algorithm_id() == "supervised"
        for name in ALWAYS if supervised else ALWAYS + ON_POLICY_ONLY:
            if name not in self.given:
                raise self._wrong(name, "missing; expected a mapping.")
        for name in ON_POLICY_ONLY if supervised else ():
            if name in self.given:
                raise self._wrong(name, "not used by alg.id supervised; remove it.")
        return self._supervised() if supervised else self._on_policy()

    def _wrong(self, path: str, what: str) -> ConfigError:
        return ConfigError(f"{where(self.source, path)}: {what}")

    def _mapping(self, value: Any, path: str) -> dict[str, Any]:
        return mapping(value, path, self.source)

    def _read(self, kind: Any, value: Any, path: str) -> Any:
        return read(kind, value, path, self.source)

    def _algorithm_id(self) -> str:
        alg = self._mapping(self.given.get("alg", {}), "alg")
        if "id" not in alg:
            raise missing(str, "alg.id", self.source)
        name: str = self._read(str, alg["id"], "alg.id")
        if name != "supervised" and not AlgorithmRegistry.table.admit(name):
            known = ["supervised", *AlgorithmRegistry.table.ids()]
            raise ConfigError(unknown("algorithm", name, known, where(self.source, "alg.id")))
        return name

    def _whole(self, arguments: dict[str, Any], **parts: Any) -> RunConfig:
        """The configuration of its own parts and of those that every run has. arguments: alg.args, with SB3's seed."""
        kinds = hints(RunConfig)
        names = ("n_threads", "kernels", "push_to_hub")
        simple = {k: self._read(kinds[k], self.given[k], k) for k in names if k in self.given}
        return RunConfig(
            tokenizer=self._read(TokenizerConfig, self.given["tokenizer"], "tokenizer"),
            datapool=self._component(self.given["datapool"], "datapool", DataPoolRegistry.table),
            seed=self._seed(arguments),
            notices=tuple(self.notices),
            **simple,
            **parts,
        )

    def _seed(self, arguments: Mapping[str, Any]) -> int:
        """The top-level seed; `alg.args.seed` (stable-baselines3's) says the same where the first is not given."""
        inner = arguments.get("seed")
        seed = self.given.get("seed", RunConfig.seed if inner is None else inner)
        if inner is not None and seed != inner:
            raise self._wrong("alg.args.seed", f"{inner} contradicts seed {seed}; keep the top-level one.")
        return int(self._read(Seed, seed, "seed"))

    def _supervised(self) -> RunConfig:
        alg, kinds = self._mapping(self.given["alg"], "alg"), hints(SupervisedConfig)
        check_keys(alg, kinds, "alg", self.source)
        for name in ("training_args", "model_type", "model_name"):
            if name not in alg:
                raise missing(kinds[name], f"alg.{name}", self.source)
        model_type = self._read(kinds["model_type"], alg["model_type"], "alg.model_type")
        causal, path = model_type == "causal", "alg.generation_kwargs"
        generation = self._generation(alg.get("generation_kwargs"), path, causal=causal)
        length = None if generation is None else generation.max_new_tokens
        evaluation = self._evaluation(on_policy=False, length=length, causal=causal)
        if generation is not None:
            theirs = "train_evaluation.generation_kwargs"
            both = share_token_facts(generation, evaluation.generation_kwargs, theirs, self.source, path)
            generation, evaluation = both[0], replace(evaluation, generation_kwargs=both[1])
            if both[1] is not None:
                self.notices.append(f"{path}: the evaluation decodes by {theirs} alone, but for the token ids.")
        decoding = evaluation.generation_kwargs or generation
        if evaluation.metrics and (decoding is None or decoding.max_new_tokens is None):
            raise missing(int, f"{path}.max_new_tokens", self.source)
        section = SupervisedConfig(
            training_args=read_training_args(alg["training_args"], "alg.training_args", self.source),
            model_type=model_type,
            model_name=self._read(str, alg["model_name"], "alg.model_name"),
            generation_kwargs=generation,
            lora=self._read(kinds["lora"], alg.get("lora"), "alg.lora"),
        )
        return self._whole({}, alg=section, train_evaluation=evaluation)

    def _on_policy(self) -> RunConfig:
        alg = self._mapping(self.given["alg"], "alg")
        check_keys(alg, hints(AlgorithmConfig), "alg", self.source)
        for name in ("kl_div", "policy"):
            if name not in alg:
                raise self._wrong(join("alg", name), "missing; expected a mapping.")
        args = self._mapping(alg.get("args") or {}, "alg.args")
        env: EnvConfig = self._read(EnvConfig, self.given["env"], "env")
        shipped = AlgorithmRegistry.table.is_shipped(alg["id"])
        critic = group_arguments(alg["id"]) is None if shipped else None
        policy = self._policy(alg["policy"], env.args.max_episode_length, critic=critic)
        if "minibatch" not in args and critic is not False:
            self.notices.append(
                "alg.args.minibatch: episodes, whole ones up to batch_size steps; write transitions for RL4LMs'."
            )
        kl_div = self._read(KLConfig, alg["kl_div"], "alg.kl_div")
        if kl_div.target_kl is not None and not kl_div.coeff:
            raise self._wrong("alg.kl_div.target_kl", "adapts coeff, which is 0 and stays so; write null.")
        length = policy.generation.max_new_tokens
        evaluation = self._evaluation(on_policy=True, length=length, causal=_is_causal(policy.id))
        arguments = self._algorithm_arguments(alg["id"], {k: v for k, v in args.items() if k != "seed"})
        if isinstance(arguments, OnPolicyArguments):  # those of a user's class mean what it says
            self._check_buffer(arguments.n_steps, env.n_envs, length or env.args.max_episode_length)
        elif isinstance(arguments, GroupArguments):
            longest = length or env.args.max_episode_length
            for path, wrong in group_complaints(alg["id"], arguments, env.args, longest, kl_div):
                raise self._wrong(path, wrong)
        if isinstance(arguments, AlgorithmArguments):
            dtype = policy.argument("dtype")
            for path, wrong in run_complaints(arguments, evaluation.n_iters, evaluation.total_tokens, dtype):
                raise self._wrong(path, wrong)
        self._check_maskable(alg["id"], policy.id)
        theirs = "train_evaluation.generation_kwargs"
        rollout, decoding = share_token_facts(policy.generation, evaluation.generation_kwargs, theirs, self.source)
        start, context_start = rollout.decoder_start_token_id, env.args.context_start_token
        if None not in (start, context_start) and start != context_start:
            raise self._wrong(
                "env.args.context_start_token",
                f"{context_start} contradicts decoder_start_token_id {start} of generation_kwargs; it is the same "
                "token, so give it once.",
            )
        section = AlgorithmConfig(
            id=alg["id"],
            args=arguments,
            kl_div=kl_div,
            policy=replace(policy, generation=rollout),
        )
        reward = self._component(self.given["reward_fn"], "reward_fn", RewardFunctionRegistry.table)
        if not evaluation.metrics:
            evaluation = replace(evaluation, metrics=(ComponentConfig("reward"),))
        evaluation = replace(evaluation, generation_kwargs=decoding)
        return self._whole(args, alg=section, env=env, reward_fn=reward, train_evaluation=evaluation)

    def _algorithm_arguments(self, name: str, args: dict[str, Any]) -> Any:
        """Arguments of a shipped class with its defaults; of a user's as they are, and what fills a minibatch."""
        table = AlgorithmRegistry.table
        kind = ALGORITHM_ARGUMENTS.get(name) if table.is_shipped(name) else None
        if kind is not None:
            return self._read(kind, args, "alg.args")
        minibatch = args.get("minibatch", OnPolicyArguments.minibatch)
        return args | {"minibatch": self._read(hints(OnPolicyArguments)["minibatch"], minibatch, "alg.args.minibatch")}

    def _check_buffer(self, n_steps: int, n_envs: int, longest: int) -> None:
        """Raises ConfigError where an iteration's steps cannot hold one whole episode of `longest` steps."""
        if n_steps * n_envs < longest:
            raise self._wrong(
                "alg.args.n_steps",
                f"{n_steps} * env.n_envs {n_envs} = {n_steps * n_envs} steps cannot hold one episode of up to "
                f"{longest} tokens, which would be cut and never see a score; expected at least "
                f"{-(-longest // n_envs)}.",
            )

    def _check_maskable(self, algorithm: str, policy: str) -> None:
        shipped = AlgorithmRegistry.table.is_shipped("nlpo") and PolicyRegistry.table.is_shipped(policy)
        maskable = sorted(name for name in POLICY_ARGUMENTS if name.startswith("maskable_"))
        if algorithm == "nlpo" and shipped and policy not in maskable:
            way_out = f"nlpo needs a maskable policy, found {policy}; use {' or '.join(maskable)}."
            raise self._wrong("alg.policy.id", way_out)

    def _policy(self, value: Any, episode_length: int, *, critic: bool | None) -> PolicyConfig:
        """critic: whether the algorithm has one, which a class of the user's says when it is made."""
        path = "alg.policy"
        policy_id, args = self._id_and_args(value, path, PolicyRegistry.table)
        here, sampling = f"{path}.args.generation_kwargs", args.pop("generation_kwargs", None) or {}
        generation = self._generation(sampling, here, length=episode_length, causal=_is_causal(policy_id))
        assert generation is not None
        check_rollout(generation, here, self.source, episode_length)
        kind = POLICY_ARGUMENTS.get(policy_id) if PolicyRegistry.table.is_shipped(policy_id) else None
        if kind is None:
            return PolicyConfig(policy_id, args, generation)
        refuse_float16(args.get("dtype"), where(self.source, f"{path}.args.dtype"))
        if critic is False and args.setdefault("value_model", "none") != "none":
            raise self._wrong(
                f"{path}.args.value_model", f"{args['value_model']}, but the algorithm has no critic; write none."
            )
        if critic and args.get("value_model") == "none":
            raise self._wrong(f"{path}.args.value_model", "none, but the algorithm has a critic; write shared.")
        arguments = self._read(kind, args, f"{path}.args")
        if isinstance(arguments, MaskablePolicyArguments):
            wrong = mask_complaint(arguments.mask_type, arguments.top_mask)
            if wrong is not None:
                raise self._wrong(f"{path}.args.top_mask", wrong)
        return PolicyConfig(policy_id, arguments, generation)

    def _generation(self, given: Any, path: str, *, length: int | None = None, causal: bool) -> GenerationConfig | None:
        """The decoding at `path`, None where it is not given; says so where top_k is left to its default."""
        if given is None:
            return None
        self.notices += notice_top_k(given, path)
        return read_generation(given, path, self.source, episode_length=length, causal=causal)

    def _evaluation(self, *, on_policy: bool, length: int | None, causal: bool) -> TrainEvaluationConfig:
        """`train_evaluation`. Supervised runs count in epochs and not in iterations.

        length: of a text where the section gives none; causal: the model is known to be decoder-only. A metric that is
        listed twice (the published iwslt2017 files do) is computed once.
        """
        path = "train_evaluation"
        given = self._mapping(self.given[path], path)
        metrics = self._read(list[Any], given.pop("metrics", None) or [], f"{path}.metrics")
        decoding = given.pop("generation_kwargs", None)
        for name in ("n_iters", "eval_every") if on_policy else ():
            if given.get(name) is None:
                raise missing(int, join(path, name), self.source)
        section: TrainEvaluationConfig = self._read(TrainEvaluationConfig, given, path)
        for name in ("keep_best", "early_stopping", "total_tokens") if not on_policy else ():
            if given.get(name) is not None:
                raise self._wrong(join(path, name), "not used by alg.id supervised; remove it.")
        generation = self._generation(decoding, f"{path}.generation_kwargs", length=length, causal=causal)
        for name, instead in _OF_ON_POLICY.items() if not on_policy else ():
            if name in given:
                way_out = f"without effect on alg.id supervised; alg.training_args.{instead} says it."
                self.notices.append(f"{path}.{name}: {way_out}")
        once: list[ComponentConfig] = []
        for i, metric in enumerate(metrics):
            component = self._component(metric, f"{path}.metrics[{i}]", MetricRegistry.table)
            if component in once:
                self.notices.append(f"{path}.metrics[{i}]: {component.id} is listed twice; it is computed once.")
            else:
                once.append(component)
        return replace(section, metrics=tuple(once), generation_kwargs=generation)

    def _component(self, value: Any, path: str, table: Registry) -> ComponentConfig:
        name, args = self._id_and_args(value, path, table)
        if table.is_shipped(name):  # a user's module may import torch, and is loaded once the process is settled
            args = read_arguments(table, name, args, f"{path}.args", self.source)
            if table is RewardFunctionRegistry.table:
                self._check_named(args, f"{path}.args")
        return ComponentConfig(name, args)

    def _check_named(self, args: Mapping[str, Any], path: str) -> None:
        """The classes that a shipped reward names in turn: a shaping function, other rewards, a metric."""
        rewards = RewardFunctionRegistry.table
        if args.get("shaping_fn") is not None:
            self._known(args["shaping_fn"], f"{path}.shaping_fn", rewards)
        for i, part in enumerate(args.get("rewards", ())):
            here = f"{path}.rewards[{i}]"
            check_keys(part, ("id", "args", "weight", "name"), here, self.source)
            self._read(float, part.get("weight", 1.0), f"{here}.weight")
            self._read(str | None, part.get("name"), f"{here}.name")
            named = {key: part[key] for key in ("id", "args") if key in part}
            part["args"] = self._component(named, here, rewards).args
        if "metric" in args:
            self._known(args["metric"], f"{path}.metric", MetricRegistry.table)
            self._component({"id": args["metric"], "args": args.get("args")}, path, MetricRegistry.table)

    def _id_and_args(self, value: Any, path: str, table: Registry) -> tuple[str, dict[str, Any]]:
        given = self._mapping(value, path)
        check_keys(given, ("id", "args"), path, self.source)
        if "id" not in given:
            raise self._wrong(join(path, "id"), f"missing; expected the id of a {table.kind}.")
        name: str = self._read(str, given["id"], join(path, "id"))
        self._known(name, join(path, "id"), table)
        return name, self._mapping(given.get("args") or {}, f"{path}.args")

    def _known(self, name: str, path: str, table: Registry) -> None:
        if not table.admit(name):
            raise ConfigError(table.unknown(name, where(self.source, path)))


def _is_causal(policy_id: str) -> bool:
    """Whether a policy is known to be of decoder-only models; a class of the user's may be of any."""
    return PolicyRegistry.table.is_shipped(policy_id) and "causal" in policy_id
