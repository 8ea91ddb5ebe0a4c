"""docs/from_trl.md: its rl4lms scripts and their YAML files run on tiny random models, to one configuration.

Every key that the page names is one of the schema, and every block that it shows is in a script.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import rl4lms

from .commands import ROOT

PAGE = ROOT / "docs" / "from_trl.md"
SCRIPTS = ROOT / "docs" / "examples" / "from_trl"
SMALL = {"env.args.max_prompt_length": 64, "train_evaluation.eval_every": 1}
SIZES = {
    "ppo": {"env.n_envs": 4, "alg.args.n_epochs": 2},
    "grpo": {"alg.args.n_prompts": 2, "alg.args.completions_per_prompt": 2, "alg.args.gradient_accumulation_steps": 2},
}


@pytest.fixture(scope="module")
def scorer(model_dir: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with one output, on the tokenizer of the policy, as PPOTrainer needs it."""
    from transformers import AutoTokenizer, GPT2ForSequenceClassification

    from tests.conftest import tiny_config

    path = tmp_path_factory.mktemp("scorer")
    config = tiny_config("gpt2")
    config.num_labels, config.problem_type = 1, "regression"
    torch.manual_seed(0)
    GPT2ForSequenceClassification(config).save_pretrained(path)
    AutoTokenizer.from_pretrained(model_dir("gpt2")).save_pretrained(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "grpo"])
def test_script_and_file_are_one_run(
    name: str, model_dir: Any, chat_model: Path, scorer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SCRIPTS)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    changes = {**SMALL, **SIZES[name]}
    given: dict[str, Any] = {"n_iters": 1, "model": str(model_dir("gpt2") if name == "ppo" else chat_model)}
    script = importlib.import_module(f"{name}_after")
    more = {"scorer": str(scorer)} if name == "ppo" else {}
    run = script.train(output=str(tmp_path / "script"), changes=script.CHANGES | changes, **given, **more)
    if name == "ppo":
        changes["reward_fn.args.model_name"] = str(scorer)
    again = rl4lms.train(f"{name}_after.yml", output=tmp_path / "file", set=changes, **given)
    for one in (run, again):
        assert len(one.curves) == 2 and (one.path / "model" / "model.safetensors").is_file()
    left, right = run.config, again.config
    assert left["alg"] == right["alg"] and left["tokenizer"] == right["tokenizer"] and left["seed"] == right["seed"]
    assert left["env"]["args"] == right["env"]["args"]
    assert left["reward_fn"] == right["reward_fn"]
    if name == "grpo":
        logged = [column for column in run.curves if column.startswith("rollout/reward_")]
        assert sorted(logged) == ["rollout/reward_brief", "rollout/reward_correct"]


@pytest.fixture(autouse=True)
def modules_of_the_scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    yield
    for name in ("rewards", "ppo_after", "grpo_after"):
        sys.modules.pop(name, None)


def test_the_rewards_score_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    rewards = importlib.import_module("rewards")
    assert rewards.correct(["Paris it is", "No idea"], answer=["Paris", "Rome"]) == [1.0, 0.0]
    assert rewards.brief(["Paris", "It is Rome", ""]) == [1.0, 1 / 3, 1.0]


def test_a_conversations_rewards_are_the_same_before_and_after() -> None:
    """The functions of grpo_before.py differ from those of rewards.py in nothing but where the text stands."""
    tree = ast.parse((SCRIPTS / "grpo_before.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    space: dict[str, Any] = {"Any": Any}
    exec(compile(ast.Module(functions, []), "grpo_before.py", "exec"), space)
    said = [[{"role": "assistant", "content": text}] for text in ("Paris it is", "Rome")]
    assert space["correct"](said, answer=["Paris", "Oslo"]) == [1.0, 0.0]
    assert space["brief"](said) == [1 / 3, 1.0]


@pytest.mark.parametrize("name", ["ppo_before.py", "grpo_before.py"])
def test_the_scripts_before_compile_and_read_files_that_are_there(name: str) -> None:
    text = (SCRIPTS / name).read_text()
    compile(text, name, "exec")
    (rows,) = re.findall(r'with_name\("(.*?)"\)', text)
    assert all("prompt" in json.loads(line) for line in (SCRIPTS / rows).read_text().splitlines())


def test_every_key_that_the_page_names_is_one() -> None:
    known = set(re.findall(r"^\| `([\w.\[\]]+)` \|", (ROOT / "docs" / "keys.md").read_text(), re.MULTILINE))
    known |= {f"alg.policy.args.{key}" for key in known if key.startswith("generation_kwargs.")}
    named = re.findall(
        r"`((?:alg|env|train_evaluation|tokenizer|datapool|reward_fn|push_to_hub)\.[\w.]+)", PAGE.read_text()
    )
    assert len(set(named)) > 25
    assert sorted(set(named) - known) == []


def test_the_page_shows_what_the_scripts_say() -> None:
    """A block of the page is a part of one of the files, so that neither is changed alone."""
    files = [path.read_text() for path in SCRIPTS.iterdir() if path.suffix in (".py", ".yml")]
    shown = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(shown) >= 3
    for block in shown:
        assert any(block.strip() in text for text in files), block
