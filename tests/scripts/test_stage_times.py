"""The table of times is what the benchmark files and logs say."""

from __future__ import annotations

from pathlib import Path

from scripts.stage_times import read_jobs, table, trainings

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(results: Path, stage: str, job: str, row: str, log: str = "") -> None:
    for folder in ("benchmarks", "logs"):
        (results / folder / stage).mkdir(parents=True, exist_ok=True)
    (results / "benchmarks" / stage / f"{job}.tsv").write_text(HEADER + row)
    (results / "logs" / stage / f"{job}.log").write_text(log)


def test_sums_by_stage(tmp_path: Path) -> None:
    write(tmp_path, "train", "a", "10.0\t0:00:10\t9.0\t0\t0\t0\t0\t0\t0\t1\n", "epoch 1\ntrain: 8.0 CPU s, 480 MB\n")
    write(tmp_path, "train", "b", "12.5\t0:00:12\t9.0\t0\t0\t0\t0\t0\t0\t1\n", "train: 10.0 CPU s, 700 MB\n")
    write(tmp_path, "evaluate", "a", "2.0\t0:00:02\tNA\t-\t-\t-\t-\t-\t-\t-\n")
    lines = [line.split() for line in table(read_jobs(tmp_path)).splitlines()]
    assert ["train", "2", "22.5", "18.0", "9.0", "10.0", "700"] in lines
    assert ["evaluate", "1", "2.0", "-", "0"] in lines
    assert lines[-1] == ["all", "3", "24.5", "-", "700"]


def test_trainings_by_method(tmp_path: Path) -> None:
    row = "10.0\t0:00:10\t9.0\t0\t0\t0\t0\t0\t0\t1\n"
    for stage, job in (("supervised", "common_gen_seed0"), ("evaluate", "imdb_ppo_seed0")):
        write(tmp_path, stage, job, row, f"{stage}: 3.0 CPU s, 480 MB\n")
    for task, seconds in (("common_gen", 8.0), ("imdb", 12.0)):
        (tmp_path / "runs" / task / "supervised_ppo").mkdir(parents=True)
        write(tmp_path, "train", f"{task}_supervised_ppo_seed0", row, f"train: {seconds} CPU s, 480 MB\n")
    lines = [line.split() for line in table(trainings(read_jobs(tmp_path), tmp_path / "runs"), "method").splitlines()]
    assert lines[0][0] == "method"
    assert lines[1:3] == [
        ["supervised", "1", "10.0", "3.0", "3.0", "3.0", "480"],
        ["supervised_ppo", "2", "20.0", "20.0", "10.0", "12.0", "480"],
    ]


def test_nothing_run(tmp_path: Path) -> None:
    assert read_jobs(tmp_path) == []
