"""A job depends on the code that it runs: all of it, and no more than its package's neighbours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.config import recipes
from rl4lms.config.params import Params
from rl4lms.config.recipes import job_code_digest, jobs
from rl4lms.config.stages import STAGES
from rl4lms.core.sources import PACKAGE, Sources
from tests.import_graph import ROOT, closure

PARAMS = Params.open(ROOT / "params")
JOBS = list(jobs(PARAMS))
FRONT = ("rl4lms.cli.main",)
Changed = Callable[..., set[str]]


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources()


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_imports_is_found_without_importing_it(stage: str, sources: Sources) -> None:
    """The other reader of imports is tests/import_graph.py: of syntax trees, and of the registries themselves."""
    module = f"rl4lms.cli.{STAGES[stage].module}"
    assert closure(module) | {*FRONT} <= sources.closure([module], front=FRONT)


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Changed:
    """The recipes whose code digest moves with some files of the package."""

    def digests(edited: frozenset[str]) -> dict[str, str]:
        sources = Sources()
        for file in edited:
            sources._digests[PACKAGE / file] = "another"
        monkeypatch.setattr(recipes, "_sources", lambda: sources)
        return {job.file: job_code_digest(PARAMS, job.stage, **job.names) for job in JOBS}

    before = digests(frozenset())

    def moved(*files: str) -> set[str]:
        missing = [file for file in files if not (PACKAGE / file).is_file()]
        assert not missing
        after = digests(frozenset(files))
        return {file for file in before if before[file] != after[file]}

    return moved


def of(stage: str, *names: str) -> set[str]:
    """The recipes of a stage whose job is about one of these; of none: all."""
    return {job.file for job in JOBS if job.stage == stage and (not names or names[0] in job.names.values())}


def test_a_metric_is_code_of_the_tasks_that_name_it(changed: Changed) -> None:
    """Of the seven tasks only ToTTo is scored by PARENT; its supervised stage evaluates nothing by id."""
    assert changed("metrics/table.py") >= of("train", "totto") | of("evaluate", "totto")
    assert not changed("metrics/table.py") & (of("train", "imdb") | of("evaluate", "imdb") | of("prepare"))


def test_an_algorithm_is_code_of_its_own_runs(changed: Changed) -> None:
    assert changed("algorithms/nlpo.py") == of("train", "nlpo")
    assert changed("algorithms/ppo.py") == of("train", "ppo") | of("train", "nlpo"), "which NLPO is derived from"
    assert changed("algorithms/groups.py") == of("train", "grpo")


def test_the_report_is_code_of_no_training(changed: Changed) -> None:
    assert changed("cli/aggregate.py") == of("aggregate")


def test_what_every_stage_runs_is_code_of_all(changed: Changed) -> None:
    assert changed("core/io.py") == changed("cli/main.py") == {job.file for job in JOBS}


def test_what_only_checks_is_code_of_none(changed: Changed) -> None:
    assert changed("cli/suite_check.py", "training/dry_run.py") == set()


def test_a_command_is_code_of_none(changed: Changed) -> None:
    assert changed("cli/commands.py", "cli/plot.py") == set()


def test_a_template_is_code_of_what_names_it(changed: Changed) -> None:
    (template,) = PACKAGE.rglob("report.html.j2")
    assert changed(str(template.relative_to(PACKAGE))) == of("aggregate")
    (page,) = PACKAGE.rglob("pairwise.html.j2")
    assert changed(str(page.relative_to(PACKAGE))) == set()


def test_a_module_of_the_users_is_code_of_the_tasks_that_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the modules that it imports from beside it, wherever in the numbers it is named."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    task = tmp_path / "params/tasks/imdb.yaml"
    task.write_text(task.read_text().replace("id: learned_reward\n", "id: my.reward:Reward\n", 1))
    (tmp_path / "my").mkdir()
    (tmp_path / "my/reward.py").write_text("import words\n")
    (tmp_path / "my/words.py").write_text("WORDS = 1\n")
    monkeypatch.chdir(tmp_path)

    def digests() -> dict[str, str]:
        params = Params.open("params")
        return {job.file: job_code_digest(params, job.stage, **job.names) for job in JOBS}

    before = digests()
    (tmp_path / "my/words.py").write_text("WORDS = 2\n")
    after = digests()
    stale = {file for file in before if before[file] != after[file]}
    trained = {f"train/imdb/{alg}.json" for alg in ("ppo", "nlpo", "grpo")}
    assert stale == {*trained, "evaluate/imdb.json", "aggregate.json"}


def package(folder: Path, files: dict[str, str]) -> Sources:
    """Sources of a package `own`. files: name, without the suffix -> text."""
    for name, text in files.items():
        path = folder / "own" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Sources(folder / "own")


def test_forms_of_imports(tmp_path: Path) -> None:
    main = (
        "import own.a, os\nfrom own import b as other\nfrom .c import (\n    x,  # noqa\n    y,\n)\n"
        "def late():\n    from own.d import z\n"
    )
    files = {"main": main, "a": "", "b": "", "c": "from . import e\n", "d": "", "e": "", "unused": "import own.main\n"}
    found = package(tmp_path, files).closure(["own.main"])
    assert found == {"own.main", "own.a", "own.b", "own.c", "own.d", "own.e"}


TABLES = """
P = "own.m"
DEFAULT = "own.default:make"
class Metrics:
    table = Registry("metric", {"a": f"{P}.a:A", "b": Row("own.m.b:B", takes=("x",))})
class Algorithms:
    table = Registry("algorithm")
    def get(name):
        return resolve(DEFAULT)
"""
ROWS = {
    "tables": TABLES,
    "m/a": "",
    "m/b": "from own import c\n",
    "c": "",
    "default": "",
    "asks": "from own.tables import Metrics\nMetrics.get(name)\n",
    "looks": "from own.tables import Metrics\nname in Metrics.table\n",
    "trains": "from own.tables import Algorithms\nAlgorithms.get(name)\n",
}


def test_rows_are_followed_by_those_who_load_them(tmp_path: Path) -> None:
    sources = package(tmp_path, ROWS)
    assert sources.closure(["own.asks"]) == {"own.asks", "own.tables", "own.m.a", "own.m.b", "own.c"}
    assert sources.closure(["own.asks"], {"a"}) == {"own.asks", "own.tables", "own.m.a"}
    assert sources.closure(["own.trains"], {"a"}) == {"own.trains", "own.tables", "own.default"}
    assert sources.closure(["own.looks"]) == {"own.looks", "own.tables"}


def test_a_path_that_is_made_up_counts_for_every_module_that_it_may_name(tmp_path: Path) -> None:
    load = 'def task(name):\n    return importlib.import_module(f"own.tasks.{name}.pool")\n'
    files = {"tasks/load": load, "tasks/x/pool": "", "tasks/y/pool": "", "tasks/y/other": ""}
    sources = package(tmp_path, files)
    assert sources.closure(["own.tasks.load"]) == {"own.tasks.load", "own.tasks.x.pool", "own.tasks.y.pool"}
    assert sources.closure(["own.tasks.load"], {"y"}) == {"own.tasks.load", "own.tasks.y.pool"}


def test_what_a_call_names_is_loaded_by_it(tmp_path: Path) -> None:
    """As a task's generator, which is a text in the call that makes the task."""
    task = 'TASK = Task(rows=f"{__name__}.generator:rows", about="own: x")\n'
    sources = package(tmp_path, {"tasks/x/__init__": task, "tasks/x/generator": ""})
    assert sources.closure(["own.tasks.x"]) == {"own.tasks.x", "own.tasks.x.generator"}


def test_imports_for_types_run_nothing(tmp_path: Path) -> None:
    main = "if TYPE_CHECKING:\n    from own import a\n\nfrom own import b\n"
    assert package(tmp_path, {"main": main, "a": "", "b": ""}).closure(["own.main"]) == {"own.main", "own.b"}
