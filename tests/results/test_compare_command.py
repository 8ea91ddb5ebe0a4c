"""`python -m rl4lms compare`: what it prints, for people and machines, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rl4lms.cli.main import main
from rl4lms.results.comparison import printable

from .two_runs import BLEU, CONFIG, METEOR, MakeRun, put, rows_of, shared_scores


def compare(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> str:
    assert main(["compare", *map(str, arguments), "--flips", "500"]) == 0
    return capsys.readouterr().out


def test_two_runs_on_80_columns(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    a = make_run("ppo")
    b = make_run("supervised_ppo", 0.03, config={"seed": 1}, manifest={"seed": 1, "host": "x" * 90})
    text = compare(capsys, a, b)
    lines = text.splitlines()
    assert lines[:2] == [f"A  {a}", f"B  {b}"]
    assert max(len(line) for line in lines[2:]) <= 80
    assert "Run                                   A                     B" in lines
    assert "  method                              ppo                   supervised_ppo" in lines
    assert "  seed                                0                     1" in lines
    assert "      A  one" in lines and "      B  " + "x" * 71 in lines and "         " + "x" * 19 in lines
    assert "Scores on the split test: 100 samples" in lines
    i = next(i for i, line in enumerate(lines) if line.startswith(METEOR))
    assert lines[i].endswith("B is higher") and "p = " in lines[i]
    assert lines[i + 1].startswith("  A 0.") and "B - A 0.0" in lines[i + 1]
    assert "B - A* " in next(lines[i + 1] for i, line in enumerate(lines) if line.startswith(BLEU))
    assert "  2 more are equal" in lines


def test_inputs_of_one_run_alone_are_a_line_each(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    warm = {"data/train.jsonl": "1" * 64, "warm/model.safetensors": "3" * 64}
    lines = compare(capsys, make_run("ppo"), make_run("nlpo", manifest={"inputs": warm})).splitlines()
    i = lines.index("Inputs (sha256)")
    assert lines[i + 1 : i + 4] == [
        "  A alone  222222222222  base/model.safetensors",
        "  B alone  333333333333  warm/model.safetensors",
        "",
    ]


def test_equal_runs(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("ppo")
    text = compare(capsys, run, run)
    assert "Params, inputs, code, packages and machine are the same." in text
    assert "no real difference" in text and "is higher" not in text


def test_of_the_many_measures_of_diversity_those_with_a_name_are_shown(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = make_run("ppo"), make_run("nlpo")
    for i, method in enumerate(("ppo", "nlpo")):
        values = {f"diversity_metrics/{name}": i / 2 for name in ("distinct-1", "unique-1", "unique-2")}
        put(tmp_path / f"results/tiny/scores/common_gen/{method}/seed0/test_split_metrics.jsonl", {"metrics": values})
    text = compare(capsys, a, b)
    assert "  diversity_metrics/distinct-1                          0        0.5        0.5" in text.splitlines()
    assert "  2 more of diversity_metrics/ differ; --json shows them" in text.splitlines()
    assert "unique-1" not in text and "unique-1" in compare(capsys, a, b, "--json")


def test_for_machines(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make_run("ppo"), make_run("nlpo", 0.03)
    found = json.loads(compare(capsys, a, b, "--json"))
    assert (found["a"], found["b"]) == (str(a), str(b))
    assert found["differences"] == [
        {"group": "run", "key": "method", "a": "ppo", "b": "nlpo", "in_a": True, "in_b": True}
    ]
    meteor = next(row for row in found["scores"]["rows"] if row["metric"] == METEOR)
    assert meteor["verdict"] == "b higher"
    assert meteor["test"]["low"] < meteor["test"]["difference"] < meteor["test"]["high"]
    assert {"mean", "low", "high", "n", "kind"} == set(meteor["interval_a"])
    assert json.loads(compare(capsys, a, b, "--json")) == found


def test_a_run_is_found_by_its_scores_and_a_zero_shot_model_has_scores_alone(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a, b = make_run("ppo"), make_run("nlpo")
    scores = tmp_path / "results/tiny/scores/common_gen"
    by_scores = compare(capsys, scores / "ppo/seed0", scores / "nlpo/seed0").splitlines()
    assert by_scores[2:] == compare(capsys, a, b).splitlines()[2:]
    zero = scores / "zero_shot/seed0"
    put(zero / "manifest.json", {"seed": 0, "stage": "evaluate"})
    put(zero / "test_predictions.json", rows_of(shared_scores(100)))
    put(zero / "metrics.json", {METEOR: float(shared_scores(100).mean()), "n": 100})
    text = compare(capsys, zero, b)
    assert METEOR in text and "stage" in text


def test_a_run_of_the_training_script_beside_one_of_the_pipeline(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = make_run("ppo"), tmp_path / "rl4lm_exps/mine"
    put(b / "config.json", CONFIG)
    values = shared_scores(100) + 0.05
    put(b / "epoch_6_test_split_predictions.json", rows_of(values))
    put(b / "epoch_0_test_split_predictions.json", rows_of(values - 1))
    put(b / "test_split_metrics.jsonl", {"epoch": 6, "metrics": {METEOR: float(values.mean())}})
    text = compare(capsys, a, b)
    assert "B is higher" in text
    assert "method" in text
    put(b / "val_split_metrics.jsonl", {"epoch": 6, "metrics": {METEOR: 0.9}})
    assert "Without scores per sample, so not tested" in compare(capsys, a, b, "--split", "val")


def test_models_are_compared_by_the_params_of_their_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rate in (("one", 1e-3), ("two", 2e-3)):
        put(tmp_path / name / "config.json", {"model_type": "gpt2"})
        params = {"base_models.yaml": {"gpt2": {"training": {"learning_rate": rate}}}}
        put(tmp_path / name / "manifest.json", {"stage": "base-model", "params": params})
        put(tmp_path / name / "metrics.json", {"heldout_perplexity": 10 * rate})
    text = compare(capsys, tmp_path / "one", tmp_path / "two")
    assert "base_models.yaml.gpt2.training.learning_rate" in text
    assert "heldout_perplexity" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "{run}"], "absent: no such directory; expected a run's."),
        (
            ["{run}", "{empty}"],
            "neither config.json nor manifest.json is there; expected the directory of a finished run.",
        ),
        (["{run}", "{half}", "--split", "test"], "no scores of the split test; there are: none."),
        (["{run}", "{broken}"], "config.json: not valid JSON"),
        (["{run}", "{run}", "--flips", "0"], "--flips 0: expected a whole number of at least 1."),
    ],
)
def test_refusals(
    arguments: list[str], message: str, make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "half", "broken"):
        (tmp_path / name).mkdir()
    put(tmp_path / "half/config.json", {})
    (tmp_path / "broken/config.json").write_text("{")
    places = {name: tmp_path / name for name in ("empty", "half", "broken")} | {"run": make_run("ppo")}
    assert main(["compare", *(each.format(**places) for each in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_runs_without_scores_of_one_split(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "half/config.json", CONFIG)
    assert "Scores: of no split in both runs." in compare(capsys, make_run("ppo"), tmp_path / "half")


def test_what_a_terminal_would_act_on_is_escaped(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("\x1b[2J\n") == '"\\u001b[2J\\n"'
    assert (printable("Größe"), printable(""), printable(None), printable([1])) == ("Größe", '""', "null", "[1]")
    b = make_run("nlpo", config={"\x1b[31mkey": "a\nB  forged"}, manifest={"host": "\x1b]0;title\x07"})
    text = compare(capsys, make_run("ppo"), b)
    assert "\x1b" not in text and "\x07" not in text and "\nB  forged" not in text


def test_it_needs_no_params_and_nothing_heavy(make_run: MakeRun, tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "datasets", "nltk", "pandas", "jinja2")
    loaded = f"[m for m in {heavy} if m in sys.modules]"
    code = f"import sys\nfrom rl4lms.cli.main import main\nmain(sys.argv[1:])\nprint({loaded})"
    run = make_run("ppo")
    command = [sys.executable, "-c", code, "compare", str(run), str(run), "--flips", "10"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
