"""CPU time and memory of one PPO iteration, beside what the original RL4LMs takes for the same work.

    python -m benchmarks.ppo [--model gpt2|t5] [--iterations 5] [--minibatch episodes|transitions]

Work: 1,280 steps an iteration, batch_size 64 steps, 5 epochs, one thread, float32, separate value and reference
models, random weights, every one of the 48 response tokens real. gpt2: 4 layers, 256 wide, 4 heads, vocabulary 2048,
prompt 32. t5: 4 + 4 layers, d_model 256, d_ff 1024, 4 heads of 64, vocabulary 2048, prompt 64.

The original's figures (CPU-seconds an iteration, on a machine whose one thread does about 100 GFLOP/s of sgemm) were
measured once on its own code; ours are measured here, beside the sgemm rate of the same process, and compared at
equal rate.
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
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.algorithms.ppo import PPO
from rl4lms.core.tables import PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.tokenization.text_task import TextTask

ORIGINAL_CPU_S = {"gpt2": 405.7, "t5": 633.8}
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
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<pad>", model_max_length=512
    )


def build_model(kind: str) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCAB, n_positions=256, n_embd=256, n_layer=4, n_head=4, bos_token_id=1, eos_token_id=1
            )
        )
    config = T5Config(
        vocab_size=VOCAB, d_model=256, d_kv=64, d_ff=1024, num_layers=4, num_heads=4, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def build_algorithm(kind: str, directory: Path, minibatch: str = "episodes", **policy: Any) -> TextRollouts:
    tokenizer, model = word_tokenizer(VOCAB), build_model(kind)
    model.save_pretrained(directory)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(2, VOCAB, (256, PROMPT[kind]), generator=generator).tolist()
    samples = [(Sample(str(i), " ".join(f"w{t}" for t in row), [""]), 1.0) for i, row in enumerate(rows)]
    start = 0 if kind == "t5" else None
    task = TextTask(tokenizer, LengthReward(), samples, RESPONSE, PROMPT[kind], context_start_token=start)
    env = make_vec_env(task, n_envs=N_ENVS, vocab_size=VOCAB, seed=0)
    policy_id = "causal_lm_actor_critic_policy" if kind == "gpt2" else "seq2seq_lm_actor_critic_policy"
    kwargs = {
        "policy": PolicyRegistry.get(policy_id),
        "env": env,
        "policy_kwargs": {"model_name": str(directory), **policy},
        "n_steps": N_STEPS,
        "batch_size": BATCH_SIZE,
        "n_epochs": N_EPOCHS,
        "learning_rate": 1e-5,
        "seed": 0,
        "minibatch": minibatch,
        "device": "cpu",
    }
    algorithm = wrap_onpolicy_alg(PPO, kwargs, kl_coeff=0.1)
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
        algorithm.learn(N_STEPS * N_ENVS, log_interval=None)  # type: ignore[arg-type]
        rate = (before + sgemm_gflops()) / 2
        rows.append({"rollout": rollout.seconds, "train": train.seconds, "gflops": rate, "steps": n_steps})
    return rows[1:]  # the first warms up allocator and caches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["gpt2", "t5"], action="append")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--minibatch", choices=["episodes", "transitions"], default="episodes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("model  rollout_s  train_s  total_s  sgemm_GF/s  opt_steps  tokens/minibatch  times_less_at_equal_sgemm")
    for kind in args.model or ["gpt2", "t5"]:
        with tempfile.TemporaryDirectory() as directory:
            rows = measure(build_algorithm(kind, Path(directory), args.minibatch), args.iterations)
        ratios = []
        for row in rows:
            total = row["rollout"] + row["train"]
            ratios.append(ORIGINAL_CPU_S[kind] * ORIGINAL_GFLOPS / (total * row["gflops"]))
            tokens = N_STEPS * N_ENVS * N_EPOCHS / row["steps"]
            print(
                f"{kind:5}  {row['rollout']:9.2f}  {row['train']:7.2f}  {total:7.2f}  {row['gflops']:10.1f}"
                f"  {row['steps']:9.0f}  {tokens:16.1f}  {ratios[-1]:6.1f}"
            )
        print(f"{kind:5}  median of {len(rows)}: {statistics.median(ratios):.1f} times less CPU time than the original")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GB")


if __name__ == "__main__":
    main()
