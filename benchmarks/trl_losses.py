"""Our losses and gradients, and those of TRL, on one batch: what one update computes, to rounding.

    python -m benchmarks.trl_losses [--dtype float64|float32] [--trl-python PATH]

A tiny GPT-2, the old policy, makes 4 completions of each of 6 prompts; both are of many lengths, and one group's
rewards are all equal. Then the weights are those of another model, so that no ratio is 1 and some are clipped, and each
side takes one gradient. Ours is that of a whole iteration, `learn()` up to the optimiser. TRL's trainers get the
completions and the rewards (`benchmarks.trl_loss_worker`). A third model, from which the other two were made, is the
reference.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from stable_baselines3.common.logger import Logger
from torch import Tensor
from transformers import GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from benchmarks.vs_trl import ENVIRONMENT, ROOT, WITH_GROUPS
from benchmarks.work import gpt2_config, word_tokenizer
from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.core.errors import report_error
from rl4lms.core.tables import AlgorithmRegistry, PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.rollouts.episodes import EpisodeBatch
from rl4lms.tokenization.text_task import TextTask

VOCAB, LONGEST_PROMPT, LONGEST_RESPONSE, N_PROMPTS, GROUP_SIZE = 24, 9, 12, 6, 4
N_SAMPLES = 60
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@dataclass(frozen=True)
class Case:
    """An algorithm, and what to tell both sides for the same loss. trl: arguments of the configuration of `trainer`."""

    trl: Mapping[str, Any]
    ours: Mapping[str, Any] = field(default_factory=dict)
    kl_coeff: float = 0.0
    trainer: str = "grpo"


CASES = {
    "grpo": Case({"loss_type": "grpo", "beta": 0.04, "use_bias_correction_kl": False}, kl_coeff=0.04),
    "dr_grpo": Case({"loss_type": "dr_grpo", "scale_rewards": "none"}),
    "dapo": Case({"loss_type": "dapo", "epsilon_high": 0.28}, {"n_rounds": 1}),
    "gspo": Case(
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-2, "epsilon_high": 4e-2},
        {"clip_range": 3e-2, "clip_range_high": 4e-2},
    ),
    "cispo": Case({"loss_type": "cispo", "epsilon_high": 1.1}, {"ratio_cap": 1.1}),
    "rloo": Case({"beta": 0.05}, kl_coeff=0.05, trainer="rloo"),
}


@dataclass(frozen=True)
class Update:
    """What one side computed. advantages: (B,); gradient: by the parameter's name; clip_fraction: only ours."""

    loss: float
    advantages: Tensor
    gradient: dict[str, Tensor]
    clip_fraction: float | None = None


class EvenWords(BatchedRewardFunction):
    """The number of even-numbered words in sixteenths; always 0.5 where the prompt begins with w2."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        shares = [sum(int(w[1:]) % 2 == 0 for w in text.split()) / 16 for text in gen_texts]
        return [0.5 if p.split()[0] == "w2" else share for p, share in zip(prompt_texts, shares, strict=True)]


def write_models(folder: Path, dtype: torch.dtype) -> None:
    """The reference, and two models near it."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(gpt2_config(vocab_size=VOCAB, n_positions=64, n_embd=32, n_layer=2, n_head=2)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)  # so that the model prefers some words
        weights = {name: parameter.clone() for name, parameter in model.named_parameters()}
        for name, spread in (("reference", 0.0), ("old", 0.006), ("policy", 0.008)):
            for each, parameter in model.named_parameters():
                parameter.copy_(weights[each] + spread * torch.randn_like(parameter))
            copy.deepcopy(model).to(dtype).save_pretrained(folder / name)


def build(name: str, folder: Path, dtype: str) -> TextRollouts:
    """Ours, with the reference's weights."""
    generator = torch.Generator().manual_seed(1)
    samples = []
    for i in range(N_SAMPLES):
        length = int(torch.randint(2, LONGEST_PROMPT + 1, (), generator=generator))
        words = [2 if i % 6 == 0 else 3, *torch.randint(2, VOCAB, (length - 1,), generator=generator).tolist()]
        samples.append((Sample(str(i), " ".join(f"w{word}" for word in words), [""]), 1.0))
    task = TextTask(word_tokenizer(VOCAB), EvenWords(), samples, LONGEST_RESPONSE, LONGEST_PROMPT, True)
    kwargs = {
        "policy": PolicyRegistry.get("causal_lm_actor_critic_policy"),
        "env": make_vec_env(task, n_envs=1, vocab_size=VOCAB, seed=0),
        "policy_kwargs": {"model_name": str(folder / "reference"), "value_model": "none", "dtype": dtype},
        "n_prompts": N_PROMPTS,
        "completions_per_prompt": GROUP_SIZE,
        "seed": 0,
        "device": "cpu",
        **CASES[name].ours,
    }
    algorithm = wrap_onpolicy_alg(AlgorithmRegistry.get(name), kwargs, kl_coeff=CASES[name].kl_coeff)
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm


def our_update(name: str, folder: Path, dtype: str) -> tuple[Update, EpisodeBatch]:
    """One iteration that stops at the optimiser: a rollout of the old weights, an update of the policy's."""
    algorithm = build(name, folder, dtype)
    model, train = algorithm.policy.policy_model, algorithm.train
    gradient: dict[str, Tensor] = {}

    def load(weights: str) -> None:
        model.load_state_dict(GPT2LMHeadModel.from_pretrained(folder / weights, dtype="auto").state_dict())

    def train_another() -> None:
        load("policy")
        train()

    def keep_gradient() -> None:
        gradient.update({name: p.grad.clone() for name, p in model.named_parameters()})

    algorithm.train, algorithm.optimizer_step = train_another, keep_gradient  # type: ignore[method-assign]
    load("old")
    algorithm.learn(algorithm.budget, log_interval=None)  # type: ignore[arg-type]
    buffer, numbers = algorithm.rollout_buffer, algorithm.logger.name_to_value
    assert buffer.episodes is not None
    advantages = buffer.advantages[:, 0]  # the same at every token
    return Update(numbers["train/loss"], advantages, gradient, numbers["train/clip_fraction"]), buffer.episodes


def write_batch(folder: Path, episodes: EpisodeBatch, dtype: torch.dtype) -> None:
    s = episodes.sequences
    columns = (s.prompt_ids, s.prompt_mask, s.response_ids, s.response_mask, episodes.scores.sum(1).to(dtype))
    names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "rewards")
    torch.save(dict(zip(names, columns, strict=True)), folder / "batch.pt")
    common = {"max_completion_length": LONGEST_RESPONSE}
    cases = {
        name: {"trainer": case.trainer, "group_size": GROUP_SIZE, "arguments": common | dict(case.trl)}
        for name, case in CASES.items()
    }
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")


def their_updates(folder: Path, command: Sequence[str]) -> dict[str, Update]:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, text=True, capture_output=True)
    if done.returncode:
        raise WITH_GROUPS.failed(done.returncode, done.stderr)
    saved = {name: torch.load(folder / f"{name}.pt") for name in CASES}
    return {name: Update(float(x["loss"]), x["advantages"], x["gradient"]) for name, x in saved.items()}


def relative(ours: Tensor, theirs: Tensor) -> float:
    """|ours - theirs| / |theirs|."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def differences(ours: Update, theirs: Update) -> dict[str, float]:
    """Relative differences of loss, advantages and gradient, all parameters as one vector.

    That of the loss is relative to the mean absolute advantage, for a loss is a mean of terms of this size that cancel.
    """
    flat = [torch.cat([side.gradient[name].double().flatten() for name in theirs.gradient]) for side in (ours, theirs)]
    return {
        "loss": abs(ours.loss - theirs.loss) / float(theirs.advantages.abs().mean()),
        "advantages": relative(ours.advantages, theirs.advantages),
        "gradient": relative(*flat),
    }


def compare(dtype: str, python: Path | None) -> bool:
    """Print the table. Whether all differences are within the tolerance."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        command = WITH_GROUPS.command("benchmarks.trl_loss_worker", directory, python=python)
        write_models(folder, getattr(torch, dtype))
        ours = {}
        for name in CASES:
            ours[name], episodes = our_update(name, folder, dtype)
        write_batch(folder, episodes, getattr(torch, dtype))
        theirs = their_updates(folder, command)
    print("| algorithm | loss, ours | TRL's | relative difference | of advantages | of the gradient |")
    print("|---|---|---|---|---|---|")
    equal = True
    for name in CASES:
        found = differences(ours[name], theirs[name])
        equal &= max(found.values()) <= TOLERANCE[dtype]
        numbers = " | ".join(f"{value:.1e}" for value in found.values())
        print(f"| {name} | {ours[name].loss:.7f} | {theirs[name].loss:.7f} | {numbers} |")
    print(f"\n{'All' if equal else 'NOT all'} within {TOLERANCE[dtype]:.0e} of TRL {WITH_GROUPS.version}, in {dtype}.")
    return equal


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="default: %(default)s")
    parser.add_argument("--trl-python", type=Path, metavar="PATH", help=f"default: that of {WITH_GROUPS.folder}")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    transformers_logging.disable_progress_bar()
    try:
        return 0 if compare(args.dtype, args.trl_python) else 1
    except Exception as error:
        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
