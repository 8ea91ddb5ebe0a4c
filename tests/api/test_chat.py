"""Whole runs of a chat model on messages: from rows and from a file, GRPO and supervised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import rl4lms
from rl4lms.core.errors import ConfigError, DataError
from tests.conftest import EOS, TURN_END

ROWS = [
    {"messages": [{"role": "user", "content": f"w{i} w{i + 1}"}, {"role": "assistant", "content": f"w{i}"}], "level": i}
    for i in range(20, 40)
]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_chat_model_learns_from_messages(chat_model: Path) -> None:
    seen: list[dict[str, Any]] = []

    def reward(prompts: Any, completions: Any, messages: Any, level: Any) -> list[float]:
        seen.append({"prompts": prompts, "messages": messages, "level": level})
        return [float(len(text)) for text in completions]

    asked = {"tokenizer.max_length": None, "alg.args.n_prompts": 2, "alg.args.completions_per_prompt": 2}
    run = rl4lms.train(
        model=chat_model, data=ROWS, reward=reward, algorithm="grpo", n_iters=1, max_new_tokens=5, quiet=True, set=asked
    )
    first = seen[0]
    assert first["prompts"][0] == f"User: w{first['level'][0]} w{first['level'][0] + 1}\nAssistant:"
    assert first["messages"][0] == [{"role": "user", "content": first["prompts"][0][6:-11]}]
    row = lines(next(run.path.rglob("*_val_split_predictions.json")))[0]
    assert row["prompt_text"].startswith("User: w") and row["prompt_text"].endswith("\nAssistant:")
    assert "<|im_" not in row["generated_text"] and "assistant" not in row["generated_text"]
    stops = run.config["alg"]["policy"]["args"]["generation_kwargs"]["eos_token_id"]
    assert set(stops) == {EOS, TURN_END}
    tokenizer = AutoTokenizer.from_pretrained(run.path / "model")
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(chat_model).chat_template
    AutoModelForCausalLM.from_pretrained(run.path / "model")
    scored = rl4lms.evaluate(run, data=ROWS, metrics=["rouge_l_max"])
    assert len(scored.samples) == len(ROWS)


@pytest.mark.slow
def test_greedy_text_is_what_transformers_generates(chat_model: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(chat_model), AutoTokenizer.from_pretrained(chat_model)
    ours = rl4lms.evaluate(str(chat_model), data=ROWS, metrics=["rouge_l_max"], max_new_tokens=8).samples
    for row, text in zip(ROWS, ours.generated_text, strict=True):
        given = tokenizer.apply_chat_template(row["messages"][:1], add_generation_prompt=True, return_tensors="pt")
        ids = given["input_ids"]
        out = model.generate(ids, do_sample=False, max_new_tokens=8, eos_token_id=[EOS, TURN_END], pad_token_id=0)
        assert text.strip() == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


@pytest.mark.slow
def test_yaml_reads_messages_and_reports_the_reward(chat_model: Path) -> None:
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    parts = [{"id": "exact_match", "weight": 2.0}, {"id": "length", "args": {"longest": 2}}]
    config: dict[str, Any] = {
        "tokenizer": {"model_name": str(chat_model)},
        "reward_fn": {"id": "weighted", "args": {"rewards": parts}},
        "datapool": {"id": "messages", "args": {"path": "chats.jsonl", "system": "w60"}},
        "env": {"n_envs": 1, "args": {"max_prompt_length": 16, "max_episode_length": 5, "terminate_on_eos": True}},
        "alg": {
            "id": "grpo",
            "args": {"n_prompts": 2, "completions_per_prompt": 2},
            "kl_div": {"coeff": 0.0},
            "policy": {
                "id": "causal_lm_actor_critic_policy",
                "args": {
                    "model_name": str(chat_model),
                    "generation_kwargs": {"do_sample": True, "top_k": 0, "max_new_tokens": 5},
                },
            },
        },
        "train_evaluation": {"eval_batch_size": 8, "n_iters": 1, "eval_every": 1},
    }
    run = rl4lms.train(config, output="run", quiet=True)
    assert set(run.metrics) == {"reward", "reward_exact_match", "reward_length"}
    assert run.metrics["reward"] == pytest.approx(2 * run.metrics["reward_exact_match"] + run.metrics["reward_length"])
    assert {"val/reward", "val/reward_length"} <= set(run.curves.columns)
    row = run.samples().iloc[0]
    assert row["prompt_text"].startswith("System: w60\nUser: w") and 0 <= row["reward"] <= 3

    refuses = Path("no_system.jinja")
    refuses.write_text("{{ raise_exception('no system') if messages[0]['role'] == 'system' }}w9")
    config["tokenizer"]["chat_template"] = str(refuses)
    with pytest.raises(DataError, match=r"sample train_0: the chat template refuses a conversation of system, user"):
        rl4lms.train(config, output="other", quiet=True)


@pytest.mark.slow
def test_supervised_training_ends_a_turn(chat_model: Path) -> None:
    run = rl4lms.train(
        model=chat_model, data=ROWS, algorithm="supervised", n_iters=1, max_new_tokens=5, metrics=["rouge_l_max"],
        output="sft", quiet=True,
    )  # fmt: skip
    assert "val/eval/loss" in run.curves and "rouge_l_max" in str(run.metrics)
    with pytest.raises(ConfigError, match="metrics: reward is that of a run with a reward_fn, and this has none"):
        rl4lms.train(
            model=chat_model, data=ROWS, algorithm="supervised", n_iters=1, metrics=["reward"], output="b", quiet=True
        )
