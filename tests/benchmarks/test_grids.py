from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import grids


@pytest.mark.slow
def test_a_small_grid_is_planned_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["grids", "--seeds", "2", "--samples", "20", "--directory", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    grids.main()
    plan, written, aggregate, _ = capsys.readouterr().out.splitlines()
    assert plan.startswith("plan: ") and aggregate.startswith("aggregate: ")
    assert written.startswith("168 runs of 20 samples")
    assert (tmp_path / "results" / "grid" / "grue" / "report.html").stat().st_size > 100_000
    monkeypatch.setattr("sys.argv", [*arguments, "--parts", "aggregate"])
    before = (tmp_path / "results" / "grid" / "scores" / "imdb" / "ppo" / "seed1" / "metrics.json").stat()
    grids.main()
    after = (tmp_path / "results" / "grid" / "scores" / "imdb" / "ppo" / "seed1" / "metrics.json").stat()
    assert after.st_mtime_ns == before.st_mtime_ns, "runs that are there are used again"
