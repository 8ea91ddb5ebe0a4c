"""The commands of docs/crowdwork.md, docs/compare.md and docs/tracking.md, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli import train_text_generation
from rl4lms.cli.main import main
from rl4lms.crowd.study import Study

ROOT = Path(__file__).resolve().parents[2]


def commands(page: str) -> list[list[str]]:
    """The arguments of every command in the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def rl4lms(command: list[str]) -> None:
    assert command[:3] == ["python", "-m", "rl4lms"]
    assert main(command[3:]) == 0


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the runs that the pages name."""
    monkeypatch.chdir(tmp_path)
    for method in ("supervised", "ppo", "supervised_ppo"):
        part = f"common_gen/{method}/seed0"
        rows = [
            {
                "split_name": "test",
                "sample_id": f"test_{i}",
                "prompt_text": f"generate a sentence with: dog run {i}.",
                "generated_text": f"{method} {i}",
                "ref_text": "<START-1>A dog runs.<END-1>",
                "lexical/meteor": i / 20,
            }
            for i in range(12)
        ]
        put(tmp_path / f"results/tiny/runs/{part}/config.json", {"seed": 0})
        put(tmp_path / f"results/tiny/runs/{part}/manifest.json", {"method": method})
        put(tmp_path / f"results/tiny/scores/{part}/test_predictions.json", rows)
        put(tmp_path / f"results/tiny/scores/{part}/metrics.json", {"lexical/meteor": 0.275, "n": 12})
    return tmp_path


def answer(study_dir: Path, folder: Path) -> None:
    study = Study.read(study_dir / "key.json")
    for worker in ("ann", "bob"):
        answers = {f"{i.id}.{name}": values[0] for i in study.items for name, values in study.questions.items()}
        put(folder / f"{worker}.json", {"study": study.digest, "worker": worker, "answers": answers})


def test_crowd_work(suite: Path) -> None:
    found = commands("crowdwork.md")
    assert [command[4] for command in found] == ["export", "export", "import", "import"]
    for command in found[:2]:
        rl4lms(command)
    for name in ("rate", "choose"):
        assert (suite / "results/crowd" / name / "pages/page_01.html").is_file()
        answer(suite / "results/crowd" / name, suite / "answers" / name)
    for command in found[2:]:
        rl4lms(command)
    assert (suite / "results/crowd/rate/results/results.md").is_file()
    assert (suite / "results/crowd/choose/results/preferences.jsonl").is_file()


def test_compare(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_runs, methods = commands("compare.md")
    rl4lms(two_runs)
    assert "lexical/meteor" in capsys.readouterr().out
    runs = [path for pattern in methods[4:] for path in sorted(map(str, suite.glob(pattern))) or [pattern]]
    rl4lms([*methods[:4], *runs])
    assert "Split test: paired by seed 0, 12 samples" in capsys.readouterr().out


def test_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is taken and every configuration valid; test_tracked_runs.py trains with them."""
    monkeypatch.chdir(ROOT)
    found = commands("tracking.md")
    assert len(found) == 4
    for command in found:
        assert command[:2] == ["python", "scripts/training/train_text_generation.py"]
        asked = train_text_generation.tracked(train_text_generation.build_parser().parse_args(command[2:]))
        for name in asked:
            pytest.importorskip(name)
        assert train_text_generation.main([*command[2:], "--dry-run"]) == 0
