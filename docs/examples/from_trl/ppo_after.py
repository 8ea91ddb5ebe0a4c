"""The same PPO with rl4lms. `python docs/examples/from_trl/ppo_after.py`"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rl4lms

OPENINGS = Path(__file__).with_name("openings.jsonl")
CHANGES = {
    "env.n_envs": 64,  # 8 texts a device and 8 accumulated
    "alg.args.n_steps": 32,  # tokens of each
    "alg.args.batch_size": 64 * 32,  # one step of the optimiser a pass
    "alg.args.gradient_accumulation_steps": 8,
    "alg.args.n_epochs": 4,
    "alg.args.learning_rate": 1e-5,
    "alg.args.lr_scheduler_type": "linear",
    "alg.args.clip_range": 0.2,
    "alg.args.clip_range_vf": 0.2,
    "alg.args.vf_coef": 0.05,  # TRL halves the squared error
    "alg.args.gamma": 1.0,
    "alg.args.gae_lambda": 0.95,
    "alg.args.max_grad_norm": None,  # PPOTrainer clips no gradient
    "alg.kl_div.coeff": 0.05,
    "alg.policy.args.dtype": "bfloat16",
    "alg.policy.args.gradient_checkpointing": True,
    "alg.policy.args.generation_kwargs.temperature": 0.7,
}


def train(
    model: str = "gpt2",
    scorer: str = "my-org/gpt2-review-score",
    output: str = "runs/ppo_after",
    n_iters: int = 50,
    changes: Mapping[str, Any] = CHANGES,
) -> rl4lms.Run:
    return rl4lms.train(
        model=model,
        data=[json.loads(line) for line in OPENINGS.read_text().splitlines()],
        reward={"id": "learned_reward", "args": {"model_name": scorer, "label_ix": 0}},
        algorithm="ppo",
        output=output,
        seed=0,
        n_iters=n_iters,
        max_new_tokens=32,
        set=changes,
    )


if __name__ == "__main__":
    run = train()
    print(run, run.samples().head(), sep="\n")
