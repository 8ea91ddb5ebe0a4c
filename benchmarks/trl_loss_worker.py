"""Losses and gradients of TRL's trainers on the batch in a folder, a file for each case.

    PYTHON_OF_TRL -m benchmarks.trl_loss_worker FOLDER

Started by `benchmarks.trl_losses`, which writes the folder, with the Python of TRL's own environment, which has nothing
of ours:

    policy/ old/ reference/   GPT-2s that transformers loads; the completions are the old one's
    batch.pt     prompt_ids, prompt_mask (B, P), padded on the left; completion_ids, completion_mask (B, T), padded on
                 the right; rewards (B,). The B rows are groups of equal prompts, one after the other.
    cases.json   name -> {"trainer": "grpo" or "rloo", "group_size": k, "arguments": of TRL's configuration}

A case's file, `<name>.pt`, holds loss, advantages (B,) and gradient (by name of the parameter). TRL's trainer itself
scores the completions, makes advantages of the rewards and computes the loss. Only the completions are not generated,
and two things are replaced:

- Positions count a row's real tokens. TRL gives the model none, and GPT-2 then counts the padding on the left, too.
- In float64 (the models' dtype) log-probabilities are a plain log-softmax, for TRL's own kernel computes in float32. In
  float32 they are TRL's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from benchmarks.work import word_tokenizer

TRAINERS = {"grpo": (GRPOConfig, GRPOTrainer), "rloo": (RLOOConfig, RLOOTrainer)}


def count_real_tokens(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A hook of GPT-2's trunk: position ids from the mask, where none are given."""
    if kwargs.get("position_ids") is None:
        kwargs["position_ids"] = (kwargs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    return args, kwargs


def exact_logprobs(
    model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor, None]:
    """In place of the trainer's method of log-probabilities, entropies (only logged; here 0) and auxiliary loss."""
    logits = model(input_ids=input_ids, attention_mask=attention_mask).logits[:, -logits_to_keep - 1 : -1]
    logprobs = logits.log_softmax(-1).gather(-1, input_ids[:, -logits_to_keep:, None]).squeeze(-1)
    return logprobs, torch.zeros_like(logprobs), None


def build_trainer(case: dict[str, Any], folder: Path, batch: dict[str, Tensor], scratch: str) -> Any:
    config, trainer_class = TRAINERS[case["trainer"]]
    model = AutoModelForCausalLM.from_pretrained(folder / "policy", dtype="auto")
    prompts = [" ".join(f"w{t}" for t in row[mask].tolist()) for row, mask in real(batch, "prompt")]
    args = config(  # num_iterations: so that old log-probabilities are computed
        output_dir=scratch,
        per_device_train_batch_size=len(prompts),
        num_generations=case["group_size"],
        num_iterations=2,
        disable_dropout=True,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
        **case["arguments"],
    )
    return trainer_class(
        model=model,
        reward_funcs=lambda completions, **_: batch["rewards"].tolist(),
        args=args,
        processing_class=word_tokenizer(model.config.vocab_size),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
    )


def real(batch: dict[str, Tensor], part: str) -> Any:
    """Rows of ids with their masks."""
    return zip(batch[f"{part}_ids"], batch[f"{part}_mask"], strict=True)


def evaluate(case: dict[str, Any], folder: Path, batch: dict[str, Tensor]) -> dict[str, Any]:
    """One case: the rollout is scored under the old weights, the loss is taken under the policy's."""
    weights = {
        name: AutoModelForCausalLM.from_pretrained(folder / name, dtype="auto").state_dict()
        for name in ("policy", "old", "reference")
    }
    with tempfile.TemporaryDirectory() as scratch:
        trainer = build_trainer(case, folder, batch, scratch)
    model, reference = trainer.model, trainer.ref_model
    for each in filter(None, (model, reference)):
        each.transformer.register_forward_pre_hook(count_real_tokens, with_kwargs=True)
    if reference is not None:
        reference.load_state_dict(weights["reference"])
    completions = [row[mask].tolist() for row, mask in real(batch, "completion")]
    trainer._generate_single_turn = lambda *_: (completions, None) if case["trainer"] == "grpo" else completions
    if model.dtype == torch.float64:
        trainer._get_per_token_logps_and_entropies = exact_logprobs
    trainer.current_gradient_accumulation_steps = 1  # as the training loop sets it
    model.train()
    model.load_state_dict(weights["old"])
    inputs = trainer._generate_and_score_completions(list(trainer.train_dataset))
    model.load_state_dict(weights["policy"])
    loss = trainer.compute_loss(model, inputs)
    loss.backward()
    gradient = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {"loss": loss.detach(), "advantages": inputs["advantages"], "gradient": gradient}


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    batch = torch.load(folder / "batch.pt")
    torch.set_default_dtype(batch["rewards"].dtype)
    for name, case in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        torch.save(evaluate(case, folder, batch), folder / f"{name}.pt")


if __name__ == "__main__":
    main()
