"""DVC's experiments by its real commands, over stages that cost nothing: ten of them, compared, shared, taken back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from rl4lms.config.yaml_file import load_yaml
from tests.pipeline.checkout import Checkout, shrink

pytestmark = pytest.mark.long

CLIP = "params/algs/ppo.yaml:args.clip_range"
QUEUED = [0.05, 0.1, 0.15]
METRICS = "results/mini/grue/metrics.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A benchmark that Snakemake has run, DVC has recorded and git has committed."""
    checkout = Checkout.make(tmp_path_factory.mktemp("experiments"))
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.grue("grue_all")
    checkout.target("record")
    checkout.commit("The benchmark")
    return checkout


@pytest.fixture(scope="module")
def ten(finished: Checkout) -> Checkout:
    """The benchmark with ten experiments: three from the queue, the others one after the other in the workspace."""
    for value in QUEUED:
        finished.run("dvc", "exp", "run", "--queue", "--name", f"queued-{value}", "--set-param", f"{CLIP}={value}")
    for n in range(7):
        change = f"{CLIP}={n / 10 + 0.3:.1f}" if n < 5 else f"params/tasks/imdb.yaml:rl.n_iters={n}"
        finished.run("dvc", "exp", "run", "--quiet", "--name", f"workspace-{n}", "-S", change)
        finished.run("git", "checkout", "--quiet", "--", ".")
        finished.run("dvc", "checkout", "--quiet")
    return finished


def scores_of(checkout: Checkout, revision: str) -> dict[str, float]:
    """The headline metrics that dvc.lock of a revision stands for, from DVC's cache."""
    text = checkout.run("dvc", "get", "--show-url", ".", METRICS, "--rev", revision).stdout
    scores: dict[str, float] = json.loads(Path(text.strip()).read_text())
    return scores


def test_an_experiment_changes_the_parameter_and_the_scores(ten: Checkout) -> None:
    diff = json.loads(ten.run("dvc", "exp", "diff", "HEAD", "workspace-1", "--json").stdout)
    assert diff["params"] == {"params/algs/ppo.yaml": {"args.clip_range": {"old": 0.2, "new": 0.4, "diff": 0.2}}}
    changed = diff["metrics"][METRICS]
    assert changed.keys() == {f"score_{m}" for m in ("zero_shot", "supervised", "ppo", "supervised_ppo")}
    assert all(change["old"] != change["new"] for change in changed.values())


def test_a_number_that_dvc_writes_is_the_number_that_a_stage_reads(finished: Checkout) -> None:
    """DVC writes 1e-05, which YAML 1.1 reads as text."""
    finished.run("dvc", "exp", "run", "--queue", "--name", "rate", "-S", "params/algs/ppo.yaml:args.learning_rate=1e-5")
    try:
        text = finished.run("git", "show", "refs/exps/celery/stash:params/algs/ppo.yaml").stdout
        assert "learning_rate: 1e-05" in text
        copy = finished.path / ".ppo.yaml"
        copy.write_text(text)
        assert load_yaml(copy)["args"]["learning_rate"] == 1e-5
        copy.unlink()
    finally:
        finished.run("dvc", "queue", "remove", "rate")


def test_the_queue_runs_what_was_put_there(ten: Checkout) -> None:
    waiting = ten.run("dvc", "queue", "status").stdout
    assert all(f"queued-{value}" in waiting for value in QUEUED)
    assert ten.target("experiments").count("  queued\n") == len(QUEUED)
    ten.run("dvc", "exp", "run", "--run-all")
    done = ten.run("dvc", "queue", "status").stdout
    assert done.count("Success") == len(QUEUED)
    assert not ten.stale(), "the queue works in directories of its own"


def test_ten_experiments_are_read_at_80_columns(ten: Checkout) -> None:
    lines = ten.target("experiments", COLUMNS="80").splitlines()
    assert max(map(len, lines)) <= 80
    names = [f"queued-{value}" for value in QUEUED] + [f"workspace-{n}" for n in range(7)]
    rows = {words[0]: words[1:] for line in lines if (words := line.split()) and words[0] in [*names, "main", "master"]}
    assert len(rows) == 11
    assert len({tuple(numbers) for numbers in rows.values()}) == 11
    at = lines.index(next(line for line in lines if line.split()[:1] == ["workspace-1"]))
    assert lines[at + 1].strip() == "ppo clip_range=0.4"
    assert len(lines[at].split()) == 1 + 4, "the four scores"


def test_dvc_shows_ten_experiments_by_itself(ten: Checkout) -> None:
    """What README and docs/dvc.md give for a wide terminal: a column for each changed number and no other."""
    options = ("--only-changed", "--drop", "Created|rl4lms|results/|recipes/", "--no-pager")
    shown = ten.run("dvc", "exp", "show", *options, COLUMNS="250").stdout
    heading = next(line for line in shown.splitlines() if "Experiment" in line).split()
    assert {name for name in heading if name.startswith("score_")} == set(scores_of(ten, "HEAD"))
    assert sum("workspace-" in line or "queued-" in line for line in shown.splitlines()) == 10
    assert not any(name.startswith(("rl4lms/", "results/")) for name in heading)


def test_metrics_diff(ten: Checkout) -> None:
    before, after = scores_of(ten, "HEAD"), scores_of(ten, "workspace-2")
    shown = json.loads(ten.run("dvc", "metrics", "diff", "HEAD", "workspace-2", "--json").stdout)[METRICS]
    assert {name: (change["old"], change["new"]) for name, change in shown.items()} == {
        name: (before[name], after[name]) for name in before
    }


def test_plots_diff_of_learning_curves(ten: Checkout) -> None:
    """The project's own template, with the curves of both revisions in it, and the plots of both beside."""
    ten.run("dvc", "plots", "diff", "HEAD", "workspace-2", "--out", ".plots")
    page = (ten.path / ".plots/index.html").read_text()
    assert "mean reward of the rollouts" in page
    assert page.count('"rev": "HEAD"') == page.count('"rev": "workspace-2"') == 10
    images = {path.name for path in (ten.path / ".plots/static").iterdir()}
    assert {f"{rev}_results_mini_grue_summary.png" for rev in ("HEAD", "workspace-2")} <= images


def test_another_clone_pulls_the_results_and_has_nothing_to_do(ten: Checkout, tmp_path: Path) -> None:
    """dvc push to a local remote; a colleague's clone; pull, adopt, and Snakemake is content."""
    ten.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    ten.run("dvc", "push", "--quiet")
    ten.commit("A remote")
    subprocess.run(["git", "clone", "--quiet", str(ten.path), str(tmp_path / "clone")], check=True)
    clone = Checkout(tmp_path / "clone")
    assert not (clone.path / "results").exists()
    assert len(clone.due()) == len(clone.jobs())
    clone.run("dvc", "pull", "--quiet")
    clone.target("adopt")
    assert "Nothing to be done" in clone.grue("-n", "grue_all").stdout
    assert clone.stale() == set()
    assert (clone.path / METRICS).read_bytes() == (ten.path / METRICS).read_bytes()


def test_a_snakemake_run_is_recorded_without_running_it_again(ten: Checkout) -> None:
    """`dvc commit --force`, behind `make record`, after a change that Snakemake has run: only dvc.lock moves."""
    ten.set_param("algs/ppo.yaml", "args.clip_range", 0.77)
    ten.grue("grue_all")
    made = ten.declared()
    assert ten.stale() != set()
    ten.target("record", FAIL="--suite")
    assert ten.stale() == set()
    assert ten.due() == set()
    assert ten.declared() == made
    assert json.loads(ten.run("dvc", "metrics", "diff", "--json").stdout)[METRICS]
