"""The sections of a run's configuration: RL4LMs' published YAML schema, with this project's optional keys.

A field is a key: its kind, one sentence about it, which `python -m rl4lms schema` prints, and its default. The defaults
are RL4LMs' own (envs/text_generation/training_utils.py, env.py), and this project's where the key is its.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rl4lms.config.arguments import AlgorithmArguments, LoraArguments, PolicyArguments, peft_arguments
from rl4lms.config.generation import GenerationConfig
from rl4lms.config.reader import Count, Natural, NonNegative, Positive, Range, Side, plain

Length = Annotated[int, Range(minimum=1, maximum=1_000_000)]


@dataclass(frozen=True)
class TokenizerConfig:
    """The tokenizer of prompts, responses and references."""

    model_name: Annotated[str, "Directory or hub id of the tokenizer."]
    padding_side: Annotated[Side, "Side on which prompts are padded."] = "left"
    truncation_side: Annotated[Side, "Side from which a tokenizer cuts a text that is too long."] = "left"
    pad_token_as_eos_token: Annotated[bool, "Pad with the token that ends a text if there is no padding token."] = True
    max_length: Annotated[
        Count | None, "Tokens of a prompt in supervised training and its evaluation; null takes the tokenizer's own."
    ] = None
    trust_remote_code: Annotated[bool | None, "Run the Python files that come with a tokenizer; null does not."] = None
    chat_template: Annotated[
        str, "Of prompts that are messages: auto is the tokenizer's own, none is none; or a Jinja file."
    ] = "auto"


@dataclass(frozen=True)
class ComponentConfig:
    """A reward function, data pool or metric, and the arguments to make it with."""

    id: Annotated[str, "A registered id, or module:Class of a class of your own."]
    args: Annotated[dict[str, Any], "Arguments of its constructor (of a pool: of `prepare`)."] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class EnvArguments:
    """The token-level environment."""

    max_prompt_length: Annotated[Length, "Tokens that a prompt is cut to."]
    max_episode_length: Annotated[Length, "Tokens after which an episode ends."]
    terminate_on_eos: Annotated[bool, "End an episode at the token that ends a text."] = False
    priority_scale: Annotated[
        NonNegative, "Power of a sample's weight in its chance to be drawn; 0 draws all alike."
    ] = 0.0
    context_start_token: Annotated[Natural | None, "First token of a decoder; null asks the model."] = None
    prompt_truncation_side: Annotated[Side, "Side from which a prompt that is too long is cut."] = "left"


@dataclass(frozen=True)
class EnvConfig:
    """The environments that a rollout is collected from."""

    args: Annotated[EnvArguments, "Arguments of the environment."]
    n_envs: Annotated[
        int,
        Range(minimum=1, maximum=65_536),
        "Environments, of each of which an iteration has alg.args.n_steps steps.",
    ] = 1
    vec_env: Annotated[
        Literal["batched", "subproc"], "Whole batches of episodes at once, or stable-baselines3's worker processes."
    ] = "batched"
    n_reward_workers: Annotated[
        int, Range(minimum=0, maximum=1024), "Processes that compute rewards; 0 computes them in the run's own."
    ] = 0
    reward_timeout_s: Annotated[
        Positive | None, "Seconds that a call of the reward function may take before the run ends; null sets no limit."
    ] = None


@dataclass(frozen=True)
class KLConfig:
    """The penalty for moving away from the model that the run started from."""

    coeff: Annotated[NonNegative, "Weight of a token's KL, in its reward or in the loss (docs/algorithms/groups.md)."]
    target_kl: Annotated[Positive | None, "Mean KL of a token that coeff is adapted to; null keeps coeff."] = None
    norm_reward: Annotated[bool, "Whiten the rewards of a rollout, KL included."] = False


@dataclass(frozen=True)
class PolicyConfig:
    """The actor-critic policy. `generation_kwargs` of its args is `generation`; a class of the user's has a dict."""

    id: Annotated[str, "A registered id, or module:Class of a class of your own."]
    args: Annotated[PolicyArguments | dict[str, Any], "Arguments of the policy."]
    generation: GenerationConfig

    def argument(self, name: str) -> Any:
        """One argument, None where it is not given."""
        return self.args.get(name) if isinstance(self.args, dict) else getattr(self.args, name, None)

    @property
    def model_name(self) -> str:
        return str(self.argument("model_name"))

    def constructor_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the policy class: `lora` in peft's names, and `generation_kwargs`."""
        arguments: dict[str, Any] = self.to_dict()["args"]
        if isinstance(lora := arguments.get("lora"), dict):
            arguments["lora"] = peft_arguments(lora)
        return arguments

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "args": {**plain(self.args), "generation_kwargs": self.generation.to_dict()}}


@dataclass(frozen=True)
class AlgorithmConfig:
    """A reinforcement-learning algorithm. The arguments of a class of the user's are a dict."""

    id: Annotated[str, "A registered id, or module:Class of a class of your own."]
    args: Annotated[AlgorithmArguments | dict[str, Any], "Arguments of the algorithm."]
    kl_div: Annotated[KLConfig, "The penalty for moving away from the model that the run started from."]
    policy: Annotated[PolicyConfig, "The policy that is trained."]

    def constructor_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the algorithm's class."""
        arguments: dict[str, Any] = plain(self.args)
        return arguments

    def to_dict(self) -> dict[str, Any]:
        parts = {"id": self.id, "args": self.constructor_arguments(), "kl_div": plain(self.kl_div)}
        return {**parts, "policy": self.policy.to_dict()}


@dataclass(frozen=True)
class SupervisedConfig:
    """Supervised fine-tuning on the references."""

    training_args: Annotated[
        dict[str, Any], "Arguments of transformers.TrainingArguments, but for output_dir and seeds."
    ]
    model_type: Annotated[Literal["causal", "seq2seq"], "Decoder-only, or encoder-decoder."]
    model_name: Annotated[str, "Directory or hub id of the model to start from."]
    generation_kwargs: Annotated[
        GenerationConfig | None, "What evaluation decodes with, unless train_evaluation has its own."
    ] = None
    lora: Annotated[LoraArguments | None, "Train low-rank adapters (peft); null trains every weight."] = None
    id: Annotated[Literal["supervised"], "Always supervised."] = "supervised"

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, **plain(self)}

    def peft_arguments(self) -> dict[str, Any] | None:
        """Those of its adapters; None where it has none."""
        return None if self.lora is None else peft_arguments(plain(self.lora))


@dataclass(frozen=True)
class KeepBestConfig:
    """By which evaluation the best model is kept."""

    metric: Annotated[
        str, "A key of val_split_metrics.jsonl, or one of rollout/* and train/*, as logged by the iteration before."
    ]
    mode: Annotated[Literal["max", "min"], "Whether its highest or its lowest value is the best."] = "max"


@dataclass(frozen=True)
class EarlyStoppingConfig(KeepBestConfig):
    """By which evaluations training ends before n_iters."""

    patience: Annotated[Count, "Evaluations in a row without a better value, after which training ends."] = 3
    min_delta: Annotated[NonNegative, "What a value must be better by than the best before."] = 0.0


@dataclass(frozen=True)
class MaxSamplesConfig:
    """Samples that an evaluation during training takes, drawn once by the seed (evaluation_samples.json)."""

    val: Annotated[Count | None, "Of the validation split; null takes all."] = None
    test: Annotated[Count | None, "Of the test split; null takes all."] = None


@dataclass(frozen=True)
class PushConfig:
    """Where the model goes at the end, with its card; a token comes from `hf auth login` or HF_TOKEN."""

    repo_id: Annotated[str, "Repository of the Hugging Face hub, owner/name or name, made if there is none."]
    private: Annotated[bool | None, "Whether it is private if it is made; null leaves it to its owner's default."] = (
        None
    )


@dataclass(frozen=True)
class TrainEvaluationConfig:
    """How long a run trains, and how it is evaluated meanwhile."""

    eval_batch_size: Annotated[Count, "Prompts that are generated from at once."]
    n_iters: Annotated[Count | None, "Iterations: rollouts, each with its update; required but in supervised runs."] = (
        None
    )
    total_tokens: Annotated[
        Count | None,
        "Tokens: training ends after the iteration in which the sampler has emitted as many, whatever became of them; "
        "null leaves the end to n_iters.",
    ] = None
    eval_every: Annotated[
        Count | None, "Iterations between evaluations; in supervised runs epochs, where null is every one."
    ] = None
    save_every: Annotated[Count, "Iterations between checkpoints."] = 20
    keep_best: Annotated[
        KeepBestConfig | None, "Keep the best evaluation's checkpoint (checkpoints/best) and model (best_model/)."
    ] = None
    early_stopping: Annotated[
        EarlyStoppingConfig | None, "End training when evaluations do not improve any more; null does not."
    ] = None
    max_samples: Annotated[
        MaxSamplesConfig | None, "Samples of a split that are evaluated during training; null takes all."
    ] = None
    metrics: Annotated[tuple[ComponentConfig, ...], "Metrics of the generated texts, each {id, args}."] = ()
    generation_kwargs: Annotated[
        GenerationConfig | None, "What evaluation decodes with; null decodes as the rollouts do, or by alg's."
    ] = None
