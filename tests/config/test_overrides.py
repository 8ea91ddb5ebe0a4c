"""`--set`: values in place of a file's, checked like the file, wherever configurations are read."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli.main import STAGES, SUBJECTS
from rl4lms.config.compose import compose_rl, compose_supervised, source_of
from rl4lms.config.overrides import override, parse_changes
from rl4lms.config.params import RUN, Params
from rl4lms.config.schema import RunConfig
from rl4lms.config.stages import stage_params
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import write_json

PARAMS = Path(__file__).resolve().parents[2] / "params"


def test_values_are_those_of_yaml_1_2() -> None:
    texts = ["a=1e-5", "b=null", "c=[1, x]", "d={id: meteor}", "e=yes", "f=010", "g=a=b", "a.b=true", "h="]
    assert parse_changes(texts) == {
        "a": 1e-5, "b": None, "c": [1, "x"], "d": {"id": "meteor"}, "e": "yes", "f": 10, "g": "a=b", "a.b": True,
        "h": None,
    }  # fmt: skip
    assert parse_changes(["a=1", "a=2"]) == {"a": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alg.args.n_epochs", "--set alg.args.n_epochs: expected KEY=VALUE, such as alg.args.learning_rate=1e-5."),
        ("a=[1", "--set a, line 2: not valid YAML ("),
        ("a=!!python/name:os.system x", "--set a, line 1: not valid YAML (unknown tag"),
    ],
)
def test_a_text_that_is_no_change_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_changes([text])
    assert str(error.value).startswith(said)


def test_one_key_is_changed_and_nothing_else() -> None:
    given = {"a": {"x": 1, "y": None}, "metrics": [{"id": "rouge"}, {"id": "bleu", "args": {}}], "n": 3}
    before = copy.deepcopy(given)
    changes = {"a.x": 2, "a.y.z": 4, "metrics[1].args.k": 5, "new.key": [6], "n": None}
    assert override(given, changes) == {
        "a": {"x": 2, "y": {"z": 4}},
        "metrics": [{"id": "rouge"}, {"id": "bleu", "args": {"k": 5}}],
        "n": None,
        "new": {"key": [6]},
    }
    assert given == before
    assert override(given, {}) == given


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("n.x", "--set: n: expected a mapping that may hold x, found 3."),
        ("metrics[1].id", "--set: metrics: expected a list with an item [1], found a list of 1."),
        ("a[0]", "--set: a: expected a list with an item [0], found a mapping."),
        ("a..x", '--set "a..x": expected a key such as alg.args.learning_rate or metrics[0].id.'),
        ("", '--set "": expected a key such as'),
    ],
)
def test_a_way_that_leads_nowhere_is_refused(key: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        override({"a": {}, "n": 3, "metrics": [{}]}, {key: 1})
    assert str(error.value).startswith(said)


def test_a_run_file_is_read_with_the_changes_and_checked_with_them(on_policy: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.yml"
    write_json(path, on_policy)
    changed = RunConfig.from_file(path, {"alg.args.learning_rate": 1e-5, "seed": 3})
    assert changed.to_dict()["alg"]["args"]["learning_rate"] == 1e-5
    assert changed != RunConfig.from_file(path) and changed.seed == 3
    with pytest.raises(ConfigError) as error:
        RunConfig.from_file(path, {"alg.args.learning_rat": 1e-5})
    assert str(error.value).startswith(
        f'{path} with --set: alg.args: unknown key "learning_rat". Did you mean "learning_rate"? Known: '
    )


def test_every_stage_says_whose_keys_it_takes() -> None:
    assert SUBJECTS.keys() == STAGES.keys()


def test_a_composed_run_has_the_changes() -> None:
    params = Params.open(PARAMS, "tiny").changed(RUN, {"alg.args.n_epochs": 7, "n_threads": 3})
    run = compose_rl(params, "imdb", "ppo", 0, data_dir="D", model_dir="M", reward_model_dir="R")
    assert RunConfig.from_dict(run).to_dict()["alg"]["args"]["n_epochs"] == 7
    assert run["n_threads"] == params.grue()["n_threads"] == 3, "the process is the run's"
    assert source_of(params, "imdb", "ppo").endswith("tasks/imdb.yaml over algs/ppo.yaml (suite tiny, ppo) with --set")
    params = Params.open(PARAMS, "tiny").changed(RUN, {"alg.training_args.num_train_epochs": 2})
    warm = compose_supervised(params, "imdb", 0, data_dir="D", model_dir="M")
    assert warm["alg"]["training_args"]["num_train_epochs"] == 2


def test_a_file_of_params_has_the_changes_and_is_checked_with_them() -> None:
    tiny = Params.open(PARAMS, "tiny")
    params = tiny.changed("tasks/imdb.yaml", {"data.n_train": 9})
    assert stage_params(params, "prepare", task="imdb")["tasks/imdb.yaml"]["data"]["n_train"] == 9
    assert tiny.task("imdb")["data"]["n_train"] == 64
    entry = tiny.changed("base_models.yaml gpt2", {"training.learning_rate": 1, "kernels": "native"})
    assert entry.base_model("gpt2")["training"]["learning_rate"] == 1.0
    assert entry.grue()["kernels"] == "native"
    with pytest.raises(ConfigError, match=r'tasks/imdb\.yaml with --set: data: unknown key "n_trian"\. Did you mean'):
        tiny.changed("tasks/imdb.yaml", {"data.n_trian": 9}).task("imdb")
