"""No pickle is loaded, no code of a model's own is run, and no name leaves results/, enters a shell or is markup."""

from __future__ import annotations

import ast
import json
import pickle
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import rl4lms.rewards.parallel
import rl4lms.training.exact_trainer  # noqa: F401  # libraries derive classes from what the tests then forbid
from rl4lms.cli.train_text_generation import main
from rl4lms.core.errors import ConfigError
from rl4lms.core.names import is_safe
from rl4lms.core.tables import TASKS, DataPoolRegistry
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.metrics.classifier import TextClassifier
from rl4lms.policies.language_models import load_language_model
from rl4lms.tokenization.tokenizer import load_tokenizer
from rl4lms.training.model_checks import model_config
from tests.conftest import tiny_model
from tests.faults import suite
from tests.faults.suite import AGGREGATE, RUNS, SCORES, one_error
from tests.import_graph import ROOT
from tests.pipeline.checkout import Checkout
from tests.training.test_on_policy import config

HOSTILE = [
    "../outside", "..", ".hidden", "", "a/b", "a\\b", "-rf", "$(touch pwned)", "`touch pwned`", "a; touch pwned",
    "a'b", 'a"b', "a\nb", "<script>alert(1)</script>", "a b", "x" * 200, "ä",
]  # fmt: skip


def test_what_is_a_name() -> None:
    assert not [name for name in HOSTILE if is_safe(name)]
    assert is_safe("rl4lm_experiment") and is_safe("t5-base.v2+lr=1e-5@home") and is_safe("imdb")


# -- pickles ---------------------------------------------------------------------------------------------------------


class Forbidden:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a pickle was to be loaded")


def forbid_pickles(patch: pytest.MonkeyPatch) -> None:
    for module, name in ((pickle, "load"), (pickle, "Unpickler"), (pickle, "_Unpickler"), (torch, "load")):
        patch.setattr(module, name, Forbidden)


@pytest.fixture
def no_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_pickles(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of which no stage could load a pickle."""
    with pytest.MonkeyPatch.context() as patch:
        forbid_pickles(patch)
        return suite.make(tmp_path_factory.mktemp("suite"))


@pytest.mark.slow
@pytest.mark.usefixtures("no_pickles")
def test_no_stage_loads_a_pickle_nor_leaves_one(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage, and `train` once more from where SIGTERM ended it."""
    directory = suite.copy(finished, tmp_path / "copy")
    from rl4lms.training.on_policy import IterationCallback

    original = IterationCallback._after_update

    def told(self: Any) -> None:
        if self.trainer.algorithm.iteration == 2:
            signal.raise_signal(signal.SIGTERM)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(IterationCallback, "_after_update", told)
        with pytest.raises(SystemExit):
            suite.run(directory, suite.train(out=f"{RUNS}/other"))
    kinds = {path.suffix for path in (directory / "results").rglob("*") if path.is_file()}
    assert suite.run(directory, suite.train(out=f"{RUNS}/other")) == 0
    kinds |= {path.suffix for path in (directory / "results").rglob("*") if path.is_file()}
    assert kinds <= {".json", ".jsonl", ".safetensors", ".csv", ".md", ".tex", ".png", ".html"}


@pytest.mark.slow
@pytest.mark.usefixtures("no_pickles")
def test_the_training_script_loads_none_either(model_dir: Any, tmp_path: Path) -> None:
    arguments = script(tmp_path, config(model_dir("gpt2"), n_iters=2).to_dict())
    assert main(arguments) == 0
    assert main(arguments) == 0  # from its last checkpoint


@pytest.mark.parametrize("load", [lambda d: load_language_model(d, seq2seq=False), TextClassifier])
@pytest.mark.usefixtures("no_pickles")
def test_weights_that_are_a_pickle_are_refused(model_dir: Any, tmp_path: Path, load: Any) -> None:
    source = model_dir("gpt2")
    for file in source.iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(tiny_model("gpt2").state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="Its weights are a pickle, which is not loaded"):
        load(str(tmp_path))


# -- code ------------------------------------------------------------------------------------------------------------

SOURCES = sorted([*(ROOT / "rl4lms").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
CALLS = {"eval", "exec", "os.system", "torch.load", "pickle.load", "yaml.unsafe_load", "yaml.full_load"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_evaluates_text_or_loads_what_may_hold_code(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in CALLS, f"line {node.lineno}: {name}"
        assert not any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords), node.lineno
        if name.endswith(".from_pretrained"):
            assert path.name == "pretrained.py" and path.parent.name == "core", node.lineno


@pytest.fixture
def with_own_code(model_dir: Any, tmp_path: Path) -> tuple[Path, Path]:
    """(a model directory that brings its own code, the file that this code would write)."""
    directory, marker = tmp_path / "model", tmp_path / "executed"
    directory.mkdir()
    for file in model_dir("gpt2").iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    (directory / "own.py").write_text(
        "from transformers import GPT2Config\n"
        f"open({str(marker)!r}, 'w').close()\n"
        "class Own(GPT2Config):\n    model_type = 'own'\n"
    )
    for name, kind, target in (
        ("config", "AutoConfig", "own.Own"),
        ("tokenizer_config", "AutoTokenizer", ["own.Own", None]),
    ):
        path = directory / f"{name}.json"
        content = json.loads(path.read_text()) | {"auto_map": {kind: target}}
        content |= {"model_type": "own"} if name == "config" else {"tokenizer_class": "Own"}
        path.write_text(json.dumps(content))
    return directory, marker


LOADERS = {
    "policy": lambda d: load_language_model(d, seq2seq=False),
    "lengths": model_config,
    "tokenizer": load_tokenizer,
    "classifier": TextClassifier,
}


@pytest.mark.parametrize("loader", LOADERS)
def test_code_that_comes_with_a_model_is_not_run(with_own_code: tuple[Path, Path], loader: str) -> None:
    directory, marker = with_own_code
    with pytest.raises(
        ConfigError, match="Its own code is not run; read it, then set trust_remote_code: true"
    ) as error:
        LOADERS[loader](str(directory))
    assert "\n" not in str(error.value)
    assert not marker.exists()


def test_it_is_run_where_the_configuration_says_so(
    with_own_code: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    directory, marker = with_own_code
    assert model_config(str(directory), True).model_type == "own"
    assert marker.exists()


def test_trust_is_off_in_every_configuration_of_the_project() -> None:
    files = [*ROOT.glob("params/**/*.y*ml"), *ROOT.glob("docs/**/*.y*ml")]
    assert files
    assert not [file for file in files if "trust_remote_code" in file.read_text()]


# -- names -----------------------------------------------------------------------------------------------------------


def script(tmp_path: Path, value: dict[str, Any], **names: str) -> list[str]:
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(value))
    given = {"project_name": "p", "experiment_name": "e", **names}
    options = [part for key, name in given.items() for part in (f"--{key}={name}",)]
    return ["--config_path", str(path), "--base_path_to_store_results", str(tmp_path / "results"), *options]


@pytest.mark.parametrize("option", ["project_name", "experiment_name"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_experiment_writes_nothing(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = script(tmp_path, config(tmp_path / "model").to_dict(), **{option: name})
    assert main(arguments) == 2
    assert f"--{option}" in one_error(capsys.readouterr())
    assert [p.name for p in tmp_path.rglob("*")] == ["run.yml"]


FILE_NAMES = [name for name in HOSTILE if name and "/" not in name and name not in ("..", "x" * 200)]


@pytest.mark.parametrize("kind", ["tasks", "algs"])
@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_hostile_task_or_algorithm_is_refused_even_where_it_has_a_file(
    tmp_path: Path, capsys: Any, kind: str, name: str
) -> None:
    checkout = Checkout.make(tmp_path)
    params = checkout.path / "params"
    known = {"tasks": "imdb", "algs": "ppo"}[kind]
    (params / kind / f"{name}.yaml").write_text((params / kind / f"{known}.yaml").read_text())
    grue = yaml.safe_load((params / "grue.yaml").read_text())
    (params / "grue.yaml").write_text(json.dumps({**grue, kind: [name]}))
    assert suite.run(checkout.path, ["prepare", f"--task={name}", "--out", "results/data"]) == 2
    assert "letters, digits and _ . + = @ -" in one_error(capsys.readouterr())
    assert not (checkout.path / "results").exists() and not list(tmp_path.rglob("pwned"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../outside $(touch pwned)", "x'; touch pwned; '\ntouch pwned"])
def test_a_hostile_task_reaches_no_shell_of_either_dag(tmp_path: Path, name: str) -> None:
    checkout = Checkout.make(tmp_path)
    grue = yaml.safe_load((checkout.path / "params/grue.yaml").read_text())
    (checkout.path / "params/grue.yaml").write_text(json.dumps({**grue, "tasks": [name]}))
    before = {path for path in tmp_path.rglob("*") if ".dvc" not in path.parts}
    for command in (("snakemake", "--cores", "1", "grue_all"), ("dvc", "repro", "prepare")):
        assert checkout.run(*command, check=False).returncode != 0
    made = {path for path in tmp_path.rglob("*") if ".dvc" not in path.parts} - before
    assert not [path for path in made if not {".snakemake", "__pycache__"} & set(path.parts)]
    assert not list(tmp_path.parent.glob("outside*"))


@pytest.mark.slow
def test_a_data_directory_is_one_word_of_the_shell(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path)
    directory = checkout.path / "my rows $(touch pwned)"
    for task in TASKS.ids():
        (directory / task).mkdir(parents=True)
        (directory / task / "train.jsonl").touch()
    jobs = checkout.jobs(suite="tiny", data_dir=str(directory))
    assert all(f"--data-dir '{directory.name}' --out" in job["command"] for job in jobs if job["rule"] == "prepare")


class HostileIds(TextGenPool):
    @classmethod
    def prepare(cls, split: str, **args: Any) -> HostileIds:
        return cls([Sample(f"../../{split}/<b>$(touch pwned)\n{i}", f"w{i + 4}", ["w5 '\"<i>"]) for i in range(8)])


@pytest.mark.slow
def test_the_ids_of_samples_name_no_file(model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DataPoolRegistry.table._entries, "hostile", HostileIds)
    value = config(model_dir("gpt2"), n_iters=1).to_dict()
    value["datapool"] = {"id": "hostile", "args": {}}
    assert main(script(tmp_path, value)) == 0
    assert {p.name for p in tmp_path.iterdir()} == {"run.yml", "results"}
    assert [p.name for p in (tmp_path / "results").iterdir()] == ["p"]
    assert not list(tmp_path.rglob("*pwned*"))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, int] = {}
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


MARKUP = "</script></pre><script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>{{ 7*7 }}"


@pytest.mark.slow
def test_samples_are_text_in_the_report(finished: Path, tmp_path: Path) -> None:
    """Ids, prompts, references and generations of a whole suite, replaced by markup."""
    directory = suite.copy(finished, tmp_path / "copy")
    report = directory / "results/tiny/grue/report.html"
    before = Tags(report.read_text())
    for path in (directory / SCORES).glob("*/seed0/test_predictions.json"):
        rows = json.loads(path.read_text())
        changed = [
            {k: [MARKUP] if isinstance(v, list) else MARKUP if isinstance(v, str) else v for k, v in r.items()}
            | {"sample_id": f"{MARKUP}{i}"}  # one row a sample
            for i, r in enumerate(rows)
        ]
        path.write_text(json.dumps(changed))
    assert suite.run(directory, AGGREGATE) == 0
    after = Tags(report.read_text())
    assert after.handlers == before.handlers
    for tag in ("script", "img", "svg", "iframe", "style"):
        assert after.found.get(tag, 0) == before.found.get(tag, 0), tag
    assert "alert(1)" in report.read_text() and "<script>alert(1)" not in report.read_text()
