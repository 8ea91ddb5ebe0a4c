"""Ten small experiments, for real, and the table of them in docs/dvc.md:

    python -m tests.pipeline.experiments_picture docs/dvc.md

Runs task imdb with PPO and one seed as the suite `mini` does, in a directory that is removed, and puts what
`make experiments` says at 80 columns between the page's two marks. Twelve CPU-minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.pipeline.checkout import Checkout, shrink

BEGIN, END = "<!-- experiments:begin -->", "<!-- experiments:end -->"
PPO = {
    "clip_range": [0.1, 0.3],
    "learning_rate": [1e-4, 1e-3, 5e-3],
    "gae_lambda": [0.9, 0.95],
    "kl_div.coeff": [0.001, 0.1, 0.5],
}


def run_experiments(checkout: Checkout) -> str:
    """Run and record the benchmark, queue the experiments, run them all. Returns the table."""
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.grue("grue_all")
    checkout.target("record")
    checkout.commit("The benchmark")
    for key, values in PPO.items():
        for value in values:
            path = key if "." in key else f"args.{key}"
            change = f"params/algs/ppo.yaml:{path}={value}"
            checkout.run("dvc", "exp", "run", "--queue", "--name", f"{key.rpartition('.')[2]}-{value}", "-S", change)
    checkout.run("dvc", "exp", "run", "--run-all", "--jobs", "2")
    return checkout.target("experiments", COLUMNS="80")


def insert(page: Path, text: str) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n```\n{text.rstrip()}\n```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        table = run_experiments(Checkout.make(Path(folder), stub=False))
    insert(Path(sys.argv[1]), table)
