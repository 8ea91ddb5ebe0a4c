"""`rl4lms.train`: a run from Python is the run of the YAML file that says the same."""

from __future__ import annotations

import functools
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

import rl4lms
from rl4lms.algorithms.a2c import A2C
from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.grpo import GRPO
from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.cli.train_text_generation import main
from rl4lms.training import on_policy
from tests.api.own_rewards import Even, even
from tests.training.test_on_policy import Killed, config, contents, kill_after

PROMPTS = [f"w{i} w{i + 1}" for i in range(5, 25)]


@pytest.fixture
def train(model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`rl4lms.train` of a tiny model for two iterations, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    given = {"model": model_dir("gpt2"), "data": PROMPTS, "n_iters": 2, "max_new_tokens": 6, "quiet": True}
    return functools.partial(rl4lms.train, **given)


def without_config(run: Any) -> dict[str, str]:
    return {
        name: digest
        for name, digest in contents(run.path).items()
        if name not in ("config.json", ".run.json", ".finished.json", "log.txt")
    }


@pytest.mark.slow
def test_a_file_with_changes_runs_as_the_script_does(model_dir: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yml").write_text(yaml.safe_dump(config(model_dir("gpt2")).to_dict()))
    run = rl4lms.train("my.yml", set={"alg.args.n_epochs": 1, "train_evaluation.n_iters": 2}, quiet=True)
    places = ["--project_name", "runs", "--experiment_name", "script", "--set", "alg.args.n_epochs=1"]
    assert main(["--config_path", "my.yml", *places, "--set", "train_evaluation.n_iters=2", "--quiet"]) == 0
    script = rl4lms.load("runs/script")
    assert run.path == Path("runs/my") and run.config == script.config
    assert contents(run.path).keys() == contents(script.path).keys()
    assert without_config(run) == without_config(script) and len(run.curves) == 3
    assert run.config["alg"]["args"]["n_epochs"] == 1


@pytest.mark.slow
def test_keywords_are_the_file_that_config_json_is(train: Any) -> None:
    """The resolved configuration of a run whose parts a file can name runs from a file, to the same bytes."""
    run = train(data={"id": "dummy_pool", "args": {"prompt": "w5 w6"}}, reward=even, output="a", seed=3)
    assert run.config["reward_fn"] == {"id": "tests.api.own_rewards:even", "args": {}}
    places = ["--project_name", ".", "--experiment_name", "b"]
    assert main(["--config_path", "a/config.json", "--project_name", "p", *places[2:], "--quiet"]) == 0
    again = rl4lms.load("p/b")
    assert again.config == run.config and without_config(again) == without_config(run)
    assert run.config["seed"] == 3 and run.config["env"]["args"]["max_episode_length"] == 6


@pytest.mark.slow
def test_a_function_is_the_class_that_says_the_same(train: Any) -> None:
    function = train(reward=even, metrics=["diversity"], output="function")
    other = train(reward=Even, metrics=["diversity"], output="class")
    assert other.config["reward_fn"]["id"] == "tests.api.own_rewards:Even"
    found, expected = without_config(function), without_config(other)
    assert found.pop("model/README.md") != expected.pop("model/README.md"), "the model card names the reward"
    assert found == expected


@pytest.mark.slow
def test_several_rewards_are_logged_on_their_own(train: Any) -> None:
    def short(completions: list[str], references: list[list[str]], **columns: Any) -> list[float]:
        return [1 / (1 + len(text)) for text in completions]

    run = train(reward={"even": even, "short": (0.5, short)})
    total = run.curves["rollout/reward_even"] + 0.5 * run.curves["rollout/reward_short"]
    assert total[:2].tolist() == pytest.approx(run.curves["rollout/ep_rew_mean"][:2].tolist(), rel=1e-6)
    assert {"val/even", "val/short"} <= set(run.curves.columns), "the functions are also the metrics"
    assert set(run.metrics) == {"even", "short"}


@pytest.mark.slow
def test_config_json_says_what_no_file_can_name(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    threshold = 3

    def long(completions: list[str]) -> list[float]:
        return [float(len(text.split()) > threshold) for text in completions]

    run = train(reward=long, output="a")
    reward, pool = run.config["reward_fn"]["id"], run.config["datapool"]["id"]
    assert reward.startswith("long@") and pool.startswith("rows@")
    card = (run.path / "model" / "README.md").read_text()
    assert "the same call of `rl4lms.train` repeats it" in card and "--config_path" not in card
    threshold = 4
    assert train(reward=long, output="b").config["reward_fn"]["id"] != reward
    other = train(reward=long, data=PROMPTS[1:], output="c").config["datapool"]["id"]
    assert other != pool
    Path("run.json").write_text(json.dumps(run.config).replace(pool, "rows@000000000000"))
    assert main(["--config_path", "run.json", "--dry-run"]) == 2
    assert "and no file can name it; call rl4lms.train again" in capsys.readouterr().err


@pytest.mark.slow
def test_the_same_call_again_resumes_and_then_returns_the_run(train: Any, monkeypatch: Any) -> None:
    once = {"reward": even, "n_iters": 4, "set": {"train_evaluation.save_every": 1}}
    whole = train(output="whole", **once)
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            train(output="killed", **once)
    killed = Path("killed/rollout_info.jsonl").read_text().splitlines()
    assert len(killed) == 3
    resumed = train(output="killed", **once)
    assert "resumed" in Path("killed/log.txt").read_text().lower() and not list(Path().glob("killed.stale*"))
    assert without_config(resumed) == without_config(whole)
    with monkeypatch.context() as patch:
        patch.setattr(on_policy.OnPolicyTrainer, "evaluate", None)  # a finished run computes nothing
        assert without_config(train(output="killed", **once)) == without_config(whole)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["function", "closure", "rows", "seed"])
def test_another_run_is_never_resumed(train: Any, change: str) -> None:
    def reward_of(factor: float, other: bool = False) -> Any:
        def reward(completions: list[str]) -> list[float]:
            return [factor * len(text) for text in completions]

        def another(completions: list[str]) -> list[float]:
            return [factor + len(text) for text in completions]

        another.__name__, another.__qualname__ = reward.__name__, reward.__qualname__
        return another if other else reward

    train(reward=reward_of(1.0), output="run")
    rows = [*PROMPTS[:-1], {"prompt": PROMPTS[-1], "level": 2}]
    changed = {
        "function": {"reward": reward_of(1.0, other=True)},
        "closure": {"reward": reward_of(2.0)},
        "rows": {"data": rows, "reward": reward_of(1.0)},
        "seed": {"seed": 1, "reward": reward_of(1.0)},
    }
    train(output="run", **changed[change])
    assert [path.name for path in Path().glob("run.stale*")] == ["run.stale-1"]


@pytest.mark.slow
def test_a_function_that_has_no_digest_is_never_resumed(train: Any, caplog: pytest.LogCaptureFixture) -> None:
    file = open("counts.txt", "w")  # noqa: SIM115 - it is what has no digest

    def counted(completions: list[str]) -> list[float]:
        file.write("x")
        return [0.5] * len(completions)

    for _ in range(2):
        run = train(reward=counted, output="run")
    file.close()
    assert run.config["reward_fn"]["id"] == "counted@undigested"
    assert Path("run.stale-1").is_dir() and "has no digest" in caplog.text


@pytest.mark.slow
def test_supervised_and_other_algorithms(train: Any) -> None:
    rows = [{"prompt": text, "target": "w7 w8"} for text in PROMPTS]
    supervised = train(algorithm="supervised", data=rows, n_iters=1, metrics=["rouge_l_max"])
    assert supervised.config["alg"]["training_args"]["num_train_epochs"] == 1
    assert "val/eval/loss" in supervised.curves and "rouge_l_max" in str(supervised.metrics)
    for algorithm in ("nlpo", "a2c", "trpo"):
        run = train(algorithm=algorithm, reward=even, n_iters=1)
        assert run.path == Path("runs") / algorithm and run.config["alg"]["id"] == algorithm


@pytest.mark.slow
@pytest.mark.parametrize("base", [GRPO, GroupRollouts, RAFT, A2C, NLPO])
def test_a_class_of_ones_own_gets_what_its_base_takes(train: Any, base: type) -> None:
    """No critic and no steps for one without a critic, a mask for one that needs it, no KL for one that has none."""
    hooks = {"loss": RAFT.loss, "advantages": RAFT.advantages} if base is GroupRollouts else {}
    run = train(algorithm=type("Own", (base,), hooks), reward=even, n_iters=1)
    args, policy = run.config["alg"]["args"], run.config["alg"]["policy"]
    grouped = issubclass(base, GroupRollouts)
    assert ("n_prompts" in args) is grouped and ("n_steps" in args) is not grouped
    assert policy["args"]["value_model"] == ("none" if grouped else "separate")
    assert ("maskable" in policy["id"]) is (base is NLPO)
    assert run.config["alg"]["kl_div"]["coeff"] == (0.0 if base is RAFT else 0.05)


@pytest.mark.slow
def test_a_seq2seq_model_gets_its_policy(train: Any, model_dir: Any) -> None:
    run = train(model=model_dir("t5"), reward=even, n_iters=1)
    assert run.config["alg"]["policy"]["id"] == "seq2seq_lm_actor_critic_policy"
    assert run.model().config.is_encoder_decoder


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reward": None}, "rl4lms.train: reward missing; give model and data and reward, or a YAML file"),
        ({"reward": lambda text: 1.0}, "expected an id, a class, or a function def reward(prompts, completions"),
        ({"reward": 3}, "reward: an object of type int; expected an id, a class, or a function"),
        ({"reward": "meteer"}, 'reward_fn.id: unknown reward function "meteer". Did you mean "meteor"?'),
        ({"algorithm": "pppo"}, 'alg.id: unknown algorithm "pppo". Did you mean "ppo"?'),
        ({"metrics": ["rogue"]}, 'train_evaluation.metrics[0].id: unknown metric "rogue". Did you mean "rouge"?'),
        ({"set": {"alg.args.n_epoch": 1}}, 'alg.args: unknown key "n_epoch". Did you mean "n_epochs"?'),
        ({"n_iters": -1}, "train_evaluation.n_iters: "),
        ({"data": []}, "data, train: no rows; expected at least one"),
        ({"data": [3]}, "data, train, row 0: int; expected a text, messages, or a mapping with one as prompt"),
        ({"data": "imbd"}, 'datapool.id: unknown data pool "imbd". Did you mean "imdb"?'),
        ({"model": "./nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_any_work(train: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises((rl4lms.ConfigError, rl4lms.DataError)) as error:
        train(**{"reward": even, "output": "run", **given})
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not Path("run").exists()


def test_a_wrong_answer_ends_the_run_in_one_line(train: Any) -> None:
    with pytest.raises(rl4lms.RunError, match=r"^reward <?lambda>?: returned 1 numbers for \d+ texts; return one each"):
        train(reward=lambda completions: [1.0], metrics=["diversity"])


@pytest.mark.slow
def test_a_run_is_read_and_compared(train: Any) -> None:
    level = logging.getLogger("rl4lms").level
    run = train(reward=even, output="a")
    assert logging.getLogger("rl4lms").level == level
    other = train(reward=even, seed=1, output="b")
    samples = run.samples()
    assert list(samples.columns) == ["split_name", "sample_id", "prompt_text", "generated_text", "ref_text", "even"]
    assert set(samples.split_name) == {"test"} and len(run.samples("val")) == len(samples) == 2
    assert run.metrics == {"even": samples.even.mean()} and repr(run).startswith("Run('a': even ")
    assert run.curves.index.tolist() == [0, 1, 2] and run.curves["val/even"].notna().all()
    assert [axes.get_title("left") for axes in run.plot().axes] == ["Reward", "KL (nats per token)", "val/even"]
    ids = run.tokenizer()("w5 w6", return_tensors="pt")
    assert run.model()(**ids).logits.shape[:2] == (1, 2)
    assert "seed" in str(rl4lms.compare(run, "b")) and "seed" in repr(rl4lms.compare("a", other))
    with pytest.raises(rl4lms.DataError, match="nowhere: no such directory; expected a run's"):
        rl4lms.load("nowhere")
