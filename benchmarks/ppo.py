"""CPU time and memory of one PPO iteration, beside what the original RL4LMs takes for the same work.

    python -m benchmarks.ppo [--model gpt2|t5] [--algorithm ppo|nlpo] [--minibatch episodes|transitions]
    python -m benchmarks.ppo --growth       how an iteration's time grows with response, prompt and batch

Work: 1,280 steps an iteration, batch_size 64 steps, 5 epochs, one thread, float32, separate value and reference
models, random weights, every one of the 48 response tokens real. gpt2: 4 layers, 256 wide, 4 heads, vocabulary 2048,
prompt 32. t5: 4 + 4 layers, d_model 256, d_ff 1024, 4 heads of 64, vocabulary 2048, prompt 64.

The original's figures (CPU-seconds an iteration, on a machine whose one thread does about 100 GFLOP/s of sgemm) were
measured once on its own code; ours are measured here, beside the sgemm rate of the same process, and compared at
equal rate. The floor of an update is the time its matrix products would take at that rate, backward included.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.algorithms.ppo import PPO
from rl4lms.core.tables import PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.tokenization.text_task import TextTask

ORIGINAL_CPU_S = {("gpt2", "ppo"): 405.7, ("t5", "ppo"): 633.8, ("gpt2", "nlpo"): 419.2}
ORIGINAL_GFLOPS = 100.0
PROMPT = {"gpt2": 32, "t5": 64}
RESPONSE, VOCAB, N_ENVS, N_STEPS, BATCH_SIZE, N_EPOCHS = 48, 2048, 10, 128, 64, 5


class LengthReward(BatchedRewardFunction):
    """A reward that costs nothing: the share of even-numbered words."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [sum(int(w[1:]) % 2 == 0 for w in t.split() if w[1:].isdigit()) / RESPONSE for t in gen_texts]


def word_tokenizer(vocab_size: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {"<pad>": 0, "</s>": 1} | {f"w{i}": i for i in range(2, vocab_size)}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<pad>", model_max_length=1024
    )


def build_model(kind: str) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCAB, n_positions=1024, n_embd=256, n_layer=4, n_head=4, bos_token_id=1, eos_token_id=1
            )
        )
    config = T5Config(
        vocab_size=VOCAB, d_model=256, d_kv=64, d_ff=1024, num_layers=4, num_heads=4, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


@dataclass(frozen=True)
class Work:
    """One iteration's work, by default the one that the original was measured on."""

    kind: str
    algorithm: str = "ppo"
    minibatch: str = "episodes"
    response: int = RESPONSE
    prompt: int | None = None  # of the kind
    n_steps: int = N_STEPS
    batch_size: int = BATCH_SIZE


def build_algorithm(work: Work, directory: Path, **policy: Any) -> TextRollouts:
    kind, tokenizer, model = work.kind, word_tokenizer(VOCAB), build_model(work.kind)
    model.save_pretrained(directory)
    generator = torch.Generator().manual_seed(0)
    prompt = work.prompt or PROMPT[kind]
    rows = torch.randint(2, VOCAB, (256, prompt), generator=generator).tolist()
    samples = [(Sample(str(i), " ".join(f"w{t}" for t in row), [""]), 1.0) for i, row in enumerate(rows)]
    start = 0 if kind == "t5" else None
    task = TextTask(tokenizer, LengthReward(), samples, work.response, prompt, context_start_token=start)
    env = make_vec_env(task, n_envs=N_ENVS, vocab_size=VOCAB, seed=0)
    policy_id = "causal_lm_actor_critic_policy" if kind == "gpt2" else "seq2seq_lm_actor_critic_policy"
    if work.algorithm == "nlpo":
        policy_id = f"maskable_{policy_id}"
        policy = {"top_mask": 0.9, "mask_type": "learned_top_p", "target_update_iterations": 5, **policy}
    kwargs = {
        "policy": PolicyRegistry.get(policy_id),
        "env": env,
        "policy_kwargs": {"model_name": str(directory), **policy},
        "n_steps": work.n_steps,
        "batch_size": work.batch_size,
        "n_epochs": N_EPOCHS,
        "learning_rate": 1e-5,
        "seed": 0,
        "minibatch": work.minibatch,
        "device": "cpu",
    }
    algorithm = wrap_onpolicy_alg(NLPO if work.algorithm == "nlpo" else PPO, kwargs, kl_coeff=0.1)
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm


def sgemm_gflops(n: int = 1024, repeats: int = 10) -> float:
    """One thread's rate of n x n x n float32 products, by CPU time."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    a @ b
    start = time.process_time()
    for _ in range(repeats):
        a @ b
    return 2 * n**3 * repeats / (time.process_time() - start) / 1e9


class _Clock:
    """CPU seconds of a method's calls."""

    def __init__(self, owner: Any, name: str) -> None:
        self.inner, self.seconds = getattr(owner, name), 0.0
        setattr(owner, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        result = self.inner(*args, **kwargs)
        self.seconds = time.process_time() - start
        return result


def measure(algorithm: TextRollouts, iterations: int) -> list[dict[str, float]]:
    """CPU seconds of rollout and update, optimiser steps and the sgemm rate beside each, one row an iteration."""
    rollout, train = _Clock(algorithm, "collect_rollouts"), _Clock(algorithm, "train")
    step = algorithm.policy.optimizer.step
    n_steps = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal n_steps
        n_steps += 1
        return step(*args, **kwargs)

    algorithm.policy.optimizer.step = counted  # type: ignore[method-assign]
    rows = []
    for _ in range(iterations + 1):
        n_steps = 0
        before = sgemm_gflops()
        algorithm.learn(algorithm.n_steps * N_ENVS, log_interval=None)  # type: ignore[arg-type]
        rate = (before + sgemm_gflops()) / 2
        rows.append({"rollout": rollout.seconds, "train": train.seconds, "gflops": rate, "steps": n_steps})
    return rows[1:]  # the first warms up allocator and caches


def update_flops(algorithm: TextRollouts) -> float:
    """Floating-point operations of the matrix products of one `train()` on the rollout that is there."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        algorithm.train()
    return float(counter.get_total_flops())


def compare(work: Work, iterations: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        algorithm = build_algorithm(work, Path(directory))
        rows = measure(algorithm, iterations)
        flops = update_flops(algorithm)
    ratios = []
    for row in rows:
        total = row["rollout"] + row["train"]
        ratios.append(ORIGINAL_CPU_S[work.kind, work.algorithm] * ORIGINAL_GFLOPS / (total * row["gflops"]))
        tokens = N_STEPS * N_ENVS * N_EPOCHS / row["steps"]
        print(
            f"{work.kind:5}  {work.algorithm:9}  {row['rollout']:9.2f}  {row['train']:7.2f}  {total:7.2f}"
            f"  {row['gflops']:10.1f}  {row['steps']:9.0f}  {tokens:16.1f}"
            f"  {row['train'] * row['gflops'] * 1e9 / flops:11.2f}  {ratios[-1]:6.1f}"
        )
    print(
        f"{work.kind:5}  {work.algorithm:9}  median of {len(rows)}: {statistics.median(ratios):.1f} times less CPU time"
    )


def growth(iterations: int) -> None:
    """GPT-2 PPO; one length moves at a time. An episode's tokens are its prompt's and its response's."""
    shapes = [{"response": n} for n in (16, 32, 64, 128, 256)]
    shapes += [{"prompt": n} for n in (32, 64, 128, 256, 512)]
    shapes += [{"batch_size": n} for n in (64, 256, 1280)]
    print("response  prompt  batch_size  tokens  rollout_s  train_s  train_us_per_token  sgemm_GF/s")
    for shape in shapes:
        work = Work("gpt2", **shape)
        with tempfile.TemporaryDirectory() as directory:
            rows = measure(build_algorithm(work, Path(directory)), iterations)
        rollout, train, rate = (statistics.median(row[k] for row in rows) for k in ("rollout", "train", "gflops"))
        prompt = work.prompt or PROMPT["gpt2"]
        tokens = work.n_steps * N_ENVS / work.response * (prompt + work.response)
        print(
            f"{work.response:8}  {prompt:6}  {work.batch_size:10}  {tokens:6.0f}  {rollout:9.2f}  {train:7.2f}"
            f"  {1e6 * train / N_EPOCHS / tokens:18.0f}  {rate:10.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["gpt2", "t5"], action="append")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--minibatch", choices=["episodes", "transitions"], default="episodes")
    parser.add_argument("--algorithm", choices=["ppo", "nlpo"], default="ppo")
    parser.add_argument("--growth", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.growth:
        growth(args.iterations)
        return
    print(
        "model  algorithm  rollout_s  train_s  total_s  sgemm_GF/s  opt_steps  tokens/minibatch  train/floor"
        "  times_less_at_equal_sgemm"
    )
    for kind in args.model or (["gpt2", "t5"] if args.algorithm == "ppo" else ["gpt2"]):
        compare(Work(kind, args.algorithm, args.minibatch), args.iterations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GB")


if __name__ == "__main__":
    main()
