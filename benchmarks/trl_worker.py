"""One PPO iteration of TRL for every line "go" on stdin; its CPU seconds as a line of JSON on stdout.

Started by `benchmarks.vs_trl` with the Python of TRL's own environment, which has nothing of ours.
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
from trl.experimental.ppo import PPOConfig, PPOTrainer

from benchmarks.work import (
    N_EPOCHS,
    PROMPT,
    RESPONSE,
    VOCAB,
    build_model,
    gpt2_config,
    prompts,
    sgemm_gflops,
    word_tokenizer,
)

N_EPISODES, N_MINIBATCHES = 28, 14


class OnDemand(TrainerCallback):
    """Holds the trainer between iterations until it is told to go on. An iteration ends where the next one begins."""

    def __init__(self, replies: TextIO) -> None:
        self.replies = replies
        self.before = self.start = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.wait()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        seconds = time.process_time() - self.start
        self.reply(cpu_s=seconds, gflops=(self.before + sgemm_gflops()) / 2, tokens=N_EPISODES * RESPONSE)
        self.wait()

    def wait(self) -> None:
        if sys.stdin.readline().strip() != "go":
            raise SystemExit(0)
        self.before = sgemm_gflops()
        self.start = time.process_time()

    def reply(self, **fields: Any) -> None:
        print(json.dumps(fields), file=self.replies, flush=True)


def build_trainer(directory: str, callback: OnDemand) -> PPOTrainer:
    """The work of `benchmarks.ppo`, two episodes a minibatch; every setting that is not the work's is TRL's own."""
    tokenizer = word_tokenizer(VOCAB, pad_id=VOCAB, eos_id=VOCAB + 1)
    args = PPOConfig(
        output_dir=directory,
        per_device_train_batch_size=N_EPISODES,
        gradient_accumulation_steps=1,
        num_mini_batches=N_MINIBATCHES,
        num_ppo_epochs=N_EPOCHS,
        total_episodes=N_EPISODES * 10_000,
        response_length=RESPONSE,
        temperature=1.0,
        stop_token=None,
        learning_rate=1e-5,
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    return PPOTrainer(
        args=args,
        processing_class=tokenizer,
        model=build_model("gpt2"),
        ref_model=build_model("gpt2"),
        reward_model=GPT2ForSequenceClassification(gpt2_config(n_layer=1, n_embd=8, n_head=1, num_labels=1)),
        value_model=GPT2ForSequenceClassification(gpt2_config(num_labels=1)),
        train_dataset=Dataset.from_dict({"input_ids": prompts(PROMPT["gpt2"])}),
        callbacks=[callback],
    )


def main() -> None:
    torch.set_num_threads(1)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the trainer prints is not part of the conversation
    callback = OnDemand(replies)
    with tempfile.TemporaryDirectory() as directory:
        trainer = build_trainer(directory, callback)
        callback.reply(trl=trl.__version__, torch=torch.__version__, transformers=transformers.__version__)
        trainer.train()


if __name__ == "__main__":
    main()
