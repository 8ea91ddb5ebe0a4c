"""What is wrong with the arguments of an algorithm of groups that are right one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rl4lms.config.arguments import (
    WITHOUT_KL,
    DAPOArguments,
    GroupArguments,
    GRPOArguments,
    REINFORCEArguments,
    REINFORCEPlusPlusArguments,
    clip_complaint,
)
from rl4lms.config.sections import EnvArguments, KLConfig


def group_complaints(
    name: str, arguments: GroupArguments, env: EnvArguments, longest: int, kl_div: KLConfig
) -> Iterator[tuple[str, str]]:
    """(key path, what is wrong there) for arguments that contradict each other or the environment.

    longest: the most tokens of a response.
    """
    if kl_div.coeff and name in WITHOUT_KL:
        yield "alg.kl_div.coeff", f"{name} has no KL penalty; write 0."
    if arguments.importance_cap is not None and name in WITHOUT_KL:
        yield "alg.args.importance_cap", f"{name} learns from no advantages; write null."
    if kl_div.norm_reward:
        yield "alg.kl_div.norm_reward", "not used by an algorithm of groups; write false."
    yield from _sizes(name, arguments, longest)
    if isinstance(arguments, GRPOArguments):
        wrong = clip_complaint(arguments.clip_range, arguments.clip_range_high)
        if wrong is not None:
            yield "alg.args.clip_range_high", wrong
    if isinstance(arguments, DAPOArguments) and arguments.overlong_tokens:
        if not env.terminate_on_eos:
            yield (
                "alg.args.overlong_tokens",
                "without env.args.terminate_on_eos: true every response has the full length, and the penalty would be "
                "the same for all; write 0, or terminate_on_eos: true.",
            )
        if arguments.overlong_tokens > longest:
            yield "alg.args.overlong_tokens", f"expected at most {longest}, the longest response."


def _sizes(name: str, arguments: GroupArguments, longest: int) -> Iterator[tuple[str, str]]:
    """Of groups and optimiser steps."""
    n_groups, said = arguments.n_prompts, "n_prompts"
    if arguments.n_tokens is not None:
        responses = arguments.completions_per_prompt + (name == "remax")  # and a greedy one
        n_groups, said = math.ceil(arguments.n_tokens / (responses * longest)), "n_tokens"
    if arguments.n_minibatches > n_groups:
        yield (
            "alg.args.n_minibatches",
            f"{arguments.n_minibatches} steps, but there may be only {n_groups} groups ({said}), and a step has whole "
            "groups.",
        )
    if arguments.completions_per_prompt > 1:
        return
    if isinstance(arguments, REINFORCEPlusPlusArguments) and arguments.baseline == "mean":
        yield "alg.args.completions_per_prompt", "expected at least 2 with baseline mean, found 1."
    if isinstance(arguments, REINFORCEArguments) and arguments.baseline == "leave_one_out" and n_groups == 1:
        yield f"alg.args.{said}", "1 text a rollout, expected at least 2 with baseline leave_one_out."
