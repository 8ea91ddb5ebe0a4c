"""The published registries and their ids (RL4LMs, `rl4lms.envs.text_generation.registry`), as lazy tables.

They stand on the lowest floor because names are not imports: a reward may look up a metric by id, a configuration
may be checked against all ids, and nothing heavy is loaded until an entry is used.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rl4lms.core.guard import guarded
from rl4lms.core.registry import Registry, short_name

_TASKS = "rl4lms.tasks"
_POOLS = "rl4lms.data_pools"
_REWARDS = "rl4lms.rewards"
_METRICS = "rl4lms.metrics"
_POLICIES = "rl4lms.policies"
_ALGORITHMS = "rl4lms.algorithms"
VERIFIABLE = ("exact_match", "regex", "numeric", "json_valid", "length")


TASKS = Registry(
    "task",
    {
        task: f"{_TASKS}.{task}:TASK"
        for task in ("imdb", "common_gen", "cnn_dailymail", "totto", "iwslt2017", "narrative_qa", "daily_dialog")
    },
)


class _PublishedRegistry:
    """`add` and `get` as published; `table` for everyone who only needs the ids."""

    table: ClassVar[Registry]

    @classmethod
    def add(cls, id: str, entry: Any) -> None:  # noqa: A002 - published argument name
        cls.table.add(id, entry)


def construct(entry: Callable[..., Any], kwargs: Mapping[str, Any] | None) -> Any:
    """Call `entry(**kwargs)`; an `accelerator` that a class written for RL4LMs demands is given as None."""
    arguments = dict(kwargs or {})
    parameter = inspect.signature(entry).parameters.get("accelerator")
    if parameter is not None and parameter.default is parameter.empty:
        arguments.setdefault("accelerator", None)
    return entry(**arguments)


def constructor_of(table: Registry, name: str, of_function: str) -> Callable[..., Any]:
    """What to call with an id's arguments: its class, or the component of a plain function that scores completions.

    of_function: the reference of the class that makes a component of such a function.
    """
    entry = table.load(name)
    if not takes_completions(entry):
        return entry  # type: ignore[no-any-return]
    adapter = Registry("function", {table.kind: of_function}).load(table.kind)
    defaults = options_of(entry) if table.is_shipped(name) else {}  # which no column of the same name replaces
    return lambda **args: adapter(functools.partial(entry, **defaults | args), short_name(name))


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of a function's arguments, by name."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def takes_completions(entry: Any) -> bool:
    """Whether an entry is a function that scores texts, by its parameters, and no class."""
    if inspect.isclass(entry) or not callable(entry):
        return False
    try:
        return "completions" in inspect.signature(entry).parameters
    except (TypeError, ValueError):  # a builtin says nothing of its parameters
        return False


class DataPoolRegistry(_PublishedRegistry):
    """id -> TextGenPool subclass; `get(id, kwargs)` returns `cls.prepare(**kwargs)`."""

    table = Registry(
        "data pool",
        {
            "dummy_pool": f"{_POOLS}.dummy:DummyPool",
            "messages": f"{_POOLS}.columns:MessagesPool",
            "columns": f"{_POOLS}.columns:Columns",
            "imdb": f"{_TASKS}.imdb.pool:IMDB",
            "imdb_seq2seq": f"{_TASKS}.imdb.pool:IMDBForSeq2Seq",
            "commongen": f"{_TASKS}.common_gen.pool:CommonGen",
            "totto": f"{_TASKS}.totto.pool:ToTTo",
            "cnn_daily_mail": f"{_TASKS}.cnn_dailymail.pool:CNNDailyMail",
            "xsum": f"{_POOLS}.xsum:Xsum",
            "narrative_qa": f"{_TASKS}.narrative_qa.pool:NarrativeQA",
            "wmt16": f"{_POOLS}.translation:WMT",
            "wmt14_processed_en_de": f"{_POOLS}.translation:WMT14PreprocessedEnDe",
            "wmt16newsonly": f"{_POOLS}.translation:WMT16NewsOnlyDatasetEnDe",
            "iwslt2017en_de": f"{_TASKS}.iwslt2017.pool:IWSLT2017EnDe",
            "crd3": f"{_POOLS}.crd3:CRD3DialogueGeneration",
            "daily_dialog": f"{_TASKS}.daily_dialog.pool:DailyDialog",
        },
    )

    @classmethod
    def get(cls, datapool_id: str, kwargs: Mapping[str, Any] | None = None) -> Any:
        pool = cls.table.load(datapool_id)
        with guarded(f"data pool {datapool_id}"):
            return pool.prepare(**dict(kwargs or {}))


class RewardFunctionRegistry(_PublishedRegistry):
    """id -> RewardFunction or BatchedRewardFunction subclass; `get(id, kwargs)` returns an instance."""

    table = Registry(
        "reward function",
        {
            "increasing_numbers": f"{_REWARDS}.synthetic:IncreasingNumbersReward",
            "sentences_with_dates": f"{_REWARDS}.synthetic:SentencesWithDatesReward",
            "learned_reward": f"{_REWARDS}.learned:LearnedRewardFunction",
            "meteor": f"{_REWARDS}.overlap:MeteorRewardFunction",
            "rouge": f"{_REWARDS}.overlap:RougeRewardFunction",
            "rouge_combined": f"{_REWARDS}.overlap:RougeCombined",
            "rouge_l_max": f"{_REWARDS}.overlap:RougeLMaxRewardFunction",
            "bert_score": f"{_REWARDS}.learned:BERTScoreRewardFunction",
            "bleu": f"{_REWARDS}.overlap:BLEURewardFunction",
            "bleurt": f"{_REWARDS}.learned:BLEURTRewardFunction",
            "sacre_bleu": f"{_REWARDS}.overlap:SacreBleu",
            "ter": f"{_REWARDS}.overlap:TER",
            "chrf": f"{_REWARDS}.overlap:chrF",
            "spider": f"{_REWARDS}.spider:SpiderRewardFunction",
            "parent": f"{_REWARDS}.overlap:PARENTRewardFunction",
            "common_gen_repeat_penalty": f"{_REWARDS}.shaping:CommonGenPenaltyShapingFunction",
            "common_gen_repeat_penalty_batched": f"{_REWARDS}.shaping:BatchedCommonGenPenaltyShapingFunction",
            "common_gen_preference_model": f"{_REWARDS}.preference:CommonGenPrefRM",
            "intent_accuracy": f"{_REWARDS}.learned:IntentAccuracyReward",
            "metric_reward": f"{_REWARDS}.metric_reward:MetricRewardFunction",
            "weighted": f"{_REWARDS}.functions:WeightedRewards",
            "judge": f"{_REWARDS}.judge:JudgeReward",
            **{name: f"{_REWARDS}.verifiable:{name}" for name in VERIFIABLE},
        },
    )

    @classmethod
    def get(cls, reward_fn_id: str, kwargs: Mapping[str, Any] | None = None) -> Any:
        reward = constructor_of(cls.table, reward_fn_id, f"{_REWARDS}.functions:FunctionReward")
        with guarded(f"reward {reward_fn_id}"):
            return construct(reward, kwargs)


class MetricRegistry(_PublishedRegistry):
    """id -> BaseMetric subclass; `get(id, kwargs)` returns an instance."""

    table = Registry(
        "metric",
        {
            "increasing_numbers": f"{_METRICS}.synthetic:IncreasingNumbersInText",
            "dates": f"{_METRICS}.synthetic:DateInText",
            "learned_reward": f"{_METRICS}.learned:LearnedRewardMetric",
            "intent_accuracy": f"{_METRICS}.learned:IntentAccuracyDailyDialog",
            "causal_perplexity": f"{_METRICS}.perplexity:Perplexity",
            "meteor": f"{_METRICS}.meteor:MeteorMetric",
            "rouge": f"{_METRICS}.rouge:RougeMetric",
            "rouge_l_max": f"{_METRICS}.rouge_l_max:RougeLMax",
            "bert_score": f"{_METRICS}.bert_score:BertScoreMetric",
            "bleu": f"{_METRICS}.bleu:BLEUMetric",
            "sacre_bleu": f"{_METRICS}.sacre_bleu:SacreBLEUMetric",
            "bleurt": f"{_METRICS}.bleurt:BleurtMetric",
            "ter": f"{_METRICS}.sacre_bleu:TERMetric",
            "chrf": f"{_METRICS}.sacre_bleu:ChrFMetric",
            "cider": f"{_METRICS}.cider:CiderMetric",
            "spice": f"{_METRICS}.spice:SpiceMetric",
            "diversity": f"{_METRICS}.diversity:DiversityMetrics",
            "parent_totto": f"{_METRICS}.table:ParentToTTo",
            "bleu_totto": f"{_METRICS}.table:BLEUToTTo",
            "summaCZS": f"{_METRICS}.summac:SummaCZS",
            "summaCConv": f"{_METRICS}.summac:SummaCConv",
            "evaluate": f"{_METRICS}.evaluate_bridge:EvaluateMetric",
            "reward": f"{_METRICS}.run_reward:RunReward",
        },
    )

    @classmethod
    def get(cls, metric_id: str, kwargs: Mapping[str, Any] | None = None) -> Any:
        metric = constructor_of(cls.table, metric_id, f"{_METRICS}.functions:FunctionMetric")
        with guarded(f"metric {metric_id}"):
            return construct(metric, kwargs)


class PolicyRegistry(_PublishedRegistry):
    """id -> LMActorCriticPolicy subclass; `get(id)` returns the class."""

    table = Registry(
        "policy",
        {
            "causal_lm_actor_critic_policy": f"{_POLICIES}.causal:CausalLMActorCriticPolicy",
            "seq2seq_lm_actor_critic_policy": f"{_POLICIES}.seq2seq:Seq2SeqLMActorCriticPolicy",
            "maskable_causal_lm_actor_critic_policy": f"{_POLICIES}.maskable:MaskedCausalLMActorCriticPolicy",
            "maskable_seq2seq_lm_actor_critic_policy": f"{_POLICIES}.maskable:MaskedSeq2SeqLMActorCriticPolicy",
        },
    )

    @classmethod
    def get(cls, policy_id: str) -> Any:
        return cls.table.load(policy_id)


class AlgorithmRegistry(_PublishedRegistry):
    """id -> SB3 OnPolicyAlgorithm subclass; `get(id)` returns the class."""

    table = Registry(
        "algorithm",
        {
            "ppo": f"{_ALGORITHMS}.ppo:PPO",
            "nlpo": f"{_ALGORITHMS}.nlpo:NLPO",
            "a2c": f"{_ALGORITHMS}.a2c:A2C",
            "trpo": f"{_ALGORITHMS}.trpo:TRPO",
            "grpo": f"{_ALGORITHMS}.grpo:GRPO",
            "dr_grpo": f"{_ALGORITHMS}.grpo:DrGRPO",
            "gspo": f"{_ALGORITHMS}.grpo:GSPO",
            "cispo": f"{_ALGORITHMS}.grpo:CISPO",
            "dapo": f"{_ALGORITHMS}.dapo:DAPO",
            "rloo": f"{_ALGORITHMS}.reinforce:RLOO",
            "reinforce": f"{_ALGORITHMS}.reinforce:REINFORCE",
            "reinforce_pp": f"{_ALGORITHMS}.reinforce:REINFORCEPlusPlus",
            "remax": f"{_ALGORITHMS}.reinforce:ReMax",
            "raft": f"{_ALGORITHMS}.raft:RAFT",
            "dpo": f"{_ALGORITHMS}.dpo:DPO",
        },
    )

    @classmethod
    def get(cls, alg_id: str) -> Any:
        return cls.table.load(alg_id)


class WrapperRegistry(_PublishedRegistry):
    """id -> function that puts text rollouts in front of an algorithm class; other ids get the default one."""

    table = Registry("algorithm wrapper", {"default": f"{_ALGORITHMS}.on_policy_text:wrap_onpolicy_alg"})

    @classmethod
    def get(cls, alg_id: str) -> Any:
        return cls.table.load(alg_id if alg_id in cls.table else "default")


class PostProcessorRegistry(_PublishedRegistry):
    """id -> function(text) -> text, applied to generations before they are scored."""

    table = Registry(
        "post-processor", {"three_sentence_summary": "rl4lms.tokenization.post_processors:three_sentence_summary"}
    )

    @classmethod
    def get(cls, post_processor_id: str) -> Any:
        return cls.table.load(post_processor_id)
