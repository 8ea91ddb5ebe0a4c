"""A small project with a finished suite that can be released, verified and made again in seconds.

Its stages are stubs, which write numbers drawn from the name of their directory; the tables are made by the real
`aggregate`. tasks imdb and common_gen, methods zero_shot, supervised, ppo, supervised_ppo, seeds 0 and 1: 16 cells.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import yaml

from rl4lms.cli import aggregate
from rl4lms.config.params import Params
from rl4lms.config.stages import STAGES
from rl4lms.results.release import suite_jobs
from rl4lms.results.scores import SuiteScores
from rl4lms.results.suite import SuiteSettings

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tiny"

STAGE = '''
"""recipes --out DIR, aggregate --runs=DIR --scores=DIR --out DIR, or a directory below results/tiny/ to fill."""
import json, os, random, shutil, sys
from pathlib import Path

MAIN = {"imdb": "semantic/learned_automodel_metric", "common_gen": "lexical/meteor"}
FACTS = {"python": "%(python)s", "kernels": "portable", "threads": 1, "packages": {"numpy": "%(numpy)s"},
         "cpu": "a CPU", "device": "cpu", "inputs": {}} | json.loads(os.environ.get("FACTS", "{}"))


def fill(directory):
    out, draw = Path("results/tiny", directory), random.Random(directory).random
    kind, task, method, seed = (directory.split("/") + ["", "", ""])[:4]
    run = {"task": task, "method": method, "seed": int(seed[4:] or 0) if seed.startswith("seed") else 0}
    files = {}
    if kind == "scores":
        rewards = [draw() for _ in range(20)]
        rows = [{"split_name": "test", "sample_id": f"test_{i}", "prompt_text": "p", "generated_text": "g",
                 "ref_text": "r", MAIN[task]: reward, "reward": reward} for i, reward in enumerate(rewards)]
        mean = sum(rewards) / 20
        metrics = {MAIN[task]: mean, "fluency_metrics/perplexity": 20 + draw(), "diversity_metrics/distinct-2": draw(),
                   "reward": mean, "kl/per_token": draw(), "kl/per_sequence": draw(), "base/perplexity": 30.0}
        files["metrics.json"] = json.dumps({**metrics, "n": 20}, indent=2) + "\\n"
        line = {**run, "epoch": 1, "metrics": metrics, "labels": {}, "means": [MAIN[task], "reward"]}
        files["test_split_metrics.jsonl"] = json.dumps(line) + "\\n"
        files["test_predictions.json"] = json.dumps(rows)
    elif kind == "runs":
        alg = method.removeprefix("supervised_")
        files["config.json"] = json.dumps({"alg": {"id": alg}, "seed": run["seed"]})
        rollouts = [{"iteration": k, "rollout/ep_rew_mean": draw(), "rollout/kl_mean": draw()} for k in range(3)]
        files["rollout_info.jsonl"] = "".join(json.dumps(row) + "\\n" for row in rollouts)
        updates = [{"iteration": k, "train/n_minibatches": 4, "train/clip_fraction": 0.1} for k in range(3)]
        files["training_info.jsonl"] = "".join(json.dumps(row) + "\\n" for row in updates)
        epochs = [{"epoch": k, "metrics": {MAIN[task]: draw()}} for k in (0, 2)]
        files["val_split_metrics.jsonl"] = "".join(json.dumps(row) + "\\n" for row in epochs)
    for name in OUTPUTS[directory]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(files.get(name, f"{directory}/{name} {draw()}\\n"))
    (out / "manifest.json").write_text(json.dumps(FACTS))


if __name__ == "__main__":
    OUTPUTS = json.loads(Path("jobs.json").read_text())
    if sys.argv[1] == "recipes":
        out = Path(sys.argv[sys.argv.index("--out") + 1])
        code = Path(__file__).read_text() + Path("params/algs/ppo.yaml").read_text()
        out.mkdir(parents=True, exist_ok=True)
        (out / "train.json").write_text(json.dumps(sum(code.encode())))
    elif sys.argv[1] == "aggregate":
        runs = next(word.partition("=")[2] for word in sys.argv if word.startswith("--runs="))
        shutil.copytree(Path(runs).parent / "grue", sys.argv[sys.argv.index("--out") + 1], dirs_exist_ok=True)
    elif sys.argv[1].startswith(os.environ.get("FAIL", "none")):
        sys.exit("Error: told to fail")
    else:
        fill(sys.argv[1])
'''
SNAKEFILE = """
import json
JOBS = json.load(open("jobs.json"))
for _directory, _names in JOBS.items():
    rule:
        output: [f"results/tiny/{_directory}/{name}" for name in _names]
        input: [f"results/tiny/{d}/{JOBS[d][0]}" for d in json.load(open("made_from.json")).get(_directory, [])]
        params: directory=_directory
        shell: "python -m rl4lms {params.directory}"
"""


def make_project(root: Path) -> Path:
    """The project at `root`, its suite finished, everything but results/ committed. Returns `root`."""
    shutil.copytree(ROOT / "params", root / "params")
    default = root / "params/grue.yaml"  # a release of the default suite is docs/results/ itself
    default.write_text(default.read_text().replace("suite: mini", f"suite: {SUITE}", 1))
    grue = root / f"params/suites/{SUITE}/grue.yaml"
    content = yaml.safe_load(grue.read_text())
    content |= {"algs": ["ppo"], "seeds": [0, 1], "aggregate": {"bootstrap": {"n_resamples": 20}}}
    grue.write_text(yaml.safe_dump(content))
    params = Params.open(root / "params", SUITE)
    jobs, made_from = suite_jobs(params)
    outputs = {directory: STAGES[name].outputs for directory, name in jobs.items()}
    needs = {directory: list(_needed(directory, made_from)) for directory in jobs}
    (root / "rl4lms").mkdir()
    (root / "rl4lms/__init__.py").touch()  # goes before an installed package of that name
    (root / "rl4lms/__main__.py").write_text(
        STAGE % {"python": ".".join(map(str, sys.version_info[:3])), "numpy": version("numpy")}
    )
    (root / "jobs.json").write_text(json.dumps(outputs))
    (root / "made_from.json").write_text(json.dumps(needs))
    (root / "Snakefile").write_text(SNAKEFILE)
    profile = root / "workflow/profiles/default"
    profile.mkdir(parents=True)
    shutil.copy(ROOT / "workflow/profiles/default/config.yaml", profile)
    (root / "constraints.txt").write_text(f"# of the project\nnumpy=={version('numpy')}\n")
    (root / "requirements-nodeps.txt").write_text("# nothing\n")
    (root / ".gitignore").write_text("/results/\n.snakemake/\n__pycache__/\n")
    stage(root, "recipes", "--out", f"recipes/{SUITE}")
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "code")
    script = "import runpy, sys\nfor sys.argv[1] in sys.argv[2:]: runpy.run_module('rl4lms', run_name='__main__')"
    subprocess.run([sys.executable, "-c", script, "", *jobs], cwd=root, check=True, env={"PYTHONPATH": str(root)})
    aggregated(root)
    return root


def aggregated(root: Path) -> None:
    """Make the tables of what lies in results/ now."""
    params, results = Params.open(root / "params", SUITE), root / "results" / SUITE
    scores = SuiteScores.read(results / "scores", SuiteSettings.from_params(params), results / "runs")
    aggregate.write(results / "grue", scores, {})


def _needed(directory: str, made_from: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    kind, task, *_ = directory.split("/")
    if kind == "scores":
        run = directory.replace("scores/", "runs/")
        return made_from[task] if "zero_shot" in directory else (run, *made_from[task])
    if kind == "runs":
        warm = (directory.replace("supervised_ppo", "supervised"),) if "supervised_ppo" in directory else ()
        return (*warm, *made_from[task])
    return made_from.get(directory, ())


def stage(root: Path, *words: str) -> None:
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-m", "rl4lms", *words], cwd=root, check=True, env=environment)


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    run = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return run.stdout.strip()
