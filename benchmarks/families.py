"""Thirteen families through whole runs: chat template, LoRA, bfloat16, PPO and GRPO, saved and loaded by transformers.

    python -m benchmarks.families [--family "Qwen3"] [--family ...]

Tiny random models with the turn markers, templates and special tokens that a family publishes (chat_families.py), two
iterations a run: of every weight, of adapters, in bfloat16. A cell says yes, or which runs failed. `greedy text equal`
counts runs whose saved model says the same by plain transformers, `generate(do_sample=False)` after the saved template,
as by `rl4lms.evaluate`.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a run computes

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.chat_families import FAMILIES, WORDS, Family, write

N_ITERS, N_TOKENS, PROMPT_LENGTH = 2, 12, 64
ALGORITHMS = {
    "ppo": {"env.n_envs": 4, "alg.args.n_steps": 24, "alg.args.batch_size": 48, "alg.args.n_epochs": 2},
    "grpo": {"alg.args.n_prompts": 4, "alg.args.completions_per_prompt": 4},
}
WAYS: dict[str, dict[str, Any]] = {
    "full": {},
    "LoRA": {"alg.policy.args.lora": {"r": 4, "alpha": 8.0}, "alg.args.learning_rate": 0.03},
    "bf16": {"alg.policy.args.dtype": "bfloat16"},  # and the starting point is saved in it, as published ones are
}
CHANGES = {
    "alg.args.learning_rate": 3e-3,
    "env.args.max_prompt_length": PROMPT_LENGTH,
    "train_evaluation.eval_every": 1,
    "train_evaluation.generation_kwargs": {"do_sample": False, "max_new_tokens": N_TOKENS},
}


def openness(completions: Sequence[str], **columns: Any) -> list[float]:
    """The reward: the share of a and o among the letters."""
    return [sum(letter in "ao" for letter in text) / max(len(text), 1) for text in completions]


def rows(family: Family, n: int, seed: int) -> list[Any]:
    """Prompts of random words: conversations with and without a system message or an earlier turn, or plain texts."""
    draw = random.Random(seed)

    def said(role: str) -> dict[str, str]:
        return {"role": role, "content": " ".join(draw.choices(WORDS, k=draw.randint(2, 5)))}

    def prompt(i: int) -> Any:
        if family.template is None:
            return said("user")["content"]
        first = [said("system")] if family.system and i % 2 else []
        return [*first, *([said("user"), said("assistant")] if i % 3 == 0 else []), said("user")]

    return [{"prompt": prompt(i)} for i in range(n)]


@dataclass(frozen=True)
class Outcome:
    """One run and the greedy texts of the test prompts.

    before: of the starting point, by `rl4lms.evaluate`; after: of the saved model, likewise; of_run: in the run's own
    last evaluation, which is under autocast with bfloat16; of_transformers: of the saved model by transformers alone.
    moved: the largest change of a weight in the saved model. dtype: what transformers loads it in.
    """

    before: list[str]
    after: list[str]
    of_run: list[str]
    of_transformers: list[str]
    moved: float
    dtype: torch.dtype

    @property
    def learnt(self) -> bool:
        """Weights and texts are others than before."""
        return self.moved > 1e-4 and self.after != self.before

    @property
    def equal(self) -> bool:
        """The texts are, and hold more letters than a word that is said again and again."""
        return self.after == self.of_transformers and any(len({*text}) > 4 for text in self.after)


def outcome(family: Family, start: Path, algorithm: str, way: str, output: Path) -> Outcome:
    """Train from the model in `start`, and read what it saved."""
    import rl4lms

    data = {"train": rows(family, 12, 0), "val": rows(family, 4, 1), "test": rows(family, 6, 2)}
    run = rl4lms.train(
        model=start, data=data, reward=openness, algorithm=algorithm, output=output, n_iters=N_ITERS, quiet=True,
        max_new_tokens=N_TOKENS, set={**CHANGES, **ALGORITHMS[algorithm], **WAYS[way]},
    )  # fmt: skip
    saved = run.path / "model"
    asked: Mapping[str, Any] = {
        "data": data["test"], "metrics": [openness], "max_new_tokens": N_TOKENS, "max_prompt_length": PROMPT_LENGTH
    }  # fmt: skip
    before, after = (list(rl4lms.evaluate(str(each), **asked).samples.generated_text) for each in (start, saved))
    model, tokenizer = loaded(saved, family.seq2seq)
    first = loaded(start, family.seq2seq)[0]
    pairs = zip(model.parameters(), first.parameters(), strict=True)
    return Outcome(
        before=before,
        of_run=list(run.samples("test").generated_text),
        after=after,
        of_transformers=[continuation(model, tokenizer, row["prompt"]) for row in data["test"]],
        moved=max(float((p.detach() - q.detach()).abs().max()) for p, q in pairs),
        dtype=model.dtype,
    )


def loaded(directory: Path, seq2seq: bool) -> tuple[Any, Any]:
    """Model and tokenizer by transformers, in the dtype that they were saved in."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    auto = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    return auto.from_pretrained(directory), AutoTokenizer.from_pretrained(directory)


def continuation(model: Any, tokenizer: Any, prompt: Any) -> str:
    """What `generate` says greedily after a prompt, with nothing but the saved files to know when to stop.

    The text is what the decoded whole has more than the decoded prompt (docs/numerics.md, line 34).
    """
    if isinstance(prompt, str):
        given = tokenizer(prompt, return_tensors="pt")
    else:
        given = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids, mask = given["input_ids"], given["attention_mask"]
    out = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=N_TOKENS)
    before = "" if model.config.is_encoder_decoder else tokenizer.decode(ids[0], skip_special_tokens=True)
    return str(tokenizer.decode(out[0], skip_special_tokens=True).removeprefix(before))


def outcomes(family: Family, directory: Path) -> Iterator[tuple[str, str, Outcome | Exception]]:
    """(algorithm, way, outcome) of every run; an exception where one failed."""
    starts = {dtype: directory / dtype for dtype in ("float32", "bfloat16")}
    for dtype, start in starts.items():
        write(family, start, dtype)
    for algorithm in ALGORITHMS:
        for way in WAYS:
            start = starts["bfloat16" if way == "bf16" else "float32"]
            try:
                yield algorithm, way, outcome(family, start, algorithm, way, directory / "runs" / f"{algorithm}-{way}")
            except Exception as error:  # a cell of the table
                yield algorithm, way, error


def cells(found: Mapping[tuple[str, str], Outcome | Exception]) -> list[str]:
    """LoRA, bf16, PPO, GRPO: yes, or the runs that failed; and how many runs were saved and read again equal."""
    runs = {key: each for key, each in found.items() if isinstance(each, Outcome)}
    failed = dict.fromkeys(found.keys() - runs.keys(), "failed")
    failed |= {key: "learnt nothing" for key, each in runs.items() if not each.learnt}

    def cell(name: str) -> str:
        reasons = [f"{' '.join(key)} {why}" for key, why in sorted(failed.items()) if name in key]
        return "no: " + ", ".join(reasons) if reasons else "yes"

    equal = sum(each.equal for each in runs.values())
    return [*(cell(name) for name in ("LoRA", "bf16", "ppo", "grpo")), f"{equal} of {len(found)}"]


HEAD = (
    "family",
    "type in transformers",
    "chat template",
    "LoRA",
    "bf16",
    "PPO",
    "GRPO",
    "greedy text equal",
    "CPU s",
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [family.name for family in FAMILIES]
    parser.add_argument("--family", choices=names, action="append", help="default: all thirteen")
    args = parser.parse_args(argv)
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
    for family in FAMILIES:
        if args.family and family.name not in args.family:
            continue
        start = time.process_time()
        with tempfile.TemporaryDirectory() as directory:
            found = {(algorithm, way): each for algorithm, way, each in outcomes(family, Path(directory))}
        seconds = time.process_time() - start
        template = "none" if family.template is None else "yes" if family.system else "yes, no system turn"
        print(f"| {' | '.join([family.name, family.kind, template, *cells(found), f'{seconds:.0f}'])} |", flush=True)
        for key, each in found.items():
            if isinstance(each, Exception):
                print(f"{family.name} {' '.join(key)}: {each}", file=sys.stderr)


if __name__ == "__main__":
    main()
