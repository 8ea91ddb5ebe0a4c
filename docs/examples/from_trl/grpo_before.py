"""GRPO with TRL 1.16.0: a chat model, two functions as rewards, questions from a file."""

from pathlib import Path
from typing import Any

from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer


def correct(completions: list[Any], answer: list[str], **kwargs: Any) -> list[float]:
    said = [completion[0]["content"] for completion in completions]
    return [float(right in text.split()) for text, right in zip(said, answer, strict=True)]


def brief(completions: list[Any], **kwargs: Any) -> list[float]:
    said = [completion[0]["content"] for completion in completions]
    return [1 / max(len(text.split()), 1) for text in said]


questions = Path(__file__).with_name("questions.jsonl")
rows = load_dataset("json", data_files=str(questions), split="train")
args = GRPOConfig(
    output_dir="runs/grpo_before",
    seed=0,
    max_steps=50,
    per_device_train_batch_size=8,
    gradient_accumulation_steps=4,
    num_generations=8,
    max_completion_length=32,
    learning_rate=1e-5,
    lr_scheduler_type="linear",
    beta=0.04,
    loss_type="grpo",
    reward_weights=[1.0, 0.2],
    log_completions=True,
)
trainer = GRPOTrainer("Qwen/Qwen2.5-0.5B-Instruct", [correct, brief], args=args, train_dataset=rows)
trainer.train()
trainer.save_model("runs/grpo_before/model")
