"""Checks before each update that it computes the log-probabilities with which the rollout was sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rl4lms.core.errors import RunError
from rl4lms.numerics.importance import mismatch
from rl4lms.policies.sequences import Sequences, TokenView, all_tokens
from rl4lms.rollouts.episodes import EpisodeBatch

if TYPE_CHECKING:
    from rl4lms.policies.base import LMActorCriticPolicy

# See docs/numerics.md, lines 4, 13 and 29. The tolerance is relative for numbers above 1.
TOLERANCE = 1e-4
HALF_WARN, HALF_RAISE = 0.02, 0.2
N_CHECKED_EPISODES = 2
LARGEST_LOGIT = 1e3  # beyond it, float32 rounds a log-probability by more than the tolerance


@torch.no_grad()
def check_reproduction(
    policy: LMActorCriticPolicy, batch: EpisodeBatch, iteration: int
) -> tuple[dict[str, float], str]:
    """Compare the log-probabilities of sampler and update. Returns (numbers to log, a notice or "").

    In float32 the forward of the update is run on the two episodes with the shortest prompts, which had the most
    padding, and must give the log-probabilities and values of the rollout. In half precision the rollout already has
    the update's log-probabilities of all tokens, which are compared with the sampler's. Raises RunError if the
    difference is too large.
    """
    sampled = batch.logprobs if batch.sampler_logprobs is None else batch.sampler_logprobs
    index = batch.sequences.prompt_mask.sum(1).argsort(stable=True)[:N_CHECKED_EPISODES]
    if policy.half_precision:
        logprobs, sampler = batch.logprobs[batch.mask], sampled[batch.mask]
        worst = float((logprobs - sampler).abs().mean()) + 0 * float(batch.values.sum())  # nan if a value is nan
        limit, what = HALF_RAISE, "log-probabilities differ on average"
    else:
        view = all_tokens(batch.sequences.rows(index))
        at = (index[view.rows], view.cols)
        values, logprobs, _ = policy.evaluate_actions(view, view.gather(view.sequences.response_ids))
        sampler, old = sampled[at], batch.logprobs[at]
        apart = ((logprobs - old).abs() / old.abs().clamp(min=1)).max()
        values_apart = (values - batch.values[at]).abs().max() / batch.values.abs().max().clamp(min=1)
        worst = float(torch.stack([apart, values_apart]).max())
        limit, what = TOLERANCE, "log-probabilities or values differ, relative to their size,"
    if not worst <= limit:
        raise RunError(
            f"iteration {iteration}: the policy does not reproduce its own rollout: {what} by {worst:.2e}, expected at "
            f"most {limit:.0e}. {likely_cause(policy, batch.sequences.rows(index))}"
        )
    notice = f"mean |log ratio| of update and sampler: {worst:.3f} (half precision; above {HALF_RAISE} is an error)"
    numbers = {f"rollout/sampler_{name}": number for name, number in mismatch(logprobs, sampler).items()}
    return numbers, notice if policy.half_precision and worst > HALF_WARN else ""


def likely_cause(policy: LMActorCriticPolicy, sequences: Sequences) -> str:
    """A sentence about the likely cause of the difference, which it finds by more passes over `sequences`."""
    if not all(bool(torch.isfinite(p).all()) for p in policy.parameters()):
        return "Weights are not finite: the learning rate is too high, or a gradient was not finite."
    view = all_tokens(sequences)
    first, second = (_logprobs(policy, view) for _ in range(2))
    if not torch.equal(first, second):
        return f"Two passes over the same text differ by {_apart(first, second)}: a layer is random (dropout left on?)."
    logits = policy.action_logits(view)
    largest = float(logits[torch.isfinite(logits)].abs().max())
    if largest > LARGEST_LOGIT:
        return (
            f"Logits reach {largest:.1e}, where float32 rounds by more than that: the learning rate is too high, or "
            "has been."
        )
    rows = torch.arange(len(sequences), device=first.device)
    alone = torch.cat([_logprobs(policy, all_tokens(sequences.rows(row))) for row in rows.split(1)])
    rounding = HALF_WARN if policy.half_precision else TOLERANCE
    if not float((first - alone).abs().max()) <= rounding * float(first.abs().max().clamp(min=1)):
        return (
            f"A text scored by itself differs by {_apart(first, alone)} from the same one in a batch: a layer depends "
            "on the batch, or padding is seen."
        )
    if policy.half_precision:
        return "16-bit arithmetic is too coarse for this model; write alg.policy.args.dtype: float32."
    return "Decoding with a cache and one pass over the whole text disagree: are positions numbered alike in both?"


def _logprobs(policy: LMActorCriticPolicy, view: TokenView) -> Tensor:
    return policy.evaluate_actions(view, view.gather(view.sequences.response_ids)).log_prob


def _apart(one: Tensor, other: Tensor) -> str:
    return f"{float((one - other).abs().max()):.1e}"
