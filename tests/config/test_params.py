"""params/: overlays, closed schemas, and that every shipped file composes into runs that validate."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.config.compose import compose_rl, compose_supervised, methods
from rl4lms.config.params import Params, merge
from rl4lms.config.schema import AlgorithmConfig, RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.tasks.task import task_of

ROOT = Path(__file__).resolve().parents[2] / "params"
SUITES = ("mini", "tiny", "real", "paper", "study", "tuning", "study_gpu", "pretrained")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path / "params"))


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def error_of(params: Params, task: str = "imdb") -> str:
    with pytest.raises(ConfigError) as error:
        params.task(task)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suite", SUITES)
def test_every_shipped_run_composes_and_validates_without_a_surprise(suite: str) -> None:
    params = Params.open(ROOT, suite)
    grue = params.grue()
    assert grue["suite"] == suite
    assert set(grue["tasks"]) <= set(params.tasks())
    for task in grue["tasks"]:
        p = params.task(task)
        assert params.base_model(p["model"]["family"])["type"] == p["model"]["type"]
        assert p["data"]["pool"] in DataPoolRegistry.table or ":" in p["data"]["pool"]
        assert p["evaluation"]["main_metric"] in {*grue["aggregate"]["metrics"], *task_of(task).bounds}
        warm = RunConfig.from_dict(compose_supervised(params, task, 0, data_dir="D", model_dir="M"), task)
        assert warm.is_supervised
        for method in methods(params.algs())[2:]:
            composed = compose_rl(params, task, method, 1, data_dir="D", model_dir="M", reward_model_dir="R")
            config = RunConfig.from_dict(composed, task)
            assert config.notices == (), "shipped configurations write out what they rely on"
            assert RunConfig.from_dict(config.to_dict()) == config
            assert config.seed == 1
    for name in params.reward_models():
        assert params.reward_model(name)["task"] in grue["tasks"] or suite in ("tiny", "study", "tuning", "pretrained")


def test_the_slices_of_the_study_are_the_study() -> None:
    """Every run of it is in exactly one suite that extends it."""
    names = [f"study_{part}" for part in ("more", "puzzles", "narrative", "iwslt", "dialog", "totto", "cnn")]
    whole = runs_of(Params.open(ROOT, "study").grue())
    slices = [runs_of(Params.open(ROOT, name).grue()) for name in names]
    assert set().union(*slices) == whole
    assert sum(map(len, slices)) == len(whole)


def runs_of(grue: dict[str, Any]) -> set[tuple[str, str, int]]:
    return set(itertools.product(grue["tasks"], grue["algs"], grue["seeds"]))


def test_families_train_on_tasks_of_their_suite() -> None:
    for suite in SUITES[:4]:  # the study is a part of its protocol's tasks, and its models are those of all
        params = Params.open(ROOT, suite)
        for family, model in params.base_models().items():
            assert set(model["tasks"]) <= set(params.grue()["tasks"]), (suite, family)


def test_merge_goes_by_key_and_replaces_lists_and_other_classes() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "reward": {"id": "rouge", "args": {"rouge_type": "rouge1"}}, "n": 3}
    assert merge(base, {"a": {"y": [3]}}) == {**base, "a": {"x": 1, "y": [3]}}
    assert merge(base, {"reward": {"args": {"use_single_ref": False}}})["reward"] == {
        "id": "rouge",
        "args": {"rouge_type": "rouge1", "use_single_ref": False},
    }
    assert merge(base, {"reward": {"id": "meteor"}})["reward"] == {"id": "meteor"}
    assert merge(base, {"n": None})["n"] is None
    assert base["a"] == {"x": 1, "y": [1, 2]}


def test_a_suite_changes_only_what_its_file_says(directory: Path) -> None:
    mini, tiny = Params.open(directory, "mini").task("imdb"), Params.open(directory, "tiny").task("imdb")
    assert tiny["data"]["n_train"] == 64
    assert tiny["reward_fn"] == mini["reward_fn"]
    assert Params.open(directory).suite == "mini"


def test_dvc_writes_numbers_that_are_read_as_numbers(directory: Path) -> None:
    rewrite(directory / "algs/ppo.yaml", "learning_rate: 5.0e-4", "learning_rate: 1e-05")
    assert Params.open(directory).alg("ppo")["args"]["learning_rate"] == 1e-5


def test_a_suite_asks_a_scheduler_for_what_it_changes_only(directory: Path) -> None:
    mini, paper = Params.open(directory).resources(), Params.open(directory, "paper").resources()
    assert paper["train"]["gpus"] == 1
    assert paper["aggregate"] == mini["aggregate"] == {"mem_mb": 1000, "runtime": 15, "threads": 1, "gpus": 0}
    overlay = directory / "suites/paper/resources.yaml"
    overlay.write_text("train: {mem: 1}")
    with pytest.raises(ConfigError, match=r'resources\.yaml: train: unknown key "mem"\. Did you mean "mem_mb"'):
        Params.open(directory, "paper").resources()


def test_faults_name_file_and_key(directory: Path) -> None:
    params = Params.open(directory, "tiny")
    imdb, overlay = directory / "tasks/imdb.yaml", directory / "suites/tiny/tasks/imdb.yaml"
    text = imdb.read_text()
    rewrite(imdb, "n_train: 2000", "n_trian: 2000")
    assert error_of(params).startswith(
        f'{imdb} with {overlay}: data: unknown key "n_trian". Did you mean "n_train"? Known: '
    )
    imdb.write_text(text)
    rewrite(imdb, "n_envs: 16", "n_envs: many")
    rewrite(overlay, "  n_envs: 8\n", "")
    assert (
        error_of(params) == f'{imdb} with {overlay}: env.n_envs: expected an integer >= 1 and <= 65536, found "many".'
    )
    imdb.write_text(text)
    rewrite(overlay, "n_iters: 3", "n_itres: 3")
    assert error_of(params).startswith(f'{overlay}: rl: unknown key "n_itres". Did you mean "n_iters"? Known: ')
    assert error_of(params, "imbd") == (
        f'{directory}/tasks: unknown file "imbd". Did you mean "imdb"? Known: {", ".join(params.tasks())}.'
    )
    (directory / "tasks/totto.yaml").write_text("version: [1\n")
    assert "tasks/totto.yaml, line " in error_of(params, "totto")


def test_unknown_suite_family_method_and_task(directory: Path) -> None:
    params = Params.open(directory)
    with pytest.raises(ConfigError, match=r'unknown suite "papre"\. Did you mean "paper"'):
        Params.open(directory, "papre")
    with pytest.raises(ConfigError, match=r'unknown model family "gpt3"\. Did you mean "gpt2"'):
        params.base_model("gpt3")
    with pytest.raises(ConfigError, match=r'--method: unknown method "supervised_pop"\. Did you mean "supervised_ppo"'):
        compose_rl(params, "imdb", "supervised_pop", 0, data_dir="D", model_dir="M")
    with pytest.raises(ConfigError, match='suite tiny: unknown task "totto"'):
        compose_rl(Params.open(directory, "tiny"), "totto", "ppo", 0, data_dir="D", model_dir="M")
    with pytest.raises(
        ConfigError, match="task imdb: reward_fn: learned_reward needs a classifier; give its directory"
    ):
        compose_rl(params, "imdb", "ppo", 0, data_dir="D", model_dir="M")
    with pytest.raises(ConfigError, match=r"grue\.yaml: no such file"):
        Params.open(directory / "absent")


def test_a_task_overlays_its_algorithm_and_a_warm_start_overlays_both(directory: Path) -> None:
    params = Params.open(directory, "paper")

    def run(method: str) -> AlgorithmConfig:
        composed = compose_rl(params, "totto", method, 0, data_dir="D", model_dir="M")
        config = RunConfig.from_dict(composed)
        assert isinstance(config.alg, AlgorithmConfig)
        return config.alg

    cold, warm = run("ppo"), run("supervised_ppo")
    assert (cold.args.n_steps, cold.args.learning_rate, cold.kl_div.coeff) == (256, 2e-6, 0.001)
    assert (warm.args.n_steps, warm.args.learning_rate, warm.kl_div.coeff) == (256, 5e-7, 0.01)
    assert (cold.policy.generation.top_k, warm.policy.generation.top_k) == (0, 50)
    assert cold.args.gamma == 0.99
    assert cold.args.minibatch == "transitions"
    assert cold.policy.id == "seq2seq_lm_actor_critic_policy"
    assert cold.policy.constructor_arguments()["value_model"] == "separate"


def test_an_algorithm_overlays_single_tasks() -> None:
    """Published NLPO: more refreshes on imdb; a wider top-k and, warm-started, fewer refreshes on cnn_dailymail."""
    params = Params.open(ROOT, "paper")

    def run(task: str, method: str) -> dict[str, Any]:
        return compose_rl(params, task, method, 0, data_dir="D", model_dir="M", reward_model_dir="R")

    imdb, warm = run("imdb", "nlpo")["alg"], run("imdb", "supervised_nlpo")["alg"]
    assert imdb == warm
    assert (imdb["args"]["learning_rate"], imdb["kl_div"]["target_kl"]) == (1e-6, 0.1)
    assert imdb["policy"]["args"]["target_update_iterations"] == 5
    cold, warm = (run("cnn_dailymail", m)["alg"]["policy"]["args"] for m in ("nlpo", "supervised_nlpo"))
    assert (cold["target_update_iterations"], warm["target_update_iterations"]) == (20, 30)
    assert cold["generation_kwargs"]["top_k"] == warm["generation_kwargs"]["top_k"] == 100
    assert [run("daily_dialog", m)["train_evaluation"]["n_iters"] for m in ("nlpo", "supervised_nlpo")] == [100, 50]


def test_models_of_the_command_line_reach_every_place_that_needs_them() -> None:
    params = Params.open(ROOT)
    composed = compose_rl(params, "daily_dialog", "ppo", 0, data_dir="D", model_dir="M", reward_model_dir="R")
    by_id = {m["id"]: m["args"] for m in composed["train_evaluation"]["metrics"]}
    assert composed["reward_fn"]["args"]["model_name"] == "R"
    assert by_id["intent_accuracy"]["model_name"] == "R"
    assert by_id["causal_perplexity"]["tokenizer_id"] == "M"
    assert composed["tokenizer"]["model_name"] == composed["alg"]["policy"]["args"]["model_name"] == "M"
    assert composed["datapool"]["args"]["data_dir"] == "D"


def test_the_warm_start_is_composed_without_what_it_does_not_read() -> None:
    """Its model is scored by the stage `evaluate`: no metrics, and no generation."""
    warm = compose_supervised(Params.open(ROOT), "daily_dialog", 0, data_dir="D", model_dir="M")
    assert set(warm["train_evaluation"]) == {"eval_batch_size"}
    assert set(warm["alg"]) == {"id", "training_args", "model_type", "model_name", "lora"}


def test_files_are_what_dvc_reads_too() -> None:
    """No scalar that YAML 1.1 and 1.2 read differently (`1e-3`, `yes`, `010`): any tool sees the same numbers."""
    for path in ROOT.rglob("*.yaml"):
        assert yaml.safe_load(path.read_text()) == load_yaml(path), path
