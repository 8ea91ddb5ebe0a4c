"""The closed schema of every file under params/: what keys there are, of what kind, and what each means.

Sections that a run's configuration has as well are those of config/sections.py: a Part of one is checked here, stays as
it was written, and gets its defaults with the run that it is composed into.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from rl4lms.config.arguments import LoraArguments
from rl4lms.config.reader import Count, Name, Natural, NonNegative, Part, Positive, Range, Seed
from rl4lms.config.sections import ComponentConfig, EnvConfig, KeepBestConfig, KLConfig, TokenizerConfig
from rl4lms.core.kernels import Kernels

Source = Literal["generator", "local", "hub"]
Kind = Literal["causal", "seq2seq"]
Start = Literal["zero_shot", "supervised"]  # what RL starts from: the base model, the warm start
STARTS: tuple[Start, ...] = get_args(Start)
Share = Annotated[float, Range(above=0, below=1)]
TopP = Annotated[float, Range(above=0, maximum=1)]
Arguments = dict[str, Any]


@dataclass(frozen=True)
class DataParams:
    """Where a task's rows come from."""

    pool: Annotated[str, "Id of the data pool."]
    source: Annotated[Source, "Made by the task's generator, read from data_dir, or from the hub."]
    n_train: Annotated[Count | None, "Rows that the split is cut to; null keeps all (the generator needs a number)."]
    n_val: Annotated[Count | None, "As n_train."]
    n_test: Annotated[Count | None, "As n_train."]
    seed: Annotated[Seed, "Of the generator, and of the choice of rows."] = 0
    data_dir: Annotated[str | None, "Directory of local rows, whatever source says; --data-dir goes before it."] = None
    folder: Annotated[str | None, "Folder in it; null looks there and in the data set's usual folders."] = None
    args: Annotated[Arguments, "Arguments of the pool."] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelParams:
    family: Annotated[str, "A family of params/base_models.yaml."]
    type: Annotated[Kind, "Decoder-only, or encoder-decoder."]


@dataclass(frozen=True)
class SupervisedParams:
    """The warm start."""

    training_args: Annotated[Arguments, "Arguments of transformers.TrainingArguments."]
    datapool: Annotated[ComponentConfig | None, "Another pool over the same rows, such as imdb_seq2seq."] = None
    eval_batch_size: Annotated[Count, "References that validation takes the loss of at once."] = 32
    lora: Annotated[LoraArguments | None, "Train low-rank adapters (peft); null trains every weight."] = None


@dataclass(frozen=True)
class PolicyParams:
    id: Annotated[str, "auto is <model.type>_lm_actor_critic_policy, for nlpo its maskable sibling."] = "auto"
    args: Annotated[Arguments, "Arguments of the policy."] = field(default_factory=dict)


@dataclass(frozen=True)
class RLOverrides:
    """What a warm start changes; evaluation and its reward are the task's for every method."""

    args: Annotated[Arguments, "Over the algorithm's args."] = field(default_factory=dict)
    kl_div: Annotated[Arguments, Part(KLConfig), "Over its kl_div."] = field(default_factory=dict)
    policy: Annotated[PolicyParams, "Over its policy."] = field(default_factory=PolicyParams)
    generation: Annotated[Arguments, "Over the task's generation, in rollouts."] = field(default_factory=dict)
    env_args: Annotated[Arguments, "Over the task's env.args, in training."] = field(default_factory=dict)
    reward_args: Annotated[Arguments, "Over the task's reward_fn.args, in training."] = field(default_factory=dict)
    n_iters: Annotated[Count | None, "In place of the task's rl.n_iters."] = None
    total_tokens: Annotated[Count | None, "In place of the task's rl.total_tokens."] = None


@dataclass(frozen=True)
class RLParams:
    """Reinforcement learning on a task, over the algorithm's file."""

    n_iters: Annotated[Count, "Iterations: rollouts of about args.n_steps * env.n_envs tokens, each with its update."]
    total_tokens: Annotated[Count | None, "Sampled tokens at which training ends before n_iters; null sets no end."] = (
        None
    )
    args: Annotated[Arguments, "Over the algorithm's args."] = field(default_factory=dict)
    kl_div: Annotated[Arguments, Part(KLConfig), "Over its kl_div."] = field(default_factory=dict)
    policy: Annotated[PolicyParams, "Over its policy."] = field(default_factory=PolicyParams)
    reward_args: Annotated[Arguments, "Over reward_fn.args, in training."] = field(default_factory=dict)
    supervised: Annotated[RLOverrides, "What changes if RL starts from the warm start."] = field(
        default_factory=RLOverrides
    )


@dataclass(frozen=True)
class EvaluationParams:
    eval_batch_size: Annotated[Count, "Prompts that are generated from at once."]
    eval_every: Annotated[Count, "Iterations between evaluations on the validation split."]
    main_metric: Annotated[str, "Result by which the tables score the task."]
    metrics: Annotated[list[ComponentConfig], "Metrics of the generated texts."]
    save_every: Annotated[Count, "Iterations between checkpoints."] = 20
    keep_best: Annotated[KeepBestConfig | None, "Validation by which RL keeps its best model; null keeps none."] = None
    generation: Annotated[Arguments, "Over the task's generation, in evaluation."] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskParams:
    """params/tasks/<task>.yaml."""

    version: Annotated[Count, "Raised by hand when a change makes old results incomparable."]
    data: Annotated[DataParams, "Where the rows come from."]
    model: Annotated[ModelParams, "The base model."]
    tokenizer: Annotated[Arguments, Part(TokenizerConfig), "As in a run file, but for model_name."]
    supervised: Annotated[SupervisedParams, "The warm start."]
    env: Annotated[Arguments, Part(EnvConfig), "As in a run file."]
    reward_fn: Annotated[ComponentConfig, "The reward function."]
    generation: Annotated[Arguments, "generation_kwargs of rollouts and evaluation."]
    rl: Annotated[RLParams, "Reinforcement learning."]
    evaluation: Annotated[EvaluationParams, "Evaluation."]
    module: Annotated[
        str | None,
        "Of a task of your own: a dotted name or a .py file that holds its TASK; module:NAME for another name.",
    ] = None


@dataclass(frozen=True)
class TaskOverrides(RLOverrides):
    """What an algorithm changes of a task's `rl`."""

    supervised: Annotated[RLOverrides, "And of its rl.supervised."] = field(default_factory=RLOverrides)


@dataclass(frozen=True)
class SearchedParams:
    """A value that a search varies, between two ends."""

    low: Annotated[Positive, "Its smallest value."]
    high: Annotated[Positive, "Its largest value."]
    log: Annotated[bool, "Spread evenly by logarithm."] = False
    whole: Annotated[bool, "Round to whole numbers."] = False


@dataclass(frozen=True)
class SearchParams:
    """Points of a search, each a method of its own: <alg>.0 is the algorithm with the values of the first point."""

    n_points: Annotated[Count, "Points of a Halton sequence, the same ones for every algorithm of as many values."]
    values: Annotated[dict[str, SearchedParams], "What varies, by its dotted key, such as args.learning_rate."]
    chosen: Annotated[Natural | None, "The point whose values the algorithm itself takes; null: none of them."] = None


@dataclass(frozen=True)
class AlgParams:
    """params/algs/<alg>.yaml."""

    id: Annotated[str, "Id of the algorithm."]
    args: Annotated[Arguments, "Its arguments."]
    kl_div: Annotated[Arguments, Part(KLConfig), "As in a run file."]
    policy: Annotated[PolicyParams, "The policy."] = field(default_factory=PolicyParams)
    supervised: Annotated[RLOverrides, "What changes if RL starts from the warm start."] = field(
        default_factory=RLOverrides
    )
    tasks: Annotated[dict[str, TaskOverrides], "What changes on single tasks, by task."] = field(default_factory=dict)
    search: Annotated[SearchParams | None, "Settings of the algorithm that are compared; null has none."] = None


@dataclass(frozen=True)
class VocabularyParams:
    vocab_size: Annotated[Count, "Tokens of the tokenizer that is trained."]


@dataclass(frozen=True)
class TrainedParams:
    """A model that is taken by its name, or trained from scratch."""

    model_name: Annotated[str | None, "Directory or hub id to take unchanged; null trains a model."] = None
    tokenizer: Annotated[VocabularyParams | None, "The tokenizer to train."] = None
    architecture: Annotated[Arguments, "Keys of the model's configuration class."] = field(default_factory=dict)


@dataclass(frozen=True)
class BaseTrainingParams:
    """Training from scratch on prompts and references of the tasks' train splits, cut into blocks."""

    n_steps: Annotated[Count, "Steps of the optimiser."]
    batch_size: Annotated[Count, "Blocks of a step."]
    block_size: Annotated[Count, "Tokens of a block."]
    learning_rate: Annotated[Positive, "Step size."]
    warmup_steps: Annotated[Natural, "Steps in which the step size rises from 0."] = 0
    weight_decay: Annotated[NonNegative, "Of AdamW."] = 0.0
    seed: Annotated[Seed, "Of weights, order and noise."] = 0
    noise_density: Annotated[Share, "T5: share of tokens that is corrupted (arXiv:1910.10683, 3.1.4)."] = 0.15
    mean_noise_span_length: Annotated[Positive, "T5: mean tokens of a corrupted span."] = 3.0
    continuation_share: Annotated[
        float, Range(minimum=0, maximum=1), "T5: share of examples that continue a text instead of restoring it."
    ] = 0.5
    embedding_learning_rate: Annotated[Positive | None, "Of token embeddings; null takes learning_rate."] = None


@dataclass(frozen=True)
class BaseModelParams(TrainedParams):
    """One family of params/base_models.yaml."""

    type: Annotated[Kind, "Decoder-only, or encoder-decoder."] = field(kw_only=True)
    tasks: Annotated[list[str], "Tasks whose text the model is trained on."] = field(kw_only=True)
    training: Annotated[BaseTrainingParams | None, "How a model is trained from scratch."] = None


@dataclass(frozen=True)
class ClassifierTrainingParams:
    n_epochs: Annotated[Count, "Passes over the rows."]
    batch_size: Annotated[Count, "Texts of a step."]
    learning_rate: Annotated[Positive, "Step size."]
    max_length: Annotated[Count, "Tokens that a text is cut to."]
    warmup_steps: Annotated[Natural, "Steps in which the step size rises from 0."] = 0
    weight_decay: Annotated[NonNegative, "Of AdamW."] = 0.0
    seed: Annotated[Seed, "Of weights and order."] = 0


@dataclass(frozen=True)
class RewardModelParams(TrainedParams):
    """One model of params/reward_models.yaml: a classifier of texts (sentiment) or of next utterances (intent)."""

    task: Annotated[str, "Task whose rows it is trained on, and that it scores."] = field(kw_only=True)
    labels: Annotated[list[str], "Names of the labels, by their number."] = field(kw_only=True)
    training: Annotated[ClassifierTrainingParams | None, "How a model is trained from scratch."] = None


@dataclass(frozen=True)
class PreferenceTrainingParams(ClassifierTrainingParams):
    embedding_learning_rate: Annotated[Positive | None, "Of token embeddings; null takes learning_rate."] = None


@dataclass(frozen=True)
class PreferenceModelParams(TrainedParams):
    """params/preference_model.yaml. A model that is named is trained on from."""

    include_prompt: Annotated[bool, "Read the prompt before the text."] = field(kw_only=True)
    heldout_share: Annotated[Share, "Share of the prompts that the report is of."] = field(kw_only=True)
    training: Annotated[PreferenceTrainingParams, "How it is trained."] = field(kw_only=True)


@dataclass(frozen=True)
class BootstrapParams:
    n_resamples: Annotated[Count, "Resamples of an interval, and patterns of signs of a test."]
    confidence: Annotated[Share, "Level of the intervals; a test's is 1 minus it."]
    seed: Annotated[Seed, "Of what is drawn."] = 0


@dataclass(frozen=True)
class MetricParams:
    """How a metric enters the tables: its score is (value - worst) / (best - worst)."""

    kind: Annotated[Literal["task", "naturalness"], "The table that it is in."]
    worst: Annotated[float, "Value that scores 0."]
    best: Annotated[float, "Value that scores 1."]
    log: Annotated[bool, "Take logarithms of all three."] = False


@dataclass(frozen=True)
class ContrastParams:
    """A question that is asked of the suite before it is run; all of them together are its primary family."""

    name: Annotated[str, "What the tables call it."]
    method: Annotated[Name, "Method of the suite whose gain is asked about."]
    against: Annotated[Name, "Method that it is compared with."]
    question: Annotated[str, "What it would answer, in words."]


@dataclass(frozen=True)
class PublishedParams:
    """A number that others measured of a task and method."""

    task: Annotated[Name, "A task."]
    method: Annotated[Name, "A method: zero_shot, supervised, an algorithm, or supervised_<algorithm>."]
    metric: Annotated[str, "A result, as in scores.csv."]
    value: Annotated[float, "On the scale of that result."]
    kind: Annotated[
        Literal["paper", "paper, second-hand", "rerun", "leaderboard"],
        "The authors' paper, a transcription of it, a run of the authors' program by others, or a leaderboard.",
    ]
    split: Annotated[str, "Of the data: test, or another, whose value is not compared with ours."]
    source: Annotated[str, "Where it stands."]


@dataclass(frozen=True)
class AggregateParams:
    bootstrap: Annotated[BootstrapParams, "Intervals and tests."]
    metrics: Annotated[dict[str, MetricParams], "Metrics of the tables, by result."]
    published: Annotated[list[PublishedParams], "What others measured; the tables have it beside ours."] = field(
        default_factory=list
    )
    gain_scale: Annotated[
        dict[str, Positive],
        "Gain of a task's main metric over its warm start that counts as 1; of a task without one, best - worst.",
    ] = field(default_factory=dict)
    contrasts: Annotated[
        list[ContrastParams],
        "Primary family: at most 8 questions, fixed before the suite is run; those whose methods it has are asked.",
    ] = field(default_factory=list)


@dataclass(frozen=True)
class BestOfNParams:
    """The baseline best_of_n: of n texts of the warm start, the one with the highest reward."""

    n: Annotated[Count, "Texts of a sample: the one that `supervised` predicts, and n - 1 that are sampled."] = 8
    temperature: Annotated[Positive, "Of the sampled ones, whatever evaluation has."] = 1.0
    top_k: Annotated[Natural | None, "Of the sampled ones; null is evaluation's."] = None
    top_p: Annotated[TopP | None, "Of the sampled ones; null is evaluation's."] = None


@dataclass(frozen=True)
class GrueParams:
    """params/grue.yaml: the suite."""

    suite: Annotated[Name, "Name of the suite that is run without --suite."]
    tasks: Annotated[list[Name], "Its tasks."]
    algs: Annotated[list[Name], "Its algorithms, each from the base model and from the warm start."]
    seeds: Annotated[list[Seed], "Seeds of every method."]
    n_threads: Annotated[Count, "Threads of torch."]
    budget_cpu_s: Annotated[dict[str, Positive], "CPU seconds that one job of a stage may take, by stage."]
    aggregate: Annotated[AggregateParams, "Tables and report."]
    baselines: Annotated[list[Name], "Its methods without RL, beside zero_shot and supervised: best_of_n."] = field(
        default_factory=list
    )
    best_of_n: Annotated[BestOfNParams, "The baseline of that name."] = field(default_factory=BestOfNParams)
    kernels: Annotated[Kernels, "Arithmetic that is equal on every CPU with AVX2, or each CPU's own."] = "portable"
    starts: Annotated[list[Start], "Models that RL starts from: the base model, the warm start."] = field(
        default_factory=lambda: list(STARTS)
    )
    extends: Annotated[Name | None, "Another suite, whose files this one changes; null changes params/ itself."] = None


@dataclass(frozen=True)
class JobResources:
    """What a scheduler reserves for one job. No result depends on it."""

    mem_mb: Annotated[Count, "Memory of the first attempt; the n-th has n times as much."]
    runtime: Annotated[Count, "Minutes."]
    threads: Annotated[Count | None, "CPUs, more than torch's for reward workers; null takes n_threads."] = None
    gpus: Annotated[Natural, "GPUs."] = 0


Job = Annotated[JobResources, "What each of its jobs reserves."]


@dataclass(frozen=True)
class ResourcesParams:
    """params/resources.yaml, by rule of the workflow."""

    prepare: Job
    base_model: Job
    reward_model: Job
    supervised: Job
    train: Job
    evaluate: Job
    aggregate: Job
