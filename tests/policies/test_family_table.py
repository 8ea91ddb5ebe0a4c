"""The table of docs/howto/policy.md: thirteen families through whole runs, and read again by plain transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.chat_families import FAMILIES, Family, tokenizer_of, write
from benchmarks.families import ALGORITHMS, WAYS, Outcome, cells, continuation, loaded, main, outcome, outcomes, rows

BY_NAME = {family.name: family for family in FAMILIES}
ASKED = [
    {"role": "user", "content": "ba be"},
    {"role": "assistant", "content": "to"},
    {"role": "user", "content": "sa"},
]
# As the family's published template writes ASKED with a system message where it takes one ("ma").
WRITTEN = {
    "Qwen2.5": "<|im_start|>system\nma<|im_end|>\n<|im_start|>user\nba be<|im_end|>\n"
    "<|im_start|>assistant\nto<|im_end|>\n<|im_start|>user\nsa<|im_end|>\n<|im_start|>assistant\n",
    "Llama 3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nma<|eot_id|><|start_header_id|>user"
    "<|end_header_id|>\n\nba be<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nto<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nsa<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "Gemma 2": "<bos><start_of_turn>user\nba be<end_of_turn>\n<start_of_turn>model\nto<end_of_turn>\n"
    "<start_of_turn>user\nsa<end_of_turn>\n<start_of_turn>model\n",
    "Gemma 3": "<bos><start_of_turn>user\nma\n\nba be<end_of_turn>\n<start_of_turn>model\nto<end_of_turn>\n"
    "<start_of_turn>user\nsa<end_of_turn>\n<start_of_turn>model\n",
    "Mistral": "<s>[INST] ba be[/INST] to</s>[INST] ma\n\nsa[/INST]",
    "Phi-3": "<|system|>\nma<|end|>\n<|user|>\nba be<|end|>\n<|assistant|>\nto<|end|>\n"
    "<|user|>\nsa<|end|>\n<|assistant|>\n",
    "OLMo 2": "<|endoftext|><|system|>\nma\n<|user|>\nba be\n<|assistant|>\nto<|endoftext|>\n"
    "<|user|>\nsa\n<|assistant|>\n",
}
WRITTEN["Qwen3"] = WRITTEN["Qwen2.5"]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_through_whole_runs(family: Family, tmp_path: Path) -> None:
    """PPO and GRPO, of every weight, of adapters and in bfloat16; what transformers reads says what we evaluated."""
    pytest.importorskip("peft")
    found = {}
    for algorithm, way, each in outcomes(family, tmp_path):
        if isinstance(each, Exception):
            raise each
        found[algorithm, way] = each
        assert each.moved > 1e-4 and each.after != each.before, (algorithm, way)
        assert each.after == each.of_transformers, (algorithm, way)
        assert way == "bf16" or each.of_run == each.after, (algorithm, way)
        assert each.dtype == torch.float32
        assert len({*each.after}) > 2 and each.equal
    assert found.keys() == {(algorithm, way) for algorithm in ALGORITHMS for way in WAYS}
    assert cells(found) == ["yes", "yes", "yes", "yes", "6 of 6"]


@pytest.mark.slow
def test_a_model_that_was_saved_wrong_is_seen(tmp_path: Path) -> None:
    """A weight of the saved file a little off, or a stop token that is not in it, is another text."""
    import rl4lms

    family = BY_NAME["Llama 3"]
    write(family, tmp_path / "start")
    test = rows(family, 6, 2)
    outcome(family, tmp_path / "start", "grpo", "full", tmp_path / "run")
    texts = list(rl4lms.load(tmp_path / "run").samples("test").generated_text)
    model, tokenizer = loaded(tmp_path / "run" / "model", False)

    def said() -> list[str]:
        return [continuation(model, tokenizer, row["prompt"]) for row in test]

    assert said() == texts
    stops, model.generation_config.eos_token_id = model.generation_config.eos_token_id, None
    assert said() != texts
    model.generation_config.eos_token_id = stops
    with torch.no_grad():
        model.lm_head.weight[7:20].mul_(1.2)
    assert said() != texts


@pytest.mark.parametrize("name", WRITTEN)
def test_templates_write_the_published_turns(name: str) -> None:
    family = BY_NAME[name]
    asked = [{"role": "system", "content": "ma"}, *ASKED] if family.system else ASKED
    tokenizer = tokenizer_of(family)
    assert tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) == WRITTEN[name]
    assert {family.name for family in FAMILIES if family.template} == WRITTEN.keys()


def test_a_cell_says_what_failed() -> None:
    good = Outcome(["a"], ["ba ko"], ["ba ko"], ["ba ko"], 0.1, torch.float32)
    found = {(algorithm, way): good for algorithm in ALGORITHMS for way in WAYS}
    assert cells(found) == ["yes", "yes", "yes", "yes", "6 of 6"]
    unmoved = Outcome(["a"], ["a"], ["a"], ["a"], 0.0, torch.float32)
    other = Outcome(["a"], ["ba ko"], ["ba ko"], ["ba k"], 0.1, torch.float32)
    some = {**found, ("ppo", "LoRA"): unmoved, ("grpo", "full"): ValueError("no"), ("grpo", "bf16"): other}
    assert cells(some) == [
        "no: ppo LoRA learnt nothing",
        "yes",
        "no: ppo LoRA learnt nothing",
        "no: grpo full failed",
        "3 of 6",
    ]


@pytest.mark.slow
def test_the_command_prints_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("peft")
    main(["--family", "T5"])
    head, line, row = capsys.readouterr().out.splitlines()
    assert head.startswith("| family | type in transformers | chat template | LoRA | bf16 | PPO | GRPO |")
    assert line == "|---|---|---|---|---|---|---|---|---|"
    assert row.startswith("| T5 | t5 | none | yes | yes | yes | yes | 6 of 6 | ")
