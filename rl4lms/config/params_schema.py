"""The closed schema of every file under params/: what keys there are, of what type, and what each means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rl4lms.config.published import published
from rl4lms.config.reader import Count, Name, Natural, NonNegative, Positive, Range, Seed
from rl4lms.config.sections import KeepBestConfig
from rl4lms.core.kernels import Kernels

Side = Literal["left", "right"]
Source = Literal["generator", "local", "hub"]


@dataclass(frozen=True)
class DataParams:
    """Where a task's rows come from. Sizes cap a split; null keeps every row (the generator needs a number).

    data_dir: directory of local rows, of this task alone, whatever `source` says; --data-dir goes before it. folder:
    where the rows lie in it; null looks there itself and in the folders that the data set is known by.
    """

    pool: str
    source: Source
    n_train: Count | None
    n_val: Count | None
    n_test: Count | None
    seed: Seed = 0
    data_dir: str | None = None
    folder: str | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelParams:
    family: str
    type: Literal["causal", "seq2seq"]


@dataclass(frozen=True)
class TokenizerParams:
    padding_side: Side = "left"
    truncation_side: Side = "left"
    pad_token_as_eos_token: bool = True
    max_length: Count | None = None


@dataclass(frozen=True)
class ComponentParams:
    """A registered class and its arguments."""

    id: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SupervisedParams:
    """The warm start. datapool: where it trains on another pool over the same rows (imdb_seq2seq).

    eval_batch_size: references a batch whose loss validation takes.
    """

    training_args: dict[str, Any]
    datapool: ComponentParams | None = None
    eval_batch_size: Count = 32


@dataclass(frozen=True)
class EnvParams:
    """reward_timeout_s: seconds that a call of the reward function may take; null sets no limit."""

    n_envs: Count
    args: dict[str, Any]
    vec_env: Literal["batched", "subproc"] = "batched"
    n_reward_workers: Natural = 0
    reward_timeout_s: Positive | None = None


@dataclass(frozen=True)
class KLParams:
    coeff: NonNegative
    target_kl: Positive | None = None
    norm_reward: bool = False


@dataclass(frozen=True)
class PolicyParams:
    """id: "auto" is <model.type>_lm_actor_critic_policy, for nlpo its maskable sibling."""

    id: str = "auto"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RLOverrides:
    """What a warm start changes.

    generation: what rollouts sample with, over the task's `generation`. env_args, reward_args: what it is trained with,
    over the task's `env.args` and `reward_fn.args`; evaluation and its reward are the task's for every method.
    """

    args: dict[str, Any] = field(default_factory=dict)
    kl_div: dict[str, Any] = field(default_factory=dict)
    policy: PolicyParams = field(default_factory=PolicyParams)
    generation: dict[str, Any] = field(default_factory=dict)
    env_args: dict[str, Any] = field(default_factory=dict)
    reward_args: dict[str, Any] = field(default_factory=dict)
    n_iters: Count | None = None


@dataclass(frozen=True)
class RLParams:
    """n_iters: rollouts of n_steps * n_envs steps. supervised: what changes where RL starts from the warm start."""

    n_iters: Count
    args: dict[str, Any] = field(default_factory=dict)
    kl_div: dict[str, Any] = field(default_factory=dict)
    policy: PolicyParams = field(default_factory=PolicyParams)
    reward_args: dict[str, Any] = field(default_factory=dict)
    supervised: RLOverrides = field(default_factory=RLOverrides)


@dataclass(frozen=True)
class EvaluationParams:
    """eval_every: iterations between evaluations on the validation split. generation: over the task's `generation`.

    keep_best: {metric, mode} of the validation by which RL keeps its best model as best_model/; null keeps none.
    """

    eval_batch_size: Count
    eval_every: Count
    main_metric: str
    metrics: list[ComponentParams]
    save_every: Count = 5
    keep_best: KeepBestConfig | None = None
    generation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskParams:
    """params/tasks/<task>.yaml. version: raised by hand when a change makes old results incomparable."""

    version: Count
    data: DataParams
    model: ModelParams
    tokenizer: TokenizerParams
    supervised: SupervisedParams
    env: EnvParams
    reward_fn: ComponentParams
    generation: dict[str, Any]
    rl: RLParams
    evaluation: EvaluationParams


@dataclass(frozen=True)
class TaskOverrides(RLOverrides):
    """What an algorithm changes of a task's `rl`. supervised: and of its `rl.supervised`."""

    supervised: RLOverrides = field(default_factory=RLOverrides)


@dataclass(frozen=True)
class AlgParams:
    """params/algs/<alg>.yaml. supervised: what changes where RL starts from the warm start; tasks: on single tasks."""

    id: str
    args: dict[str, Any]
    kl_div: KLParams
    policy: PolicyParams = field(default_factory=PolicyParams)
    supervised: RLOverrides = field(default_factory=RLOverrides)
    tasks: dict[str, TaskOverrides] = field(default_factory=dict)


@dataclass(frozen=True)
class VocabularyParams:
    vocab_size: Count


@dataclass(frozen=True)
class BaseTrainingParams:
    """Training from scratch on the text of `tasks`: prompts and references of their train splits, cut into blocks.

    embedding_learning_rate: of the token embeddings where it differs from learning_rate. For seq2seq families:
    noise_density, mean_noise_span_length of T5's span corruption (arXiv:1910.10683, 3.1.4), and continuation_share,
    the share of examples that continue a text instead of restoring it.
    """

    n_steps: Count
    batch_size: Count
    block_size: Count
    learning_rate: Positive
    warmup_steps: Natural = 0
    weight_decay: NonNegative = 0.0
    seed: Seed = 0
    noise_density: Annotated[float, Range(above=0, below=1)] = 0.15
    mean_noise_span_length: Positive = 3.0
    continuation_share: Annotated[float, Range(minimum=0, maximum=1)] = 0.5
    embedding_learning_rate: Positive | None = None


@dataclass(frozen=True)
class BaseModelParams:
    """One family of params/base_models.yaml. model_name: a hub id or path to take as it is; null trains one."""

    type: Literal["causal", "seq2seq"]
    tasks: list[str]
    model_name: str | None = None
    tokenizer: VocabularyParams | None = None
    architecture: dict[str, Any] = field(default_factory=dict)
    training: BaseTrainingParams | None = None


@dataclass(frozen=True)
class ClassifierTrainingParams:
    n_epochs: Count
    batch_size: Count
    learning_rate: Positive
    max_length: Count
    warmup_steps: Natural = 0
    weight_decay: NonNegative = 0.0
    seed: Seed = 0


@dataclass(frozen=True)
class RewardModelParams:
    """One model of params/reward_models.yaml: a classifier of texts (sentiment) or of next utterances (intent)."""

    task: str
    labels: list[str]
    model_name: str | None = None
    tokenizer: VocabularyParams | None = None
    architecture: dict[str, Any] = field(default_factory=dict)
    training: ClassifierTrainingParams | None = None


@dataclass(frozen=True)
class PreferenceTrainingParams(ClassifierTrainingParams):
    """embedding_learning_rate: of the token embeddings where it differs."""

    embedding_learning_rate: Positive | None = None


@dataclass(frozen=True)
class PreferenceModelParams:
    """params/preference_model.yaml. model_name: a seq2seq model to train on from; null trains one from scratch."""

    include_prompt: bool
    heldout_share: Annotated[float, Range(above=0, below=1)]
    training: PreferenceTrainingParams
    model_name: str | None = None
    tokenizer: VocabularyParams | None = None
    architecture: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BootstrapParams:
    n_resamples: Count
    confidence: Annotated[float, Range(above=0, below=1)]
    seed: Seed = 0


@dataclass(frozen=True)
class MetricParams:
    """How a metric enters the tables: its score is (value - worst) / (best - worst), of the logarithms where log."""

    kind: Literal["task", "naturalness"]
    worst: float
    best: float
    log: bool = False


@dataclass(frozen=True)
class AggregateParams:
    bootstrap: BootstrapParams
    metrics: dict[str, MetricParams]
    paper: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class GrueParams:
    """params/grue.yaml: the suite. budget_cpu_s: CPU seconds that one job of a stage may take.

    n_threads: of torch; kernels: one set on every CPU with AVX2, or each CPU's own (core/kernels.py).
    """

    suite: Name
    tasks: list[Name]
    algs: list[Name]
    seeds: list[Seed]
    n_threads: Count
    budget_cpu_s: dict[str, Positive]
    aggregate: AggregateParams
    kernels: Kernels = published("kernels")


@dataclass(frozen=True)
class JobResources:
    """What a scheduler reserves for one job. mem_mb: of the first attempt, the n-th has n times as much; runtime: min.

    threads: null takes n_threads of params/grue.yaml, which torch uses; more is for reward workers.
    """

    mem_mb: Count
    runtime: Count
    threads: Count | None = None
    gpus: Natural = 0


@dataclass(frozen=True)
class ResourcesParams:
    """params/resources.yaml, by rule of the workflow. No result depends on it: neither DAG goes stale for a change."""

    prepare: JobResources
    base_model: JobResources
    reward_model: JobResources
    supervised: JobResources
    train: JobResources
    evaluate: JobResources
    aggregate: JobResources
