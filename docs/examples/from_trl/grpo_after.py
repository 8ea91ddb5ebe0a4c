"""The same GRPO with rl4lms. `python docs/examples/from_trl/grpo_after.py`"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards import brief, correct

import rl4lms

QUESTIONS = Path(__file__).with_name("questions.jsonl")
CHANGES = {
    "alg.args.n_prompts": 4,  # 8 texts a device and 4 accumulated, in groups of 8
    "alg.args.completions_per_prompt": 8,
    "alg.args.gradient_accumulation_steps": 4,
    "alg.args.learning_rate": 1e-5,
    "alg.args.lr_scheduler_type": "linear",
    "alg.kl_div.coeff": 0.04,
    "alg.policy.args.dtype": "bfloat16",
    "alg.policy.args.gradient_checkpointing": True,
}


def train(
    model: str = "Qwen/Qwen2.5-0.5B-Instruct",
    output: str = "runs/grpo_after",
    n_iters: int = 50,
    changes: Mapping[str, Any] = CHANGES,
) -> rl4lms.Run:
    return rl4lms.train(
        model=model,
        data=[json.loads(line) for line in QUESTIONS.read_text().splitlines()],
        reward={"correct": correct, "brief": (0.2, brief)},
        algorithm="grpo",
        output=output,
        seed=0,
        n_iters=n_iters,
        max_new_tokens=32,
        set=changes,
    )


if __name__ == "__main__":
    run = train()
    print(run, run.samples().head(), sep="\n")
