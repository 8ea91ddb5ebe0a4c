"""What is wrong with any part of a suite is said in one line before its first job."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli.main import CHECKING, STAGES, main, named_parts
from rl4lms.cli.suite_check import check_stage, check_suite
from rl4lms.config.params import Params
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import write_json
from rl4lms.tasks.local_rows import local_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "params", tmp_path / "params"))


def change(params: Path, file: str, key: str, value: Any) -> None:
    """Set one key of params/`file`, its path with dots; a list's item by its number."""
    content = load_yaml(params / file)
    *parents, last = key.split("/")
    place: Any = content
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
    place[last] = value
    write_json(params / file, content)  # which is YAML


@pytest.mark.parametrize(
    "suite", ["mini", "tiny", "real", "paper", "study", "tuning", "study_gpu", "tuning_gpu", "pretrained"]
)
def test_every_shipped_suite_is_sound(suite: str) -> None:
    check_suite(Params.open(ROOT / "params", suite))


FAULTS = [
    # main metrics and keys of metrics
    (
        "tasks/totto.yaml",
        "evaluation/main_metric",
        "table_to_text/parent_f",
        "evaluation.main_metric",
        "parent_overall_f",
    ),
    (
        "tasks/imdb.yaml",
        "evaluation/main_metric",
        "lexical/meteor",
        "evaluation.main_metric",
        'metric "lexical/meteor"',
    ),
    ("tasks/imdb.yaml", "evaluation/main_metric", "diversity_metrics/msttr-50", "evaluation.main_metric", "msttr-100"),
    (
        "tasks/imdb.yaml",
        "evaluation/keep_best",
        {"metric": "lexical/blue"},
        "evaluation.keep_best.metric",
        "lexical/blue",
    ),
    (
        "grue.yaml",
        "aggregate/metrics",
        {"lexical/meteor": {"kind": "task", "worst": 0, "best": 1}},
        "main metric",
        "imdb",
    ),
    # bounds
    ("grue.yaml", "aggregate/metrics/lexical~meteor/best", 0.0, "aggregate.metrics.lexical/meteor", "two different"),
    ("grue.yaml", "aggregate/metrics/lexical~meteor/log", True, "aggregate.metrics.lexical/meteor", "above 0"),
    ("grue.yaml", "aggregate/bootstrap/confidence", 1.5, "aggregate.bootstrap.confidence", "< 1"),
    # ids and arguments
    ("algs/nlpo.yaml", "id", "nlpoo", "alg.id", 'unknown algorithm "nlpoo"'),
    ("algs/nlpo.yaml", "policy/id", "causal_policy", "alg.policy.id", 'unknown policy "causal_policy"'),
    ("algs/nlpo.yaml", "args/clip", 0.1, "alg.args", 'unknown key "clip"'),
    ("algs/nlpo.yaml", "supervised/args/n_epochs", "two", "alg.args.n_epochs", '"two"'),
    ("tasks/totto.yaml", "reward_fn/id", "meteors", "reward_fn.id", 'unknown reward function "meteors"'),
    ("tasks/totto.yaml", "data/pool", "toto", "datapool.id", 'unknown data pool "toto"'),
    ("tasks/totto.yaml", "evaluation/metrics/0/id", "metoer", "train_evaluation.metrics[0].id", "metoer"),
    ("tasks/iwslt2017.yaml", "evaluation/metrics/0/args", {"tokenize": "ja-mecabb"}, "metrics[0]", "ja-mecabb"),
    ("tasks/totto.yaml", "generation/top_k", -1, "generation_kwargs.top_k", "found -1"),
    ("tasks/totto.yaml", "supervised/training_args/learning_rat", 1.0, "training_args", "learning_rat"),
    # the suite's own lists
    ("grue.yaml", "seeds", [0, 1, 0], "seeds", "0 is there twice"),
    ("grue.yaml", "algs", ["ppo", "ppo"], "algs", "ppo is there twice"),
    ("grue.yaml", "tasks", ["imdb", "imdb"], "tasks", "imdb is there twice"),
    ("grue.yaml", "tasks", [], "tasks", "empty"),
    ("grue.yaml", "seeds", [], "seeds", "empty"),
    ("grue.yaml", "algs", ["ppo", "pppo"], "algs", 'unknown algorithm "pppo"'),
    ("grue.yaml", "seeds", [0, -1], "seeds[1]", ">= 0"),
    ("grue.yaml", "baselines", ["best_of_5"], "baselines", 'unknown baseline "best_of_5". Did you mean "best_of_n"?'),
    ("grue.yaml", "best_of_n/n", 0, "best_of_n.n", "expected an integer >= 1"),
    ("grue.yaml", "best_of_n/top_p", 1.5, "best_of_n.top_p", "<= 1"),
    # models and data
    ("tasks/totto.yaml", "model/family", "t6", "model.family", 'unknown model family "t6"'),
    ("tasks/totto.yaml", "model/type", "causal", "model.type", "t5.type: seq2seq"),
    ("base_models.yaml", "t5/model_name", "./nowhere", "t5.model_name", "./nowhere: no such file or directory"),
    ("base_models.yaml", "t5/training", None, "t5", "model_name, or tokenizer and training"),
    ("base_models.yaml", "t5/tasks", ["totto", "xsum"], "t5.tasks", 'unknown task "xsum"'),
    ("reward_models.yaml", "intent/model_name", "/nowhere", "intent.model_name", "/nowhere: no such file"),
    ("reward_models.yaml", "intent/task", "totto", "reward_models.yaml", "one whose task is daily_dialog"),
    ("tasks/totto.yaml", "data/n_val", None, "data.n_val", "the generator needs a number of rows"),
    ("resources.yaml", "train/mem_mb", 0, "train.mem_mb", ">= 1"),
]


@pytest.mark.parametrize(("file", "key", "value", "named", "said"), FAULTS)
def test_a_fault_is_one_line_with_file_and_key(
    params: Path, file: str, key: str, value: Any, named: str, said: str
) -> None:
    if "~" in key:  # a key that holds a slash
        content = load_yaml(params / file)
        content["aggregate"]["metrics"]["lexical/meteor"][key.rpartition("/")[2]] = value
        write_json(params / file, content)
    else:
        change(params, file, key, value)
    with pytest.raises(ConfigError) as raised:
        check_suite(Params.open(params, "mini"))
    line = str(raised.value)
    assert "\n" not in line
    assert named in line and said in line
    assert Path(file).name.removesuffix(".yaml") in line


def test_what_is_asked_for_beside_the_suite_is_checked_too(params: Path) -> None:
    change(params, "algs/a2c.yaml", "args/n_stepps", 4)
    check_suite(Params.open(params, "mini"))
    with pytest.raises(ConfigError, match=r"algs/a2c\.yaml .*n_stepps"):
        check_suite(Params.open(params, "mini"), ["a2c"])


def test_a_metric_of_an_unknown_kind_may_give_any_main_metric(params: Path) -> None:
    change(params, "tasks/totto.yaml", "evaluation/main_metric", "evaluate/mine/score")
    change(params, "tasks/totto.yaml", "evaluation/metrics", [{"id": "evaluate", "args": {"path": "mine.py"}}])
    scale = {"kind": "task", "worst": 0.0, "best": 1.0}
    change(params, "grue.yaml", "aggregate/metrics", {**load_yaml(params / "grue.yaml")["aggregate"]["metrics"]})
    content = load_yaml(params / "grue.yaml")
    content["aggregate"]["metrics"]["evaluate/mine/score"] = scale
    write_json(params / "grue.yaml", content)
    check_suite(Params.open(params, "mini"))


@pytest.mark.parametrize("stage", CHECKING)
def test_every_stage_that_long_work_begins_with_checks_the_suite(
    stage: str, params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC begins with `prepare`, which the fault of any task ends, as a command that names no part of the suite."""
    change(params, "tasks/totto.yaml", "evaluation/main_metric", "lexical/nothing")
    assert stage in STAGES
    part = ["--task", "imdb"] if stage == "prepare" else []
    assert main([stage, *part, "--params-dir", str(params), "--quiet"]) == 2
    assert "tasks/totto.yaml: evaluation.main_metric" in capsys.readouterr().err


PARTS = {
    "a supervised run's task": (
        ("tasks/totto.yaml", "evaluation/main_metric", "lexical/nothing"),
        ("supervised", "--task", "totto"),
        ("supervised", "--task", "imdb"),
    ),
    "an algorithm": (
        ("algs/nlpo.yaml", "args/clip", 0.1),
        ("train", "--task", "totto", "--method", "supervised_nlpo"),
        ("train", "--task", "totto", "--method", "ppo"),
    ),
    "a family": (
        ("base_models.yaml", "t5/model_name", "./nowhere"),
        ("base-model", "--family", "t5"),
        ("base-model", "--family=gpt2"),
    ),
    "a classifier": (
        ("reward_models.yaml", "intent/model_name", "./nowhere"),
        ("reward-model", "--name", "intent"),
        ("reward-model", "--name", "sentiment"),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_stage_checks_what_its_own_job_reads(name: str, params: Path) -> None:
    fault, concerned, unconcerned = PARTS[name]
    change(params, *fault)
    check_stage(Params.open(params, "mini"), unconcerned[0], named_parts(unconcerned))
    with pytest.raises(ConfigError, match=fault[0]):
        check_stage(Params.open(params, "mini"), concerned[0], named_parts(concerned))


def test_a_task_outside_the_suite_is_no_stages_own(params: Path) -> None:
    change(params, "grue.yaml", "tasks", ["imdb"])
    with pytest.raises(ConfigError, match='unknown task "totto"'):
        check_stage(Params.open(params, "mini"), "supervised", named_parts(["--task", "totto"]))


@pytest.mark.parametrize("task", load_yaml(ROOT / "params/grue.yaml")["tasks"])
def test_a_suite_of_one_task_is_sound(task: str, params: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The families of params/ read the text of other tasks, too; the Snakefile prepares them, in the suite or not."""
    suite = params / "suites/mine"
    suite.mkdir()
    (suite / "grue.yaml").write_text(f"tasks: [{task}]\n", encoding="utf-8")
    check_suite(Params.open(params, "mine"))
    for stage, *part in (["prepare", "--task", task], ["base-model", "--family", "t5"], ["supervised", "--task", task]):
        check_stage(Params.open(params, "mine"), stage, named_parts(part))


def test_the_check_is_cheap_and_loads_no_model_library() -> None:
    program = (
        "import sys, time; from rl4lms.config.params import Params; from rl4lms.cli.suite_check import check_suite; "
        "started = time.process_time(); check_suite(Params.open('params')); seconds = time.process_time() - started; "
        "assert seconds < 2, seconds; "  # a third of a second on an idle machine
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_check_of_one_run_is_cheap() -> None:
    program = (
        "import time; from rl4lms.config.params import Params; from rl4lms.cli.suite_check import check_stage; "
        "from argparse import Namespace; asked = Namespace(task='imdb', method='ppo'); started = time.process_time(); "
        "check_stage(Params.open('params'), 'train', asked); seconds = time.process_time() - started; "
        "assert seconds < 1.5, seconds"  # 0.1 on an idle machine, 0.5 on a busy one
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_local_rows_are_found_before_any_job(params: Path, tmp_path: Path) -> None:
    suite = Params.open(params, "real")
    with pytest.raises(ConfigError, match=r"tasks/imdb\.yaml: data\.source: local, so say where the rows of imdb lie"):
        local_rows(suite, "imdb")
    with pytest.raises(DataError, match=r"data_dir: .*nowhere: no such directory"):
        local_rows(suite, "imdb", tmp_path / "nowhere")
    rows = tmp_path / "rows/common_gen"
    rows.mkdir(parents=True)
    (rows / "validation.jsonl").touch()
    with pytest.raises(DataError, match="no file of common_gen's split train in"):
        local_rows(suite, "common_gen", tmp_path / "rows")
    (rows / "train.jsonl").touch()
    assert local_rows(suite, "common_gen", tmp_path / "rows") == [rows / "train.jsonl", rows / "validation.jsonl"]
    change(params, "tasks/common_gen.yaml", "data/data_dir", str(rows))
    mini = Params.open(params, "mini")
    assert local_rows(mini, "common_gen") == [rows / "train.jsonl", rows / "validation.jsonl"]
    assert local_rows(mini, "imdb") == []


def test_a_leading_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rows/common_gen").mkdir(parents=True)
    (tmp_path / "rows/common_gen/train.jsonl").touch()
    found = local_rows(Params.open(ROOT / "params"), "common_gen", "~/rows")
    assert found == [tmp_path / "rows/common_gen/train.jsonl"]
