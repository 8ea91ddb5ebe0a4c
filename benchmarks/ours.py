"""Our algorithms at a benchmark's work: GPT-2 or T5 of random weights, a reward that costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Logger

from benchmarks.work import (
    GROUPS,
    N_EPOCHS,
    PROMPT,
    RESPONSE,
    build_model,
    prompts,
    share_of_even_words,
    word_tokenizer,
)
from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.core.tables import AlgorithmRegistry, PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.tokenization.text_task import TextTask

N_ENVS, N_STEPS, BATCH_SIZE = 10, 128, 64
OF_GROUPS = {
    "n_prompts": GROUPS.n_prompts,
    "completions_per_prompt": GROUPS.completions_per_prompt,
    "n_epochs": GROUPS.n_epochs,
    "clip_range": GROUPS.clip_range,
}


class EvenWords(BatchedRewardFunction):
    """The share of even-numbered words."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [share_of_even_words(text) for text in gen_texts]


@dataclass(frozen=True)
class Work:
    """One iteration's work, by default the one that the original was measured on.

    GRPO's is `benchmarks.work.GROUPS`; it has no use for minibatch, n_steps and batch_size.
    """

    kind: str
    algorithm: str = "ppo"
    minibatch: str = "episodes"
    dtype: str = "float32"
    response: int = RESPONSE
    prompt: int | None = None  # of the kind
    n_steps: int = N_STEPS
    n_envs: int = N_ENVS
    batch_size: int = BATCH_SIZE
    size: str = "small"


def build_algorithm(
    work: Work, directory: Path, policy: Mapping[str, Any] | None = None, **arguments: Any
) -> TextRollouts:
    """Ours at `work`, of random weights; policy: arguments of the policy; arguments: of the algorithm."""
    kind, model = work.kind, build_model(work.kind, work.size)
    vocab_size = model.config.vocab_size
    tokenizer = word_tokenizer(vocab_size)
    model.save_pretrained(directory)
    prompt = work.prompt or PROMPT[kind]
    rows = prompts(prompt)
    samples = [(Sample(str(i), " ".join(f"w{t}" for t in row), [""]), 1.0) for i, row in enumerate(rows)]
    start = 0 if kind == "t5" else None
    task = TextTask(tokenizer, EvenWords(), samples, work.response, prompt, context_start_token=start)
    env = make_vec_env(task, n_envs=work.n_envs, vocab_size=vocab_size, seed=0)
    policy = {"dtype": work.dtype, **(policy or {})}
    policy_id = "causal_lm_actor_critic_policy" if kind == "gpt2" else "seq2seq_lm_actor_critic_policy"
    if work.algorithm == "nlpo":
        policy_id = f"maskable_{policy_id}"
        policy = {"top_mask": 0.9, "mask_type": "learned_top_p", "target_update_iterations": 5, **policy}
    if work.algorithm == "grpo":
        policy = {"value_model": "none", **policy}
        size: dict[str, Any] = dict(OF_GROUPS)
    else:
        size = {"n_steps": work.n_steps, "batch_size": work.batch_size, "n_epochs": N_EPOCHS}
        size["minibatch"] = work.minibatch
    kwargs = {
        "policy": PolicyRegistry.get(policy_id),
        "env": env,
        "policy_kwargs": {"model_name": str(directory), **policy},
        "learning_rate": 1e-5,
        "seed": 0,
        "device": "cpu",
        **size,
        **arguments,
    }
    kl_coeff = GROUPS.kl_coeff if work.algorithm == "grpo" else 0.1
    algorithm = wrap_onpolicy_alg(AlgorithmRegistry.get(work.algorithm), kwargs, kl_coeff=kl_coeff)
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm
