"""Policies with a learned action mask (NLPO, arXiv:2210.01241, section 4)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from rl4lms.config.arguments import mask_complaint
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.policies.base import LMActorCriticPolicy
from rl4lms.policies.causal import CausalLMActorCriticPolicy
from rl4lms.policies.decoding import LearnedMask
from rl4lms.policies.seq2seq import Seq2SeqLMActorCriticPolicy
from rl4lms.policies.truncation import top_k_mask, top_p_mask

MASK_TYPES = ("learned_top_p", "learned_top_k", "topk")


class _TopP(LearnedMask):
    def __init__(self, model: Any, eos_id: int | Collection[int] | None, p: float, min_tokens_to_keep: int) -> None:
        super().__init__(model, eos_id)
        self.p, self.min_tokens_to_keep = p, min_tokens_to_keep

    def allowed(self, logits: Tensor) -> Tensor:
        return top_p_mask(logits, self.p, self.min_tokens_to_keep)


class _TopK(LearnedMask):
    def __init__(self, model: Any, eos_id: int | Collection[int] | None, k: int) -> None:
        super().__init__(model, eos_id)
        self.k = k

    def allowed(self, logits: Tensor) -> Tensor:
        return top_k_mask(logits, self.k)


class MaskableActorCriticPolicy(LMActorCriticPolicy):
    """A policy with a mask policy: a frozen copy of the policy that determines which actions may be sampled.

    mask_type: "learned_top_p" allows the fewest most probable actions of the mask policy with total probability
    `top_mask`, "learned_top_k" its `top_mask` most probable ones, and "topk" the `top_mask` most probable ones of the
    current policy. min_tokens_to_keep: the fewest allowed actions with learned_top_p. target_update_iterations: the
    mask policy becomes a copy of the policy again after so many iterations, under any algorithm. The defaults are those
    of RL4LMs. Stop tokens are always allowed, unless a minimum length or a rule of `generation_kwargs` forbids them.
    Nothing is masked if `top_mask` is at least 1 with learned_top_p, or at least the size of the vocabulary otherwise.
    """

    def __init__(
        self,
        *args: Any,
        top_mask: float,
        mask_type: str = "learned_top_k",
        min_tokens_to_keep: int = 100,
        target_update_iterations: int = 1000,
        **kwargs: Any,
    ) -> None:
        if mask_type not in MASK_TYPES:
            raise ConfigError(unknown("mask type", mask_type, MASK_TYPES, "alg.policy.args.mask_type"))
        if (wrong := mask_complaint(mask_type, top_mask)) is not None:
            raise ConfigError(f"alg.policy.args.top_mask: {wrong}")
        self.mask_type, self.top_mask = mask_type, top_mask
        self.min_tokens_to_keep, self.target_update_iterations = min_tokens_to_keep, target_update_iterations
        super().__init__(*args, **kwargs)

    def _build_models(self, *args: Any) -> None:
        super()._build_models(*args)
        self.mask_model: nn.Module | None = None
        if self.mask_type.startswith("learned") and not self._masks_nothing:
            self.mask_model = copy.deepcopy(self.policy_model).requires_grad_(False)

    @property
    def _masks_nothing(self) -> bool:
        return self.top_mask >= (1 if self.mask_type == "learned_top_p" else self.vocab_size)

    def before_rollout(self, iteration: int) -> None:
        """Refresh the mask before iteration k > 0 if k is a multiple of `target_update_iterations`."""
        if iteration > 0 and iteration % self.target_update_iterations == 0:
            self.refresh_mask()

    @torch.no_grad()
    def refresh_mask(self) -> None:
        """Copy the current policy into the mask policy. The next rollout uses it."""
        if self.mask_model is not None:
            pairs = zip(self.mask_model.parameters(), self.policy_model.parameters(), strict=True)
            for mask, current in pairs:
                mask.copy_(current)

    def learned_mask(self, eos_id: int | Collection[int] | None) -> LearnedMask | None:
        if self._masks_nothing:
            return None
        if self.mask_type == "learned_top_p":
            return _TopP(self.mask_model, eos_id, self.top_mask, self.min_tokens_to_keep)
        return _TopK(self.mask_model, eos_id, int(self.top_mask))


class MaskedCausalLMActorCriticPolicy(MaskableActorCriticPolicy, CausalLMActorCriticPolicy):
    """`maskable_causal_lm_actor_critic_policy`."""


class MaskedSeq2SeqLMActorCriticPolicy(MaskableActorCriticPolicy, Seq2SeqLMActorCriticPolicy):
    """`maskable_seq2seq_lm_actor_critic_policy`."""
