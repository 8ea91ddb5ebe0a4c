"""The sections of a run's configuration: RL4LMs' published YAML schema, with this project's optional keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rl4lms.config.generation import GenerationConfig
from rl4lms.config.published import published
from rl4lms.config.reader import Count, Natural, NonNegative, Positive, Range, plain

Length = Annotated[int, Range(minimum=1, maximum=1_000_000)]  # in tokens
_PEFT_NAMES = {"alpha": "lora_alpha", "dropout": "lora_dropout"}


@dataclass(frozen=True)
class TokenizerConfig:
    """max_length: of a prompt in supervised training and its evaluation, in tokens; None is the tokenizer's own.

    trust_remote_code: run the python files that come with a tokenizer; None does not.
    """

    model_name: str
    padding_side: Literal["left", "right"] = published("tokenizer.padding_side")
    truncation_side: Literal["left", "right"] = published("tokenizer.truncation_side")
    pad_token_as_eos_token: bool = published("tokenizer.pad_token_as_eos_token")
    max_length: Count | None = None
    trust_remote_code: bool | None = None


@dataclass(frozen=True)
class ComponentConfig:
    """A registered reward function, data pool or metric, and the arguments to make it with."""

    id: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EnvArguments:
    """The token-level environment. Lengths in tokens; context_start_token: the decoder's first, None asks the model."""

    max_prompt_length: Length
    max_episode_length: Length
    terminate_on_eos: bool = published("env.args.terminate_on_eos")
    priority_scale: NonNegative = published("env.args.priority_scale")
    context_start_token: Natural | None = published("env.args.context_start_token")
    prompt_truncation_side: Literal["left", "right"] = published("env.args.prompt_truncation_side")


@dataclass(frozen=True)
class EnvConfig:
    """n_envs: rows of an iteration's steps. vec_env: whole batches, or SB3's worker processes.

    reward_timeout_s: seconds that a call of the reward function may take before the run ends; None sets no limit.
    """

    args: EnvArguments
    n_envs: Annotated[int, Range(minimum=1, maximum=65_536)] = published("env.n_envs")
    vec_env: Literal["batched", "subproc"] = published("env.vec_env")
    n_reward_workers: Annotated[int, Range(minimum=0, maximum=1024)] = published("env.n_reward_workers")
    reward_timeout_s: Positive | None = None


@dataclass(frozen=True)
class KLConfig:
    """coeff: weight of the per-token KL in the reward. target_kl: None keeps coeff; else the mean per token to hold."""

    coeff: NonNegative
    target_kl: Positive | None = published("alg.kl_div.target_kl")
    norm_reward: bool = published("alg.kl_div.norm_reward")


@dataclass(frozen=True)
class PolicyConfig:
    """args: every argument of the policy but `generation_kwargs`, which is `generation`."""

    id: str
    args: dict[str, Any]
    generation: GenerationConfig

    @property
    def model_name(self) -> str:
        return str(self.args["model_name"])

    def constructor_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the policy class: `lora` in peft's names, and `generation_kwargs`."""
        arguments = {**self.args, "generation_kwargs": self.generation.to_dict()}
        if isinstance(lora := arguments.get("lora"), dict):
            arguments["lora"] = {_PEFT_NAMES.get(name, name): value for name, value in lora.items()}
        return arguments

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "args": {**plain(self.args), "generation_kwargs": self.generation.to_dict()}}


@dataclass(frozen=True)
class AlgorithmConfig:
    """args: of the algorithm's constructor. minibatch: what an optimiser step is filled with."""

    id: str
    args: dict[str, Any]
    kl_div: KLConfig
    policy: PolicyConfig
    minibatch: Literal["episodes", "transitions"] = published("alg.args.minibatch")

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "args": {**plain(self.args), "minibatch": self.minibatch},
            "kl_div": plain(self.kl_div),
            "policy": self.policy.to_dict(),
        }


@dataclass(frozen=True)
class SupervisedConfig:
    """Supervised fine-tuning. training_args: of transformers.TrainingArguments.

    generation_kwargs: what evaluation decodes with, unless train_evaluation has its own; None where it has no metrics.
    """

    training_args: dict[str, Any]
    model_type: Literal["causal", "seq2seq"]
    model_name: str
    generation_kwargs: GenerationConfig | None = None
    id: Literal["supervised"] = "supervised"

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "training_args": plain(self.training_args),
            "model_type": self.model_type,
            "model_name": self.model_name,
            **({} if self.generation_kwargs is None else {"generation_kwargs": self.generation_kwargs.to_dict()}),
        }


@dataclass(frozen=True)
class KeepBestConfig:
    """metric: a key of val_split_metrics.jsonl; mode: whether its highest or its lowest value is the best."""

    metric: str
    mode: Literal["max", "min"] = "max"


@dataclass(frozen=True)
class TrainEvaluationConfig:
    """Iterations and evaluation. eval_every: iterations from one to the next; for supervised runs, which have no
    n_iters, epochs, where None is every one.

    generation_kwargs: what evaluation decodes with; None decodes as the rollouts do, or by alg.generation_kwargs.
    keep_best: keep the checkpoint of the evaluation that was best, as checkpoints/best, and its model, as best_model/;
    None keeps neither.
    """

    eval_batch_size: Count
    n_iters: Count | None = None
    eval_every: Count | None = None
    save_every: Count = published("train_evaluation.save_every")
    keep_best: KeepBestConfig | None = None
    metrics: tuple[ComponentConfig, ...] = ()
    generation_kwargs: GenerationConfig | None = None
