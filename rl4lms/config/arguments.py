"""The arguments of the shipped algorithms and policies, by id; `python -m rl4lms schema` prints them.

Their classes import torch, so what they take stands here, apart from them; a test holds the two together. What a pool,
a reward or a metric takes is read from its signature (config/signatures.py). The arguments of an algorithm or policy of
the user's are passed on unread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rl4lms.config.reader import Count, Fraction, Natural, NonNegative, Positive, Range, Side
from rl4lms.core.errors import ConfigError


@dataclass(frozen=True)
class AlgorithmArguments:
    """What every algorithm takes."""

    lr_scheduler_type: Annotated[
        Literal["constant", "linear", "cosine"], "How learning_rate falls to 0 over the run; constant does not."
    ] = "constant"
    warmup_ratio: Annotated[
        float, Range(minimum=0, below=1), "Share of the run in which learning_rate rises to it."
    ] = 0.0
    warmup_steps: Annotated[Natural, "The same, in iterations."] = 0
    gradient_accumulation_steps: Annotated[Count, "Parts that a minibatch is split into to fit into memory."] = 1
    importance_cap: Annotated[
        Annotated[float, Range(minimum=1)] | None,
        "With bfloat16, weigh a token's advantage by its probability in the update over that in the sampler, at most "
        "this; null does not.",
    ] = None
    tensorboard_log: Annotated[str | None, "Without effect here; use --track tensorboard."] = None
    verbose: Annotated[int | None, "Without effect here."] = None
    device: Annotated[str | None, "cpu, cuda, cuda:0, ...; null takes a GPU if there is one."] = None


SCHEDULE = ("lr_scheduler_type", "warmup_ratio", "warmup_steps")  # of the run, and not of the algorithm's class


@dataclass(frozen=True)
class OnPolicyArguments(AlgorithmArguments):
    """What algorithms with a critic take, whose rollout has n_steps of each environment."""

    n_steps: Annotated[Count, "Tokens that an iteration collects in each environment."] = 2048
    minibatch: Annotated[
        Literal["episodes", "transitions"], "Fill batch_size with whole episodes, or with the paper's random steps."
    ] = "episodes"


@dataclass(frozen=True)
class PPOArguments(OnPolicyArguments):
    """stable-baselines3's PPO and its defaults, which RL4LMs keeps. NLPO is PPO with a mask policy."""

    learning_rate: Annotated[Positive, "Step size of AdamW."] = 3e-4
    batch_size: Annotated[Count, "Tokens of a minibatch."] = 64
    n_epochs: Annotated[Count, "Passes over a rollout."] = 10
    gamma: Annotated[Fraction, "Discount of later rewards."] = 0.99
    gae_lambda: Annotated[Fraction, "Weight of longer returns in the advantage (GAE)."] = 0.95
    clip_range: Annotated[Positive, "How far the probability ratio may move from 1."] = 0.2
    clip_range_vf: Annotated[Positive | None, "How far a value may move from the rollout's; null sets no limit."] = None
    normalize_advantage: Annotated[bool, "Whiten the advantages."] = True
    ent_coef: Annotated[float, "Weight of the entropy in the loss."] = 0.0
    vf_coef: Annotated[NonNegative, "Weight of the value loss."] = 0.5
    max_grad_norm: Annotated[Positive | None, "Norm that gradients are clipped to; null does not clip."] = 0.5
    target_kl: Annotated[Positive | None, "Mean KL of an update beyond 1.5 times which its epochs end; null: none."] = (
        None
    )


@dataclass(frozen=True)
class A2CArguments(OnPolicyArguments):
    """stable-baselines3's A2C and its defaults; the optimiser is the policy's."""

    learning_rate: Annotated[Positive, "Step size of AdamW."] = 7e-4
    n_steps: Annotated[Count, "Tokens that an iteration collects in each environment."] = 5
    gamma: Annotated[Fraction, "Discount of later rewards."] = 0.99
    gae_lambda: Annotated[Fraction, "Weight of longer returns in the advantage (GAE)."] = 1.0
    normalize_advantage: Annotated[bool, "Whiten the advantages."] = False
    ent_coef: Annotated[float, "Weight of the entropy in the loss."] = 0.0
    vf_coef: Annotated[NonNegative, "Weight of the value loss."] = 0.5
    max_grad_norm: Annotated[Positive | None, "Norm that gradients are clipped to; null does not clip."] = 0.5


@dataclass(frozen=True)
class TRPOArguments(OnPolicyArguments):
    """sb3-contrib's TRPO and its defaults."""

    learning_rate: Annotated[Positive, "Step size of the critic's AdamW."] = 1e-3
    batch_size: Annotated[Count, "Tokens of a minibatch of the critic."] = 128
    gamma: Annotated[Fraction, "Discount of later rewards."] = 0.99
    gae_lambda: Annotated[Fraction, "Weight of longer returns in the advantage (GAE)."] = 0.95
    target_kl: Annotated[Positive, "Mean KL that a step of the policy stays within."] = 0.01
    cg_max_steps: Annotated[Count, "Iterations of the conjugate gradient."] = 15
    cg_damping: Annotated[NonNegative, "Added to the diagonal of the Fisher matrix."] = 0.1
    line_search_shrinking_factor: Annotated[Fraction, "Factor by which a refused step is shortened."] = 0.8
    line_search_max_iter: Annotated[Count, "Steps that are tried before the update is given up."] = 10
    n_critic_updates: Annotated[Count, "Passes of the critic over a rollout."] = 10
    normalize_advantage: Annotated[bool, "Whiten the advantages."] = True
    max_grad_norm: Annotated[
        Positive | None, "Norm that the critic's gradients are clipped to; null does not clip."
    ] = 0.5


@dataclass(frozen=True)
class GroupArguments(AlgorithmArguments):
    """What algorithms without a critic take, whose rollout has whole groups of episodes."""

    learning_rate: Annotated[Positive, "Step size of AdamW."] = 1e-6
    n_prompts: Annotated[Count, "Prompts of an iteration."] = 8
    n_tokens: Annotated[
        Count | None, "Tokens that an iteration samples at least, in whole groups, in place of n_prompts groups."
    ] = None
    completions_per_prompt: Annotated[int, Range(minimum=2), "Episodes of each prompt."] = 8
    n_minibatches: Annotated[Count, "Optimiser steps of a pass over a rollout; each has whole groups."] = 1
    n_epochs: Annotated[Count, "Passes over a rollout."] = 1
    max_grad_norm: Annotated[Positive | None, "Norm that gradients are clipped to; null does not clip."] = 1.0


@dataclass(frozen=True)
class EntropyGroupArguments(GroupArguments):
    """What those of them take whose loss may have the entropy; all that RAFT takes."""

    ent_coef: Annotated[float, "Weight of the entropy in the loss."] = 0.0


@dataclass(frozen=True)
class GRPOArguments(EntropyGroupArguments):
    """GRPO, Dr.GRPO and RLOO: PPO's clipped loss on advantages of a group."""

    clip_range: Annotated[Positive, "How far the probability ratio may move below 1."] = 0.2
    clip_range_high: Annotated[Positive | None, "How far it may move above 1; null: as far as below."] = None
    target_kl: Annotated[Positive | None, "Mean KL of an update beyond 1.5 times which its epochs end; null: none."] = (
        None
    )


@dataclass(frozen=True)
class GSPOArguments(GRPOArguments):
    """GSPO: the clipped ratio is one of a whole sequence, and moves much less than that of a token."""

    clip_range: Annotated[Positive, "How far the ratio of a sequence may move below 1."] = 3e-4
    clip_range_high: Annotated[Positive | None, "How far it may move above 1; null: as far as below."] = 4e-4


@dataclass(frozen=True)
class CISPOArguments(EntropyGroupArguments):
    """CISPO: capped weights in place of clipped losses."""

    target_kl: Annotated[Positive | None, "Mean KL of an update beyond 1.5 times which its epochs end; null: none."] = (
        None
    )
    ratio_cap: Annotated[float, Range(minimum=1), "The largest weight of a token, a probability ratio."] = 5.0


@dataclass(frozen=True)
class DAPOArguments(GRPOArguments):
    """DAPO: clip-higher, dynamic sampling, and a penalty of overlong responses."""

    clip_range_high: Annotated[Positive | None, "How far the ratio may move above 1; null: as far as below."] = 0.28
    n_rounds: Annotated[
        int, Range(minimum=1, maximum=3), "Rounds of prompts, at most, for groups whose scores differ; 1 keeps all."
    ] = 3
    overlong_tokens: Annotated[
        int, Range(minimum=0), "Tokens before the longest response in which the penalty grows; 0: none."
    ] = 0
    overlong_penalty: Annotated[NonNegative, "Penalty of a response of full length."] = 1.0


@dataclass(frozen=True)
class REINFORCEArguments(EntropyGroupArguments):
    """REINFORCE over whole texts."""

    n_prompts: Annotated[Count, "Prompts of an iteration."] = 64
    completions_per_prompt: Annotated[Count, "Episodes of each prompt."] = 1
    baseline: Annotated[
        Literal["none", "leave_one_out"], "Subtract from a return the mean of all others of the rollout, or nothing."
    ] = "leave_one_out"


@dataclass(frozen=True)
class REINFORCEPlusPlusArguments(GRPOArguments):
    """REINFORCE++ and REINFORCE++-baseline."""

    n_prompts: Annotated[Count, "Prompts of an iteration."] = 64
    completions_per_prompt: Annotated[Count, "Episodes of each prompt."] = 1
    baseline: Annotated[
        Literal["none", "mean"], "none is REINFORCE++; mean, of the group, is REINFORCE++-baseline."
    ] = "none"


@dataclass(frozen=True)
class ReMaxArguments(EntropyGroupArguments):
    """ReMax: the baseline is the score of a greedy response."""

    n_prompts: Annotated[Count, "Prompts of an iteration; each also gets a greedy response."] = 64
    completions_per_prompt: Annotated[Count, "Sampled episodes of each prompt."] = 1


@dataclass(frozen=True)
class DPOArguments(GroupArguments):
    """DPO on the best and the worst completion of each prompt."""

    completions_per_prompt: Annotated[
        int, Range(minimum=2), "Episodes of each prompt, of which the best and the worst are the pair."
    ] = 2
    beta: Annotated[Positive, "Weight of the log-ratio to the reference in the loss."] = 0.1
    sampler: Annotated[
        Literal["policy", "reference"], "Pairs of the current policy (online), or of the model at the start (offline)."
    ] = "policy"


@dataclass(frozen=True)
class LoraArguments:
    """Low-rank adapters, in peft's names except alpha and dropout (its lora_alpha, lora_dropout)."""

    r: Annotated[int, Range(minimum=1, maximum=65_536), "Rank."]
    alpha: Annotated[Positive, "Scale: the adapter counts alpha / r."] = 16.0
    dropout: Annotated[float, Range(minimum=0, below=1), "Share of an adapter's inputs that is dropped."] = 0.0
    target_modules: Annotated[
        list[str] | str | None,
        "Modules that are adapted; all-linear is all but head and embeddings; null is peft's for the model, else "
        "all-linear.",
    ] = None


def peft_arguments(lora: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `peft.LoraConfig` in its own names, given in those of `LoraArguments`."""
    names = {"alpha": "lora_alpha", "dropout": "lora_dropout"}
    return {names.get(name, name): value for name, value in lora.items()}


def refuse_float16(dtype: object, where: str) -> None:
    """Raises ConfigError for a dtype of numbers in which training goes wrong without a word."""
    if dtype == "float16":
        raise ConfigError(
            f"{where}: float16, expected bfloat16 or float32: small gradients are 0 in float16 and values above 65,504 "
            "infinite, and no loss is scaled here."
        )


@dataclass(frozen=True)
class PolicyArguments:
    """An actor-critic policy and RL4LMs' defaults (policy/base_policy.py). generation_kwargs is read apart."""

    model_name: Annotated[str, "Directory or hub id of the model to start from."]
    weight_decay: Annotated[NonNegative, "Of AdamW."] = 1e-6
    apply_model_parallel: Annotated[bool, "Spread the model over the GPUs of a single process."] = True
    prompt_truncation_side: Annotated[Side, "Without effect here; env.args.prompt_truncation_side cuts."] = "left"
    value_model: Annotated[
        Literal["separate", "shared", "none"],
        "A value model of its own, or a head on the policy's; none, which is the default, for an algorithm of groups.",
    ] = "separate"
    dtype: Annotated[Literal["float32", "bfloat16"], "Of the arithmetic; weights and optimiser are float32."] = (
        "float32"
    )
    lora: Annotated[LoraArguments | None, "Train low-rank adapters; null trains every weight."] = None
    gradient_checkpointing: Annotated[
        bool,
        "Compute the activations of a block again in the backward pass: less memory, more time, the same gradient.",
    ] = False
    optimizer_kwargs: Annotated[dict[str, Any], "Further arguments of AdamW."] = field(default_factory=dict)
    trust_remote_code: Annotated[bool | None, "Run the Python files that come with a model; null does not."] = None


@dataclass(frozen=True, kw_only=True)
class MaskablePolicyArguments(PolicyArguments):
    """NLPO's policies: a choice among the likely tokens of a mask policy, a copy refreshed now and then."""

    top_mask: Annotated[Positive, "A share of probability for learned_top_p, else a number of tokens."]
    mask_type: Annotated[
        Literal["learned_top_p", "learned_top_k", "topk"],
        "Allow the mask policy's fewest tokens of a share of probability, its top_mask likeliest, or the policy's own.",
    ] = "learned_top_k"
    target_update_iterations: Annotated[Count, "Iterations between refreshes of the mask policy."] = 1000
    min_tokens_to_keep: Annotated[Count, "Tokens that learned_top_p allows at least."] = 100


def mask_complaint(mask_type: str, top_mask: float) -> str | None:
    """What is wrong with a mask policy's `top_mask`, for a message; None where nothing is."""
    share = mask_type == "learned_top_p"
    if top_mask > 0 and (share or (top_mask >= 1 and top_mask == int(top_mask))):
        return None
    wanted = "a share above 0" if share else "a whole number of actions, at least 1 (a share needs learned_top_p)"
    return f"{top_mask:g} with mask_type {mask_type}, expected {wanted}."


def run_complaints(
    arguments: AlgorithmArguments, n_iters: int | None, total_tokens: int | None, dtype: object
) -> Iterator[tuple[str, str]]:
    """(key path, what is wrong there) for arguments that contradict the length of the run or the policy's `dtype`."""
    steps = arguments.warmup_steps
    if steps and arguments.warmup_ratio:
        yield "alg.args.warmup_steps", f"{steps}, and warmup_ratio {arguments.warmup_ratio}; keep one of them."
    elif steps and total_tokens is not None:
        wrong = "counts iterations, but the run ends by train_evaluation.total_tokens; give warmup_ratio."
        yield "alg.args.warmup_steps", wrong
    elif n_iters is not None and steps >= n_iters:
        yield "alg.args.warmup_steps", f"{steps}, expected less than train_evaluation.n_iters {n_iters}."
    if arguments.importance_cap is not None and dtype == "float32":
        wrong = "sampler and update agree in float32; write null, or alg.policy.args.dtype: bfloat16."
        yield "alg.args.importance_cap", wrong


def clip_complaint(low: Any, high: Any) -> str | None:
    """What is wrong with the upper clip range beside the lower one, for a message; None for schedules and no limit."""
    if not (isinstance(low, int | float) and isinstance(high, int | float)) or high >= low:
        return None
    return f"{high:g}, expected at least clip_range {low:g}; null clips upwards as far as downwards."


ALGORITHM_ARGUMENTS: Mapping[str, type] = {
    "ppo": PPOArguments,
    "nlpo": PPOArguments,
    "a2c": A2CArguments,
    "trpo": TRPOArguments,
    "grpo": GRPOArguments,
    "dr_grpo": GRPOArguments,
    "rloo": GRPOArguments,
    "gspo": GSPOArguments,
    "cispo": CISPOArguments,
    "dapo": DAPOArguments,
    "reinforce": REINFORCEArguments,
    "reinforce_pp": REINFORCEPlusPlusArguments,
    "remax": ReMaxArguments,
    "raft": EntropyGroupArguments,
    "dpo": DPOArguments,
}

PUBLISHED_WITHOUT_KL = ("dr_grpo", "gspo", "cispo", "dapo", "raft", "dpo")
WITHOUT_KL = ("raft", "dpo")  # algorithms without a penalty for a KL; that of dpo is in its loss by itself


def group_arguments(algorithm: str) -> type[GroupArguments] | None:
    """The arguments of a shipped algorithm without a critic, whose rollouts have groups; None for another."""
    kind = ALGORITHM_ARGUMENTS.get(algorithm, object)
    return kind if issubclass(kind, GroupArguments) else None


POLICY_ARGUMENTS: Mapping[str, type] = {
    "causal_lm_actor_critic_policy": PolicyArguments,
    "seq2seq_lm_actor_critic_policy": PolicyArguments,
    "maskable_causal_lm_actor_critic_policy": MaskablePolicyArguments,
    "maskable_seq2seq_lm_actor_critic_policy": MaskablePolicyArguments,
}
