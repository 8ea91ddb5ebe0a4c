"""docs/tutorial.md, typed command by command in a copy of the project."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.pipeline.checkout import Checkout

from .commands import ROOT, commands_of

# What the test leaves out, and what it makes small: the models are of suite tiny, and two iterations show the way.
INSTALLS = ("make env", ". .venv/bin/activate")


@pytest.mark.slow
def test_the_tutorial_as_it_is_typed(tmp_path_factory: pytest.TempPathFactory) -> None:
    checkout = Checkout.make(tmp_path_factory.mktemp("tutorial"), stub=False)
    shutil.copytree(ROOT / "docs" / "examples", checkout.path / "docs" / "examples")
    small = checkout.path / "docs/examples/tutorial/my_task.yml"
    small.write_text(small.read_text().replace("n_iters: 20", "n_iters: 2").replace("eval_every: 10", "eval_every: 1"))
    output = []
    for command in commands_of(ROOT / "docs" / "tutorial.md"):
        if command.text in INSTALLS:
            continue
        words = command.words + (["--suite", "tiny"] if "-m rl4lms" in command.text else [])
        output.append(checkout.run(*words, PYTHONPATH=str(checkout.path)).stdout)
    assert len(output) == 6
    assert "a valid configuration (ppo on openings)" in output[3]
    assert [re.split(r" +", line)[:2] for line in output[5].splitlines()[1:]] == [["0", "0"], ["1", "1"]]
    run = checkout.path / "results/tutorial/rl4lm_exps/first"
    for name in ("config.json", "model/model.safetensors", "epoch_2_val_split_predictions.json"):
        assert (run / name).is_file(), name
