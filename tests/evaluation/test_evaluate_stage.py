"""The evaluate stage on tiny T5 models over generated CommonGen rows, as its command runs it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.cli.main import main
from rl4lms.cli.prepare import prepare
from rl4lms.config.params import Params
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.generation import Generation
from rl4lms.evaluation.reward_scores import reward_scores
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.scores import ScoredRun
from rl4lms.rewards.base import BatchedRewardFunction, RewardFunction
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tokenization.tokenizer import load_tokenizer, train_bpe

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
TASK = "common_gen"
FILES = ("metrics.json", "test_split_metrics.jsonl", "test_predictions.json")
N_TEST = 8


def save_model(directory: Path, tokenizer: Any, *, shift: float, seed: int = 0) -> None:
    """A T5 of 2 + 2 layers, 32 wide; shift: how far its weights are from those of shift 0."""
    import transformers as tf

    torch.manual_seed(0)
    ids = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    model = tf.T5ForConditionalGeneration(tf.T5Config(vocab_size=len(tokenizer), **sizes, **ids))
    torch.manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(shift * torch.randn_like(parameter))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def write_trained(runs: Path, tokenizer: Any, method: str, seed: int, *, shift: float, weights: int) -> None:
    directory = runs / TASK / method / f"seed{seed}"
    save_model(directory / "model", tokenizer, shift=shift, seed=weights)
    (directory / "val_split_metrics.jsonl").write_text('{"epoch": 0, "metrics": {}}\n{"epoch": 4, "metrics": {}}\n')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, a base model, and models of two seeds of the trained methods."""
    root = tmp_path_factory.mktemp("evaluate")
    data = Params.open(REPOSITORY / "params").task(TASK)["data"]
    prepare(TASK, {**data, "n_train": 20, "n_val": 5, "n_test": N_TEST}, root / "data")
    tokenizer = train_bpe((root / "data" / "train.jsonl").read_text().splitlines(), 400, flavour="t5", n_sentinels=4)
    save_model(root / "base", tokenizer, shift=0.0)
    (root / "base" / "metrics.json").write_text('{"heldout_perplexity": 12.5}')
    for seed in (0, 1):
        write_trained(root / "runs", tokenizer, "supervised", seed, shift=0.05, weights=seed)
        # RL that has learnt nothing: the very weights that it started from.
        write_trained(root / "runs", tokenizer, "supervised_ppo", seed, shift=0.05, weights=seed)
    return root


def run(world: Path, method: str, seed: int, root: Path | None = None, **changes: Path) -> int:
    """The stage on a run and with the scores of `root`."""
    root, each = root or world, Path(TASK, method, f"seed{seed}")
    paths = {"data": world / "data", "base-model": world / "base", "run": root / "runs" / each}
    paths["out"] = root / "scores" / each
    options = [word for name, path in {**paths, **changes}.items() for word in (f"--{name}", str(path))]
    common = ["evaluate", "--params-dir", str(REPOSITORY / "params"), "--quiet", "--task", TASK, "--method", method]
    return main([*common, "--seed", str(seed), *options])


def read(world: Path, method: str, seed: int) -> ScoredRun:
    return ScoredRun.read(RunDirectory.open(world / "scores" / TASK / method / f"seed{seed}"), TASK, method, seed)


@pytest.fixture(scope="module")
def evaluated(world: Path) -> Path:
    for method in ("zero_shot", "supervised", "supervised_ppo"):
        assert [run(world, method, seed) for seed in (0, 1)] == [0, 0]
    return world


def test_every_seed_has_its_files(evaluated: Path) -> None:
    for method in ("zero_shot", "supervised"):
        for seed in (0, 1):
            scores = read(evaluated, method, seed)
            assert scores.n == len(scores.directory.predictions("test")) == N_TEST
            assert {"lexical/meteor", "reward", "kl/per_token", "kl/per_sequence"} <= set(scores.metrics)
            assert scores.metrics["base/perplexity"] == 12.5
            assert all(
                {"reward", "lexical/meteor", "ref_text"} <= set(row) for row in scores.directory.predictions("test")
            )
            assert scores.columns["reward"].mean() == pytest.approx(scores.metrics["reward"])


def test_labels_and_epoch_are_kept_with_the_scores(evaluated: Path) -> None:
    for method, epoch in (("zero_shot", 0), ("supervised", 4)):
        text = (evaluated / "scores" / TASK / method / "seed0" / "test_split_metrics.jsonl").read_text()
        (line,) = (json.loads(row) for row in text.splitlines())
        assert line["epoch"] == epoch
        assert "lexical/meteor" in line["labels"]
        metrics = read(evaluated, method, 0).metrics
        assert line["metrics"] == pytest.approx(dict(metrics))


def test_kl_is_zero_for_the_base_and_positive_for_a_changed_model(evaluated: Path) -> None:
    assert read(evaluated, "zero_shot", 0).metrics["kl/per_sequence"] == 0.0
    for seed in (0, 1):
        metrics = read(evaluated, "supervised", seed).metrics
        assert 0.0 < metrics["kl/per_token"] < metrics["kl/per_sequence"]


def test_kl_is_measured_from_the_run_of_the_same_seed(evaluated: Path) -> None:
    for seed in (0, 1):
        metrics = read(evaluated, "supervised_ppo", seed).metrics
        assert (metrics["kl/per_token"], metrics["kl/per_sequence"]) == (0.0, 0.0)


def test_reference_model_can_be_said(world: Path, evaluated: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "runs" / TASK / "supervised_ppo", tmp_path / "runs" / TASK / "supervised_ppo")
    other = world / "runs" / TASK / "supervised" / "seed1" / "model"
    assert run(world, "supervised_ppo", 0, root=tmp_path, **{"reference-model": other}) == 0
    metrics = read(tmp_path, "supervised_ppo", 0).metrics
    assert metrics["kl/per_token"] > 0.0


def test_reward_is_the_tasks_reward_of_each_text(evaluated: Path) -> None:
    params = Params.open(REPOSITORY / "params").task(TASK)["reward_fn"]
    reward_fn = RewardFunctionRegistry.get(params["id"], params["args"])
    task = TextTask(load_tokenizer(str(evaluated / "base")), reward_fn, [], max_episode_length=24, max_prompt_length=32)
    scores = read(evaluated, "supervised", 0)
    for row in scores.directory.predictions("test"):
        references = [part.split("<END-")[0] for part in row["ref_text"].split(">")[1:] if "<END-" in part]
        sample = Sample(row["sample_id"], row["prompt_text"], references)
        ids = task.tokenizer(row["generated_text"], add_special_tokens=False)["input_ids"]
        generation = Generation([ids], [row["generated_text"]])
        assert reward_scores(task, [sample], generation, batch_size=1) == [pytest.approx(row["reward"])]


def test_a_run_elsewhere_gives_the_same_bytes(evaluated: Path, tmp_path: Path) -> None:
    shutil.copytree(evaluated / "runs", tmp_path / "runs")
    assert run(evaluated, "supervised", 1, root=tmp_path) == 0
    for name in FILES:
        again = (tmp_path / "scores" / TASK / "supervised" / "seed1" / name).read_bytes()
        assert again == (evaluated / "scores" / TASK / "supervised" / "seed1" / name).read_bytes(), name


def test_seeds_draw_different_texts(evaluated: Path) -> None:
    texts = [
        [row["generated_text"] for row in read(evaluated, "zero_shot", seed).directory.predictions("test")]
        for seed in (0, 1)
    ]
    assert texts[0] != texts[1]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    return error


def test_bad_input_is_one_line_and_writes_nothing(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, "zero_short", 0) == 2
    assert 'unknown method "zero_short". Did you mean "zero_shot"?' in one_line(capsys)
    assert run(world, "ppo", 0, root=tmp_path) == 2
    assert "common_gen/ppo/seed0" in one_line(capsys)
    assert run(world, "zero_shot", 0, root=tmp_path, **{"base-model": tmp_path}) == 2
    assert "metrics.json: no such file" in one_line(capsys)
    (tmp_path / "metrics.json").write_text('{"heldout_perplexity": "low"}')
    assert run(world, "zero_shot", 0, root=tmp_path, **{"base-model": tmp_path}) == 2
    assert "heldout_perplexity is 'low'; expected a finite number" in one_line(capsys)
    assert not (tmp_path / "scores").exists()


class Dense(RewardFunction):
    """One for every token, ten more at the end: a return that depends on being called at every step."""

    def __call__(
        self, prev_observation: Any, action: Any, current_observation: Any, done: bool, meta_info: Any = None
    ) -> float:
        assert len(current_observation.context_ids) == len(prev_observation.context_ids) + 1
        return 1.0 + 10.0 * done


class Batched(BatchedRewardFunction):
    def __call__(
        self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None
    ) -> list[float]:
        assert all(dones)
        return [float(len(text)) for text in gen_texts]


@pytest.mark.parametrize(("reward_fn", "expected"), [(Dense(), [13.0, 11.0]), (Batched(), [5.0, 0.0])])
def test_rewards_of_every_kind_are_summed_over_the_episode(world: Path, reward_fn: Any, expected: list[float]) -> None:
    task = TextTask(load_tokenizer(str(world / "base")), reward_fn, [], max_episode_length=24, max_prompt_length=32)
    samples = [Sample("a", "x", ["y"]), Sample("b", "x", ["y"])]
    generation = Generation([[10, 11, 12], []], ["three", ""])  # the second is empty: scored as padding alone
    for batch_size in (1, 2):
        scores = reward_scores(task, samples, generation, batch_size=batch_size)
        assert scores == expected
        assert all(math.isfinite(score) for score in scores)
