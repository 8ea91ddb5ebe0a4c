"""Our PPO and NLPO at a benchmark's work: GPT-2 or T5 of random weights, a reward that costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Logger

from benchmarks.work import N_EPOCHS, PROMPT, RESPONSE, build_model, prompts, word_tokenizer
from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.on_policy_text import TextRollouts, wrap_onpolicy_alg
from rl4lms.algorithms.ppo import PPO
from rl4lms.core.tables import PolicyRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.vec_env import make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.tokenization.text_task import TextTask

N_ENVS, N_STEPS, BATCH_SIZE = 10, 128, 64


class LengthReward(BatchedRewardFunction):
    """A reward that costs nothing: the share of even-numbered words."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [sum(int(w[1:]) % 2 == 0 for w in t.split() if w[1:].isdigit()) / RESPONSE for t in gen_texts]


@dataclass(frozen=True)
class Work:
    """One iteration's work, by default the one that the original was measured on."""

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
    task = TextTask(tokenizer, LengthReward(), samples, work.response, prompt, context_start_token=start)
    env = make_vec_env(task, n_envs=work.n_envs, vocab_size=vocab_size, seed=0)
    policy = {"dtype": work.dtype, **(policy or {})}
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
        **arguments,
    }
    algorithm = wrap_onpolicy_alg(NLPO if work.algorithm == "nlpo" else PPO, kwargs, kl_coeff=0.1)
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm
