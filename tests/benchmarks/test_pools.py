"""The benchmark of data pools, and what it must show at the size that the issue names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import pools
from rl4lms.core.io import write_jsonl


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for split in ("validation", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", pools.rows_of("translations", 1))
    return tmp_path


@pytest.mark.parametrize("how", ["mapped", "list"])
def test_a_measurement_has_every_number_of_its_line(
    directory: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(directory / "train.jsonl", pools.rows_of("translations", 50))
    pools.main(["--measure", "translations", str(directory), how])
    result = json.loads(capsys.readouterr().out)
    assert result["rows"] == 50
    assert set(result) == {
        *("rows", "open_s", "opened", "drawn", "anonymous", "draw_us", "weighted_us", "prompt_us"),
    }
    assert min(result[key] for key in ("draw_us", "weighted_us", "prompt_us")) > 0


@pytest.mark.slow
def test_300_000_rows_take_under_100_megabytes_and_a_prompt_under_20_microseconds(directory: Path) -> None:
    write_jsonl(directory / "train.jsonl", pools.rows_of("translations", 300_000))
    result = pools.in_a_process("--measure", "translations", str(directory), "mapped")
    assert result["rows"] == 300_000
    assert max(result["opened"], result["drawn"]) < 100 * pools.MB
    assert max(result["draw_us"], result["weighted_us"], result["prompt_us"]) < 20


@pytest.mark.long
def test_workers_hold_as_much_of_a_large_pool_as_of_a_small_one(directory: Path) -> None:
    sizes = []
    for n in (8, 100_000):
        write_jsonl(directory / "train.jsonl", pools.rows_of("translations", n))
        sizes.append(pools.in_a_process("--measure", "workers", str(directory)))
    for name, size in sizes[0].items():
        assert abs(sizes[1][name] - size) < 20 * pools.MB, name  # as objects the pool would be 60 MB
