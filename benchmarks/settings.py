"""Settings of our algorithms that cost or save time, each one step from the default: the rows of a table of gains."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers.activations import NewGELUActivation
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

from benchmarks.ours import Work, build_algorithm
from benchmarks.work import GROUPS, peak_mb, sgemm_gflops
from rl4lms.algorithms.on_policy_text import TextRollouts
from rl4lms.policies.decoding import Decoded
from rl4lms.policies.language_models import CausalScorer
from rl4lms.policies.sequences import Sequences, TokenView

# 28 episodes of 48 tokens, two of them a minibatch.
WORK = Work("gpt2", n_envs=28, n_steps=48, batch_size=2 * 48)
WORK_IN_GROUPS = Work("gpt2", "grpo", prompt=GROUPS.prompt)
SIZE = {
    "ppo": ("n_steps", "n_envs", "batch_size", "n_epochs"),
    "grpo": ("n_prompts", "completions_per_prompt", "n_minibatches", "n_epochs"),
}
IMPORTED_MB = peak_mb()


@dataclass(frozen=True)
class Iteration:
    """What one iteration took. peak_mb: the most memory that its process has held, beyond that of the imports."""

    cpu_s: float
    gflops: float
    tokens: int
    peak_mb: float = 0.0

    @property
    def cost(self) -> float:
        """Of one token, in products of the process's own sgemm: comparable between moments of different speed."""
        return self.cpu_s * self.gflops / self.tokens


@dataclass(frozen=True)
class Setting:
    """A name and what it changes: arguments of policy and algorithm, the work, the built one, a running iteration."""

    name: str
    policy: Mapping[str, Any] = field(default_factory=dict)
    algorithm: Mapping[str, Any] = field(default_factory=dict)
    work: Work = WORK
    prepare: Callable[[TextRollouts], None] = lambda _: None
    during: Callable[[], AbstractContextManager[Any]] = nullcontext


class Ours:
    """An algorithm of ours under one setting, an iteration at a time."""

    def __init__(self, setting: Setting) -> None:
        self.name, self.setting = setting.name, setting
        with tempfile.TemporaryDirectory() as directory:
            self.algorithm = build_algorithm(setting.work, Path(directory), setting.policy, **setting.algorithm)
        setting.prepare(self.algorithm)

    def iteration(self) -> Iteration:
        algorithm = self.algorithm
        before = sgemm_gflops()
        with self.setting.during():
            start = time.process_time()
            algorithm.learn(algorithm.budget, log_interval=None)  # type: ignore[arg-type]
            seconds = time.process_time() - start
        rate, tokens = (before + sgemm_gflops()) / 2, algorithm.rollout_buffer.size()
        return Iteration(seconds, rate, tokens, peak_mb() - IMPORTED_MB)

    def facts(self) -> dict[str, Any]:
        """What the algorithm runs with: its own arguments, and what else decides over an iteration's time."""
        algorithm, names = self.algorithm, SIZE[self.setting.work.algorithm]
        own = {name: getattr(algorithm, name) for name in (*names, "clip_range", "max_grad_norm")}
        own = {name: value(1.0) if callable(value) else value for name, value in own.items()}
        optimizer, kl = algorithm.policy.optimizer, algorithm.kl_controller
        return own | {"kl_coeff": kl.kl_coeff, "optimizer": type(optimizer).__name__, "dtype": self.setting.work.dtype}


@contextmanager
def head_over_all_positions() -> Iterator[None]:
    """The head and all that is as wide as the vocabulary see the positions of the prompt, too."""

    def token_logits(scorer: Any, model: Any, view: TokenView) -> tuple[Tensor, Tensor]:
        first = view.sequences.prompt_ids.shape[1] - 1
        logits = model(**scorer.inputs(model, view.sequences)).logits[:, first:]
        return view.gather(logits), view.gather(logits[..., :0])  # the value model has a trunk of its own

    with (
        patch("rl4lms.policies.base.token_logits", token_logits),
        patch("rl4lms.policies.language_models.token_logits", token_logits),
    ):
        yield


def last_block_over_all_positions() -> AbstractContextManager[Any]:
    """What the last block does above its attention sees the positions of the prompt, too."""
    return patch("rl4lms.policies.language_models.BLOCKS", {})


@contextmanager
def lengths_odd() -> Iterator[None]:
    """The last response token is left out where it would make a length of whole eights, too."""
    inputs = CausalScorer.inputs

    def shorter(model: Any, sequences: Sequences) -> dict[str, Any]:
        length = sequences.prompt_ids.shape[1] + sequences.response_ids.shape[1] - 1
        return {k: v[:, :length] if isinstance(v, Tensor) else v for k, v in inputs(model, sequences).items()}

    with patch.object(CausalScorer, "inputs", staticmethod(shorter)):
        yield


def rollout_in_one_batch() -> AbstractContextManager[Any]:
    """Values and reference log-probabilities of all episodes in one forward."""
    return patch("rl4lms.policies.base.MAX_POSITIONS_ON_CPU", 2**20)


def logprobs_by_another_pass(algorithm: TextRollouts) -> None:
    """The sampled tokens' log-probabilities by one more forward, not as recorded while sampling."""
    policy = algorithm.policy
    generate = policy.generate

    def generate_and_score(prompt_ids: Tensor, prompt_mask: Tensor, *args: Any, **kwargs: Any) -> Decoded:
        d = generate(prompt_ids, prompt_mask, *args, **kwargs)
        sequences = Sequences(prompt_ids, prompt_mask, d.response_ids, d.response_mask, d.action_mask_bits)
        logprobs, raw = policy.sequence_logprobs(sequences)
        return replace(d, logprobs=logprobs, raw_logprobs=raw)

    policy.generate = generate_and_score  # type: ignore[method-assign, assignment]


def unchecked(algorithm: TextRollouts) -> None:
    """Without the check that the policy reproduces its own rollout."""
    algorithm._check_reproduction = lambda batch: {}  # type: ignore[method-assign]


def clipped_apart(algorithm: TextRollouts) -> None:
    """Gradients are scaled by a pass of their own, before the optimiser's."""
    optimizer = algorithm.policy.optimizer

    def step() -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        nn.utils.clip_grad_norm_(parameters, algorithm.max_grad_norm)
        optimizer.step()

    algorithm.optimizer_step = step  # type: ignore[method-assign]


def gelu_in_eight_kernels(algorithm: TextRollouts) -> None:
    """As transformers writes it."""
    for module in list(algorithm.policy.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GELU):
                setattr(module, name, NewGELUActivation())


def compiled(algorithm: TextRollouts) -> None:
    """`torch.compile` of the feed-forward halves, where the operations are that it can fuse."""
    for module in algorithm.policy.modules():
        if isinstance(module, GPT2MLP):
            module.forward = torch.compile(module.forward)


SHARED, HALF = {"value_model": "shared"}, {"dtype": "bfloat16"}
EQUAL_MINIBATCHES = [
    Setting("the default in float32"),
    Setting("... gradients not clipped, as TRL", algorithm={"max_grad_norm": None}),
    Setting("... optimiser not fused", policy={"optimizer_kwargs": {"fused": False}}),
    Setting("... head over all positions", during=head_over_all_positions),
    Setting("... last block over all positions", during=last_block_over_all_positions),
    Setting("... last response token never fed", during=lengths_odd),
    Setting("... rollout scored in one batch", during=rollout_in_one_batch),
    Setting("... log-probabilities by another pass", prepare=logprobs_by_another_pass),
    Setting("... gradient of the entropy", algorithm={"ent_coef": 1e-9}),
    Setting("... rollout not checked", prepare=unchecked),
    Setting("... gradients clipped by another pass", prepare=clipped_apart),
    Setting("... GELU in eight kernels", prepare=gelu_in_eight_kernels),
    Setting("... feed-forward compiled", prepare=compiled),
    Setting("... shared value model", policy=SHARED),
    Setting("... bfloat16", policy=HALF),
    Setting("... shared, bfloat16", policy=SHARED | HALF),
]
OTHER_MINIBATCHES = [
    Setting("4 episodes a minibatch", work=replace(WORK, batch_size=4 * 48)),
    Setting("28 episodes a minibatch", work=replace(WORK, batch_size=28 * 48)),
    Setting("28 episodes, shared, bfloat16", policy=SHARED | HALF, work=replace(WORK, batch_size=28 * 48)),
]
IN_GROUPS = [Setting("the default in float32", work=WORK_IN_GROUPS)]
