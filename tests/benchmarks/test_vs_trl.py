"""The comparisons with TRL, mostly without it: errors, and the talk with a process that answers as its worker."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import trl_losses
from benchmarks.ppo import main
from benchmarks.settings import Iteration
from benchmarks.trl_losses import CASES, our_update, write_models
from benchmarks.vs_trl import LAST_WITH_PPO, TRL, WITH_GROUPS, in_turn, table
from rl4lms.core.errors import RunError

WORKER = """
import json, sys
print(json.dumps({"versions": {"trl": "0"}}), flush=True)
for seconds, _ in zip((9.0, 2.0, 3.0), sys.stdin):
    print(json.dumps({"cpu_s": seconds, "gflops": 100.0, "tokens": 1280, "peak_mb": 7.0}), flush=True)
sys.exit("the worker is tired")
"""


@pytest.mark.parametrize(
    ("program", "version", "folder"),
    [
        (lambda path: main(["--vs", "trl", "--trl-python", path]), "1.12.0", ".venv-trl"),
        (lambda path: main(["--algorithm", "grpo", "--vs", "trl", "--trl-python", path]), "1.16.0", ".venv-trl-1.16"),
        (lambda path: trl_losses.main(["--trl-python", path]), "1.16.0", ".venv-trl-1.16"),
    ],
)
def test_without_its_environment(
    program, version: str, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "bin" / "python"
    assert program(str(missing)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: --trl-python: no Python at {missing}; make it with: python3.11 -m venv {folder} &&")
    assert line.endswith(f'torch "trl=={version}"')


def test_what_cannot_be_compared_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--algorithm", "nlpo", "--vs", "trl"]) == 2
    assert "TRL has none to compare with; choose ppo or grpo" in capsys.readouterr().err
    assert main(["--algorithm", "grpo", "--vs", "trl", "--best"]) == 2
    assert "leave it out with --algorithm grpo" in capsys.readouterr().err


def test_grpo_has_no_row_of_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--algorithm", "grpo"])
    assert "--algorithm grpo: only with --vs trl" in capsys.readouterr().err


def test_an_environment_without_trl_says_so() -> None:
    with pytest.raises(RunError, match="code 1 \\(.*No module named 'nothing_here'\\); if its environment is wrong"):
        TRL(LAST_WITH_PPO, [sys.executable, "-c", "import nothing_here"])


def test_rounds_are_interleaved_and_the_first_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    order = []

    def ours() -> Iteration:
        order.append("ours")
        return Iteration(1.0, 50.0, 1344)

    with TRL(WITH_GROUPS, [sys.executable, "-c", WORKER]) as trl:

        def theirs() -> Iteration:
            order.append("trl")
            return trl.iteration()

        runs = in_turn({"TRL": theirs, "ours": ours}, rounds=2)
        with pytest.raises(RunError, match="the worker is tired"):
            trl.iteration()
    assert trl.facts == {"versions": {"trl": "0"}}
    assert order == ["trl", "ours"] * 3
    assert [i.cpu_s for i in runs["TRL"]] == [2.0, 3.0]
    # (cpu_s * gflops / tokens) of TRL over ours: 2 * 100 / 1280 and 3 * 100 / 1280 over 1 * 50 / 1344
    assert "| ours | 0.95 (0.95 to 0.95) | 50 to 50 | 5.25 (4.20 to 6.30) |  |" in table(runs)
    assert json.dumps(runs["TRL"][0].tokens) in capsys.readouterr().out


def test_the_batch_of_the_losses_has_what_could_go_wrong(tmp_path: Path) -> None:
    write_models(tmp_path, torch.float64)
    updates = {name: our_update(name, tmp_path, "float64") for name in CASES}
    batches = [episodes for _, episodes in updates.values()]
    for other in batches[1:]:
        torch.testing.assert_close(vars(batches[0].sequences), vars(other.sequences), rtol=0, atol=0)
    prompts, responses = (m.sum(1) for m in (batches[0].sequences.prompt_mask, batches[0].mask))
    assert len(prompts.unique()) > 2 and len(responses.unique()) > 4
    scores = batches[0].scores.sum(1).view(-1, trl_losses.GROUP_SIZE)
    assert (scores.std(1) == 0).sum() == 1
    for update, episodes in updates.values():
        assert 0.05 < update.clip_fraction < 0.6
        assert not torch.allclose(episodes.logprobs, episodes.ref_logprobs)
        assert all(bool(gradient.any()) for gradient in update.gradient.values())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_equal_those_of_trl(dtype: str) -> None:
    if not Path(WITH_GROUPS.folder).exists():
        pytest.skip(f"no {WITH_GROUPS.folder}; {WITH_GROUPS.how_to}")
    assert trl_losses.main(["--dtype", dtype]) == 0
