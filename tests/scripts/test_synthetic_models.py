"""configs/synthetic/: every file validates, and trains on the small model of its family that the script writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.config.schema import RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.tokenization.tokenizer import load_tokenizer
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.on_policy import train_on_policy
from scripts.synthetic_models import DATES, FAMILIES, NUMBERS, main

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "synthetic").glob("*.yml"))
MODELS = "results/synthetic/models"
NAMES = [
    "dates_gpt2_ppo",
    "increasing_numbers_bart_ppo",
    "increasing_numbers_blenderbot_ppo",
    "increasing_numbers_gpt2_a2c",
    "increasing_numbers_gpt2_nlpo",
    "increasing_numbers_gpt2_ppo",
    "increasing_numbers_gpt2_trpo",
    "increasing_numbers_t5_nlpo",
    "increasing_numbers_t5_ppo",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("models")
    assert main(["--out", str(directory)]) == 0
    return directory


def family_of(path: Path) -> str:
    return path.stem.split("_")[-2]


def test_all_are_there() -> None:
    assert [path.stem for path in FILES] == NAMES
    assert {family_of(path) for path in FILES} == set(FAMILIES)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_validates_without_a_surprise(path: Path) -> None:
    config = RunConfig.from_file(path)
    assert config.notices == (), "shipped configurations write out what they rely on"
    assert yaml.safe_load(path.read_text()) == load_yaml(path)
    assert config.to_dict()["tokenizer"]["model_name"] == f"{MODELS}/{family_of(path)}"
    assert config.alg.id == path.stem.split("_")[-1]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_its_model_knows_the_prompt_and_what_is_rewarded(path: Path, models: Path) -> None:
    config, directory = RunConfig.from_file(path), models / family_of(path)
    tokenizer = load_tokenizer(str(directory))
    prompt = config.datapool.args["prompt"]
    assert config.env is not None
    assert len(tokenizer(prompt).input_ids) == len(prompt.split()) <= config.env.args.max_prompt_length
    words = NUMBERS if config.reward_fn.id == "increasing_numbers" else DATES
    ids = tokenizer(" ".join(words)).input_ids
    assert len(set(ids)) == len(words) and tokenizer.decode(ids) == " ".join(words)
    assert tokenizer.unk_token_id not in tokenizer(prompt).input_ids or prompt == tokenizer.unk_token
    start = config.env.args.context_start_token
    if family_of(path) != "gpt2":
        assert json.loads((directory / "config.json").read_text())["decoder_start_token_id"] == start


def shortened(path: Path, models: Path) -> dict[str, Any]:
    """The configuration with one iteration of a few episodes, on the models of `models`."""
    config: dict[str, Any] = load_yaml(path)
    config["tokenizer"]["model_name"] = config["alg"]["policy"]["args"]["model_name"] = str(models / family_of(path))
    config["alg"]["args"]["n_steps"] = 20
    config["env"]["n_envs"] = 4
    config["train_evaluation"] |= {"n_iters": 1, "eval_every": 1}
    return config


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_it_trains(path: Path, models: Path, tmp_path: Path) -> None:
    train_on_policy(RunConfig.from_dict(shortened(path, models)), tmp_path, tracker=Tracker(tmp_path, quiet=True))
    (row,) = (json.loads(line) for line in (tmp_path / "rollout_info.jsonl").read_text().splitlines())
    assert row["rollout/n_steps"] == 80
    assert 0 < row["rollout/ep_rew_mean"] <= 1, "a random model already earns something"
    assert len((tmp_path / "training_info.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_equal_seeds_give_equal_bytes(models: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    for family in FAMILIES:
        name = f"{family}/model.safetensors"
        assert (tmp_path / name).read_bytes() == (models / name).read_bytes()
