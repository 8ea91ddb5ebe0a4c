"""The table of experiments: what each changed from its commit, which scores differ, never wider than asked."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.show_experiments import read_rows, table

SCORES = {
    "score_zero_shot": 0.16, "score_supervised": 0.28, "score_ppo": 0.21, "score_nlpo": 0.22,
    "score_supervised_ppo": 0.32, "score_supervised_nlpo": 0.33, "tasks_supervised_better": 7,
}  # fmt: skip


def entry(rev: str, name: str | None, scores: dict[str, float] | None = None, **ppo: Any) -> dict[str, Any]:
    """One revision of `dvc exp show --json`. ppo: arguments other than these defaults."""
    args = {"clip_range": 0.2, "gamma": 1.0, **ppo}
    data = {
        "params": {
            "params/algs/ppo.yaml": {"data": {"args": args, "kl_div": {"gamma": ppo.get("gamma", 1.0)}}},
            "params/algs/nlpo.yaml": {"data": {"args": {"clip_range": 0.2}}},
        },
        "metrics": {"results/mini/grue/metrics.json": {"data": {**SCORES, **(scores or {})}}},
        "deps": {"rl4lms": {"hash": "a"}, "params/suites/mini": {"hash": "b"}, "results/mini": {"hash": rev}},
    }
    return {"rev": rev, "name": name, "data": data, "error": None, "experiments": None}


def experiment(revision: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    executor = {"state": state, "name": "dvc-task"} if state else None
    return {"revs": [revision], "executor": executor, "name": revision["name"]}


def commits(*experiments: dict[str, Any]) -> list[dict[str, Any]]:
    main = {**entry("c0ffee" * 6, "main"), "experiments": list(experiments)}
    return [entry("workspace", None), main]


def test_an_experiment_is_told_by_what_it_changed() -> None:
    changed = entry("1" * 40, "clip", {"score_ppo": 0.25}, clip_range=0.1)
    rows = read_rows(commits(experiment(changed)))
    assert [row.name for row in rows] == ["main", "  clip"]
    assert rows[1].changes == ("ppo clip_range=0.1",)
    lines = table(rows, 80).splitlines()
    assert lines[0].split() == ["experiment", "ppo"]
    assert lines[2].split() == ["main", "0.2100"]
    assert [line.split() for line in lines[3:5]] == [["clip", "0.2500"], ["ppo", "clip_range=0.1"]]
    assert "The same in all: score_zero_shot 0.1600" in lines[6]


def test_parameters_of_one_name_are_told_apart() -> None:
    row = read_rows(commits(experiment(entry("1" * 40, "gamma", gamma=0.9))))[1]
    assert row.changes == ("params/algs/ppo.yaml:args.gamma=0.9", "params/algs/ppo.yaml:kl_div.gamma=0.9")


def test_code_and_a_suites_own_numbers_are_changes_too() -> None:
    other = entry("1" * 40, "code")
    other["data"]["deps"] = {"rl4lms": {"hash": "c"}, "params/suites/mini": {"hash": "d"}}
    assert read_rows(commits(experiment(other)))[1].changes == ("params/suites/mini", "code")


@pytest.mark.parametrize(("state", "shown"), [("queued", "queued"), ("Running", "running"), ("failed", "failed")])
def test_what_has_no_scores_says_why(state: str, shown: str) -> None:
    waiting = entry("1" * 40, "wait", {"score_ppo": 0.5}, clip_range=0.1)
    lines = table(read_rows(commits(experiment(waiting, state))), 80).splitlines()
    assert ["wait", shown] in [line.split() for line in lines]


def test_a_table_is_never_wider_than_asked() -> None:
    """Ten experiments that move every score: those for which there is no room are named, the others are whole."""
    moved = [
        entry(f"{n}" * 40, f"a-rather-long-name-{n}", {k: v + n for k, v in SCORES.items()}, clip_range=n / 10)
        for n in range(1, 10)
    ]
    rows = read_rows(commits(*map(experiment, moved)))
    for width in (60, 80, 120):
        text = table(rows, width)
        assert max(map(len, text.splitlines())) <= width
        assert ("No room for" in text) == (width < 120)
        assert all(sum(f"a-rather-long-name-{n} " in line for line in text.splitlines()) == 1 for n in range(1, 10))
