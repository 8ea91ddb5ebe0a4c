"""The comparison with TRL, without TRL: errors, and the conversation with a process that answers as its worker does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.ppo import main
from benchmarks.settings import Iteration
from benchmarks.vs_trl import TRL, in_turn, table
from rl4lms.core.errors import RunError

WORKER = """
import json, sys
print(json.dumps({"trl": "0"}), flush=True)
for seconds, _ in zip((9.0, 2.0, 3.0), sys.stdin):
    print(json.dumps({"cpu_s": seconds, "gflops": 100.0, "tokens": 1280}), flush=True)
sys.exit("the worker is tired")
"""


def test_without_its_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "bin" / "python"
    assert main(["--vs", "trl", "--trl-python", str(missing)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"error: --trl-python: no Python at {missing}; make it with: python3.11 -m venv")


def test_an_environment_without_trl_says_so() -> None:
    with pytest.raises(RunError, match="code 1 \\(.*No module named 'nothing_here'\\); if its environment is wrong"):
        TRL(Path(sys.executable), ["-c", "import nothing_here"])


def test_rounds_are_interleaved_and_the_first_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    order = []

    def ours() -> Iteration:
        order.append("ours")
        return Iteration(1.0, 50.0, 1344)

    with TRL(Path(sys.executable), ["-c", WORKER]) as trl:

        def theirs() -> Iteration:
            order.append("trl")
            return trl.iteration()

        runs = in_turn({"TRL": theirs, "ours": ours}, rounds=2)
        with pytest.raises(RunError, match="the worker is tired"):
            trl.iteration()
    assert trl.versions == {"trl": "0"}
    assert order == ["trl", "ours"] * 3
    assert [i.cpu_s for i in runs["TRL"]] == [2.0, 3.0]
    # (cpu_s * gflops / tokens) of TRL over ours: 2 * 100 / 1280 and 3 * 100 / 1280 over 1 * 50 / 1344
    assert "| ours | 0.95 (0.95 to 0.95) | 50 to 50 | 5.25 (4.20 to 6.30) |  |" in table(runs)
    assert json.dumps(runs["TRL"][0].tokens) in capsys.readouterr().out
