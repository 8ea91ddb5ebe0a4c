"""One iteration of a trainer of TRL's for every line "go" on stdin; its CPU seconds and memory as JSON on stdout.

    PYTHON_OF_TRL -m benchmarks.trl_worker ppo
    PYTHON_OF_TRL -m benchmarks.trl_worker grpo '{"num_iterations": 2}'     # arguments of TRL's configuration to change

Started by `benchmarks.vs_trl` with the Python of TRL's own environment, which has nothing of ours. TRL 1.12 has both
trainers, later ones have no PPO. The first reply says the versions and what the trainer runs with.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any, TextIO

import torch
import transformers
import trl
from datasets import Dataset
from transformers import GPT2ForSequenceClassification, TrainerCallback

from benchmarks.work import (
    GROUPS,
    N_EPOCHS,
    PROMPT,
    RESPONSE,
    VOCAB,
    build_model,
    gpt2_config,
    peak_mb,
    prompts,
    sgemm_gflops,
    share_of_even_words,
    word_tokenizer,
)

N_EPISODES, N_MINIBATCHES = 28, 14
# Settings of the work, which every trainer takes.
PLAIN = {
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "learning_rate": 1e-5,
    "gradient_checkpointing": False,
    "bf16": False,
    "use_cpu": True,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
}
COMMON = ("temperature", "gradient_checkpointing", "bf16", "optim")
REPORTED = {  # what an iteration's time or result depends on
    "ppo": ("per_device_train_batch_size", "num_mini_batches", "num_ppo_epochs", "response_length", *COMMON),
    "grpo": (
        *("per_device_train_batch_size", "num_generations", "max_completion_length", "num_iterations"),
        *("loss_type", "scale_rewards", "beta", "epsilon", "use_bias_correction_kl", "disable_dropout"),
        *("max_grad_norm", "weight_decay", "top_k", "top_p", *COMMON),
    ),
}


class OnDemand(TrainerCallback):
    """Holds the trainer between iterations until it is told to go on. An iteration ends where the next one begins."""

    def __init__(self, replies: TextIO, tokens: int = 0, steps: int = 1) -> None:
        self.replies, self.tokens, self.steps = replies, tokens, steps
        self.before = self.start = 0.0
        self.imported_mb = peak_mb()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.wait()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.steps:
            return
        seconds = time.process_time() - self.start
        rate = (self.before + sgemm_gflops()) / 2
        self.reply(cpu_s=seconds, gflops=rate, tokens=self.tokens, peak_mb=peak_mb() - self.imported_mb)
        self.wait()

    def wait(self) -> None:
        if sys.stdin.readline().strip() != "go":
            raise SystemExit(0)
        self.before = sgemm_gflops()
        self.start = time.process_time()

    def reply(self, **fields: Any) -> None:
        print(json.dumps(fields), file=self.replies, flush=True)


def build_ppo(directory: str, callback: OnDemand, changes: dict[str, Any]) -> Any:
    """The work of `benchmarks.ppo`, two episodes a minibatch; every setting that is not the work's is TRL's own."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    arguments = {
        "per_device_train_batch_size": N_EPISODES,
        "num_mini_batches": N_MINIBATCHES,
        "num_ppo_epochs": N_EPOCHS,
        "total_episodes": N_EPISODES * 10_000,
        "response_length": RESPONSE,
        "stop_token": None,
        "num_sample_generations": 0,
    }
    callback.tokens = N_EPISODES * RESPONSE
    return PPOTrainer(
        args=PPOConfig(output_dir=directory, **{**PLAIN, **arguments, **changes}),
        processing_class=word_tokenizer(VOCAB, pad_id=VOCAB, eos_id=VOCAB + 1),
        model=build_model("gpt2"),
        ref_model=build_model("gpt2"),
        reward_model=GPT2ForSequenceClassification(gpt2_config(n_layer=1, n_embd=8, n_head=1, num_labels=1)),
        value_model=GPT2ForSequenceClassification(gpt2_config(num_labels=1)),
        train_dataset=Dataset.from_dict({"input_ids": prompts(PROMPT["gpt2"])}),
        callbacks=[callback],
    )


def build_grpo(directory: str, callback: OnDemand, changes: dict[str, Any]) -> Any:
    """Groups of `benchmarks.work`, one optimiser step an epoch, and DeepSeekMath's loss, which is not TRL's default.

    use_bias_correction_kl: TRL's default multiplies the KL term by the ratio. disable_dropout: by default TRL leaves it
    on in the update.
    """
    from trl import GRPOConfig, GRPOTrainer

    model = build_model("gpt2")
    model.save_pretrained(directory)
    model = type(model).from_pretrained(directory)  # TRL loads the reference from where the policy says that it is from
    model.generation_config.eos_token_id = None  # a word of the vocabulary, which would end completions
    arguments = {
        "per_device_train_batch_size": GROUPS.n_prompts * GROUPS.completions_per_prompt,
        "num_generations": GROUPS.completions_per_prompt,
        "max_completion_length": RESPONSE,
        "loss_type": "grpo",
        "beta": GROUPS.kl_coeff,
        "epsilon": GROUPS.clip_range,
        "num_iterations": GROUPS.n_epochs,
        "use_bias_correction_kl": False,
        "disable_dropout": True,
        "max_steps": 1_000_000,
    }
    args = GRPOConfig(output_dir=directory, **{**PLAIN, **arguments, **changes})
    callback.tokens, callback.steps = args.generation_batch_size * RESPONSE, args.num_iterations
    texts = [" ".join(f"w{t}" for t in row) for row in prompts(GROUPS.prompt)]
    return GRPOTrainer(
        args=args,
        processing_class=word_tokenizer(VOCAB, pad_id=VOCAB, eos_id=VOCAB + 1),
        model=model,
        reward_funcs=lambda completions, **_: [share_of_even_words(text) for text in completions],
        train_dataset=Dataset.from_dict({"prompt": texts}),
        callbacks=[callback],
    )


BUILDERS = {"ppo": build_ppo, "grpo": build_grpo}


def main() -> None:
    algorithm, changes = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    torch.set_num_threads(1)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the trainer prints is not part of the conversation
    callback = OnDemand(replies)
    with tempfile.TemporaryDirectory() as directory:
        trainer = BUILDERS[algorithm](directory, callback, changes)
        versions = {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
        settings = {name: getattr(trainer.args, name) for name in REPORTED[algorithm]}
        callback.reply(versions=versions, settings=settings)
        trainer.train()


if __name__ == "__main__":
    main()
