"""The arguments that the shipped pools, rewards, metrics, algorithms and policies take, by id.

Kept apart from the classes so that a configuration is checked without importing them; a test holds the two together.
An id that a user registered is not in these tables, and its arguments are passed on unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rl4lms.config.published import published
from rl4lms.config.reader import (
    Count,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    Range,
    check_keys,
    join,
    mapping,
    missing,
    read,
)
from rl4lms.core.errors import ConfigError

Choices = Mapping[str, "Arguments"]


@dataclass(frozen=True)
class Arguments:
    """Names and kinds of one class's arguments; its defaults stay in its own signature."""

    required: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)

    def read(self, value: Any, path: str, source: str) -> dict[str, Any]:
        given = mapping(value, path, source)
        kinds = {**self.required, **self.optional}
        check_keys(given, kinds, path, source)
        for name, kind in self.required.items():
            if name not in given:
                raise missing(kind, join(path, name), source)
        return {name: read(kinds[name], item, join(path, name), source) for name, item in given.items()}


_DATA_DIR = {"data_dir": str | None}
_AFFIXES = {"prompt_prefix": str, "prompt_suffix": str}
_SHAPING = {"shaping_fn": str | None}
_WORDNET = {"wordnet": str}  # where METEOR's synonyms come from
_CAPTION_WORDS = {"tokenizer": Literal["words", "whitespace", "ptb", "spacy"]}
_CLASSIFIER = {"batch_size": Count, "device": str | None}
_BERT_SCORE = Arguments(
    optional={"language": str, "model_name": str | None, "num_layers": Natural | None, **_CLASSIFIER}
)
_SUMMAC = {
    "granularity": str,
    "imager_load_cache": bool,
    "use_cache": bool,
    "max_doc_sents": Count,
    **_CLASSIFIER,
}
_PREFIX = Arguments(optional={"prefix": str})
_MIN_TOKENS = Arguments({"min_tokens": Count})
_NONE = Arguments()
_ROUGE_L = Arguments(
    optional={
        "max_n": Count | None,
        "limit_length": bool,
        "length_limit": Count,
        "length_limit_type": Literal["words", "bytes"],
        "apply_avg": bool,
        "apply_best": bool,
        "stemming": bool,
        "alpha": Fraction,
        "weight_factor": Positive,
        "ensure_compatibility": bool,
    }
)
# Of sacrebleu's scorers; the first spelling is RL4LMs' (of the metric scripts), the second sacrebleu's own.
_SACREBLEU = Arguments(
    optional={
        "tokenize": str | None,
        "smooth_method": str,
        "smooth_value": float | None,
        "force": bool,
        "lowercase": bool,
        "use_effective_order": bool,
        "effective_order": bool,
        "max_ngram_order": Count,
        "trg_lang": str,
    }
)
_CHRF = Arguments(
    optional={
        "char_order": Count,
        "word_order": Natural,
        "beta": Count,
        "lowercase": bool,
        "whitespace": bool,
        "eps_smoothing": bool,
    }
)
_TER = Arguments(
    optional={
        "normalized": bool,
        "ignore_punct": bool,
        "no_punct": bool,
        "support_zh_ja_chars": bool,
        "asian_support": bool,
        "case_sensitive": bool,
    }
)

POOL_ARGUMENTS: Choices = {
    "dummy_pool": Arguments({"prompt": str}, {"n_samples": Count, **_DATA_DIR}),
    "imdb": Arguments(optional={"max_size": Count | None, "seed": Natural | None, **_DATA_DIR}),
    "imdb_seq2seq": Arguments(optional={"positive_ratio": Fraction, "seed": Natural | None, **_DATA_DIR}),
    "commongen": Arguments(
        optional={"concept_separator_token": str, "concept_end_token": str, "prefix": str, **_DATA_DIR}
    ),
    "totto": Arguments(optional={"representation": Literal["subtable", "fulltable"], **_DATA_DIR}),
    "cnn_daily_mail": Arguments(
        optional={**_AFFIXES, "truncate_article": Count | None, "max_size": Count | None, **_DATA_DIR}
    ),
    "xsum": Arguments(optional={**_AFFIXES, **_DATA_DIR}),
    "narrative_qa": Arguments(optional=_DATA_DIR),
    "wmt16": Arguments({"wmt_id": str, "source_language": str, "target_language": str}, {**_AFFIXES, **_DATA_DIR}),
    "wmt14_processed_en_de": Arguments(optional={**_AFFIXES, **_DATA_DIR}),
    "wmt16newsonly": Arguments(optional={**_AFFIXES, **_DATA_DIR}),
    "iwslt2017en_de": Arguments(optional={**_AFFIXES, **_DATA_DIR}),
    "crd3": Arguments({"max_context_size": Count}, _DATA_DIR),
    "daily_dialog": Arguments(optional={"context_size": Count, **_DATA_DIR}),
}

REWARD_ARGUMENTS: Choices = {
    "increasing_numbers": _MIN_TOKENS,
    "sentences_with_dates": _NONE,
    "learned_reward": Arguments(
        {"model_name": str, "label_ix": Natural}, {"include_prompt_for_eval": bool, **_CLASSIFIER}
    ),
    "meteor": Arguments(optional={**_SHAPING, **_WORDNET}),
    "rouge": Arguments(
        {"rouge_type": Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]}, {**_SHAPING, "use_single_ref": bool}
    ),
    "rouge_combined": Arguments(optional=_SHAPING),
    "rouge_l_max": _ROUGE_L,
    "bert_score": _BERT_SCORE,
    "bleu": _NONE,
    "bleurt": Arguments(optional={"checkpoint": str | None, **_CLASSIFIER}),
    "sacre_bleu": _SACREBLEU,
    "ter": _NONE,
    "chrf": _NONE,
    "spider": Arguments(
        {"spice_coeff": float, "cider_coeff": float},
        {"cider_args": dict[str, Any] | None, "spice_args": dict[str, Any] | None, **_SHAPING},
    ),
    "parent": _NONE,
    "metric_reward": Arguments(
        {"metric": str},
        {"args": dict[str, Any] | None, "key": str | None, "scale": float, "offset": float, **_SHAPING},
    ),
    "weighted": Arguments({"rewards": list[dict[str, Any]]}),
    "common_gen_repeat_penalty": _PREFIX,
    "common_gen_repeat_penalty_batched": _PREFIX,
    "common_gen_preference_model": Arguments(
        {"model_type": str},
        {
            "concept_penalty_coeff": NonNegative,
            "meteor_coeff": float,
            "weights": str | None,
            "include_prompt": bool,
            **_WORDNET,
            **_CLASSIFIER,
        },
    ),
    "intent_accuracy": Arguments(
        optional={
            "shape": bool,
            "intent_coeff": float,
            "auto_coeff": float,
            "model_name": str,
            **_WORDNET,
            **_CLASSIFIER,
        }
    ),
}

METRIC_ARGUMENTS: Choices = {
    "increasing_numbers": _MIN_TOKENS,
    "dates": _NONE,
    "learned_reward": Arguments(
        {"model_name": str, "label_ix": Natural}, {"include_prompt_for_eval": bool, **_CLASSIFIER}
    ),
    "intent_accuracy": Arguments(optional={"model_name": str, **_CLASSIFIER}),
    "causal_perplexity": Arguments(
        {"stride": Count},
        {
            "tokenizer_id": str | None,
            "model_type": Literal["causal"],
            "use_text_from_meta_data": bool,
            "model_name": str | None,
            "texts": Literal["references", "generations"],
            "batch_size": Count,
        },
    ),
    "meteor": Arguments(optional=_WORDNET),
    "rouge": Arguments(
        optional={"use_single_ref": bool, "rouge_types": list[Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]]}
    ),
    "rouge_l_max": _ROUGE_L,
    "bert_score": _BERT_SCORE,
    "bleu": _NONE,
    "sacre_bleu": _SACREBLEU,
    "bleurt": Arguments(optional={"config_name": str | None, **_CLASSIFIER}),
    "ter": _TER,
    "chrf": _CHRF,
    "cider": Arguments(optional={**_CAPTION_WORDS, "idf": str | None}),
    "spice": Arguments(
        optional={**_CAPTION_WORDS, "spice_dir": str | None, "java": str, "memory": str, "cache_dir": str | None}
    ),
    "diversity": Arguments(optional={"window_size": Count}),
    "parent_totto": _NONE,
    "bleu_totto": _NONE,
    "summaCZS": Arguments(
        optional={
            "model_name": str,
            "op1": Literal["min", "mean", "max"],
            "op2": Literal["min", "mean", "max"],
            "use_ent": bool,
            "use_con": bool,
            **_SUMMAC,
        }
    ),
    "summaCConv": Arguments(
        optional={
            "models": list[str],
            "bins": str,
            "nli_labels": str,
            "start_file": str | None,
            "agg": Literal["min", "mean", "max", "all"],
            "norm_histo": bool,
            **_SUMMAC,
        }
    ),
    "evaluate": Arguments(
        {"path": str},
        {"key": str | list[str] | None, "config_name": str | None, "compute_args": dict[str, Any] | None},
    ),
}


@dataclass(frozen=True)
class OnPolicyArguments:
    """What every algorithm takes. gradient_accumulation_steps: micro-batches that an optimiser step is split into."""

    minibatch: Literal["episodes", "transitions"] = published("alg.args.minibatch")
    gradient_accumulation_steps: Count = 1
    tensorboard_log: str | None = None
    verbose: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class PPOArguments(OnPolicyArguments):
    """stable-baselines3's PPO, `minibatch` (whole episodes, or the paper's random steps) and gradient accumulation.

    NLPO is PPO with a mask policy, whose arguments are the policy's.
    """

    learning_rate: Positive = published("alg.args.learning_rate")
    n_steps: Count = published("alg.args.n_steps")
    batch_size: Count = published("alg.args.batch_size")
    n_epochs: Count = published("alg.args.n_epochs")
    gamma: Fraction = published("alg.args.gamma")
    gae_lambda: Fraction = published("alg.args.gae_lambda")
    clip_range: Positive = published("alg.args.clip_range")
    clip_range_vf: Positive | None = published("alg.args.clip_range_vf")
    normalize_advantage: bool = published("alg.args.normalize_advantage")
    ent_coef: float = published("alg.args.ent_coef")
    vf_coef: NonNegative = published("alg.args.vf_coef")
    max_grad_norm: Positive | None = published("alg.args.max_grad_norm")
    target_kl: Positive | None = published("alg.args.target_kl")


@dataclass(frozen=True)
class A2CArguments(OnPolicyArguments):
    """stable-baselines3's A2C, whose optimiser is the policy's."""

    learning_rate: Positive = 7e-4
    n_steps: Count = 5
    gamma: Fraction = 0.99
    gae_lambda: Fraction = 1.0
    normalize_advantage: bool = False
    ent_coef: float = 0.0
    vf_coef: NonNegative = 0.5
    max_grad_norm: Positive | None = 0.5


@dataclass(frozen=True)
class TRPOArguments(OnPolicyArguments):
    """sb3-contrib's TRPO; batch_size is of the critic's updates."""

    learning_rate: Positive = 1e-3
    n_steps: Count = 2048
    batch_size: Count = 128
    gamma: Fraction = 0.99
    gae_lambda: Fraction = 0.95
    target_kl: Positive = 0.01
    cg_max_steps: Count = 15
    cg_damping: NonNegative = 0.1
    line_search_shrinking_factor: Fraction = 0.8
    line_search_max_iter: Count = 10
    n_critic_updates: Count = 10
    normalize_advantage: bool = True
    max_grad_norm: Positive | None = 0.5


@dataclass(frozen=True)
class LoraArguments:
    """Low-rank adapters, in peft's names except alpha and dropout (its lora_alpha, lora_dropout)."""

    r: Annotated[int, Range(minimum=1, maximum=65_536)]
    alpha: Positive = 16.0
    dropout: Annotated[float, Range(minimum=0, below=1)] = 0.0
    target_modules: list[str] | str | None = None


def refuse_float16(dtype: object, where: str) -> None:
    """Raises ConfigError for a dtype of numbers in which training goes wrong without a word."""
    if dtype == "float16":
        raise ConfigError(
            f"{where}: float16, expected bfloat16 or float32: small gradients are 0 in float16 and values above 65,504 "
            "infinite, and no loss is scaled here."
        )


@dataclass(frozen=True)
class PolicyArguments:
    """An actor-critic policy. generation_kwargs is read apart (config/generation.py).

    dtype: of the arithmetic; weights and the optimiser's state are float32.
    """

    model_name: str
    weight_decay: NonNegative = published("alg.policy.args.weight_decay")
    apply_model_parallel: bool = published("alg.policy.args.apply_model_parallel")
    prompt_truncation_side: Literal["left", "right"] = published("alg.policy.args.prompt_truncation_side")
    value_model: Literal["separate", "shared"] = published("alg.policy.args.value_model")
    dtype: Literal["float32", "bfloat16"] = published("alg.policy.args.dtype")
    lora: LoraArguments | None = None
    optimizer_kwargs: dict[str, Any] = field(default_factory=dict)
    trust_remote_code: bool | None = None  # run the python files that come with a model; null does not


@dataclass(frozen=True, kw_only=True)
class MaskablePolicyArguments(PolicyArguments):
    """NLPO's policies: a choice among the likely tokens of a mask policy, a copy refreshed now and then.

    top_mask: a share of probability for learned_top_p, else a number of tokens.
    """

    top_mask: Positive
    mask_type: Literal["learned_top_p", "learned_top_k", "topk"] = published("alg.policy.args.mask_type")
    target_update_iterations: Count = published("alg.policy.args.target_update_iterations")
    min_tokens_to_keep: Count = published("alg.policy.args.min_tokens_to_keep")


def mask_complaint(mask_type: str, top_mask: float) -> str | None:
    """What is wrong with a mask policy's `top_mask`, for a message; None where nothing is."""
    share = mask_type == "learned_top_p"
    if top_mask > 0 and (share or (top_mask >= 1 and top_mask == int(top_mask))):
        return None
    wanted = "a share above 0" if share else "a whole number of actions, at least 1 (a share needs learned_top_p)"
    return f"{top_mask:g} with mask_type {mask_type}, expected {wanted}."


ALGORITHM_ARGUMENTS: Mapping[str, type] = {
    "ppo": PPOArguments,
    "nlpo": PPOArguments,
    "a2c": A2CArguments,
    "trpo": TRPOArguments,
}

POLICY_ARGUMENTS: Mapping[str, type] = {
    "causal_lm_actor_critic_policy": PolicyArguments,
    "seq2seq_lm_actor_critic_policy": PolicyArguments,
    "maskable_causal_lm_actor_critic_policy": MaskablePolicyArguments,
    "maskable_seq2seq_lm_actor_critic_policy": MaskablePolicyArguments,
}
