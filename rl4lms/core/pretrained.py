"""Loading models and tensors: no code of a model's own, no pickle, and one line where it cannot be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rl4lms.core.errors import LONGEST_SAID, ConfigError, one_line
from rl4lms.core.io import read_json


def from_pretrained(auto: Any, name: str, what: str, *, trust_remote_code: bool = False, **arguments: Any) -> Any:
    """`auto.from_pretrained(name)`, for an auto class of models, configurations or tokenizers.

    what: what `name` is, for the message. trust_remote_code: run the python files that come with a model, which only
    the user's own configuration may say. Raises ConfigError for whatever the library raises: its parsers have no
    exception in common.
    """
    _check_index(name, what)
    try:
        return auto.from_pretrained(name, trust_remote_code=trust_remote_code, **arguments)
    except Exception as error:
        raise ConfigError(f"{what} {name}: cannot be loaded ({reason(error)}){_way_out(name, error)}") from None


def model_from_pretrained(auto: Any, name: str, what: str, **arguments: Any) -> Any:
    """`from_pretrained` of weights, which must be safetensors: pytorch_model.bin is a pickle."""
    return from_pretrained(auto, name, what, use_safetensors=True, **arguments)


def _check_index(name: str, what: str) -> None:
    """Raises ConfigError where an index of a model's files of weights leads out of its directory, or is none."""
    for index in sorted(Path(name).glob("*.index.json")):
        content = read_json(index)
        files = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(files, dict):
            raise ConfigError(f"{what} {name}: {index.name}: expected an object with the files of its tensors.")
        for file in files.values():
            if not isinstance(file, str) or Path(file).name != file or file in ("", ".."):
                raise ConfigError(f"{what} {name}: {index.name} names {file!r}; expected files in its own directory.")


def read_tensors(path: str, what: str) -> dict[str, Any]:
    """Name to tensor, of a safetensors file. what: what the file is, for the message. Raises ConfigError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise ConfigError(f"{what}: {path}: no such file.") from None
    except (OSError, SafetensorError) as error:
        way_out = " Convert a torch file once, by the command in docs/rewards.md: as a pickle it is not loaded."
        raise ConfigError(f"{what}: {path}: not a file of safetensors ({reason(error)}).{way_out}") from None


def reason(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return one_line(lines[0], LONGEST_SAID).rstrip(".") if lines else type(error).__name__


def _way_out(name: str, error: BaseException) -> str:
    if "trust_remote_code" in str(error):
        return ". Its own code is not run; read it, then set trust_remote_code: true beside model_name."
    path = Path(name)
    if path.is_dir() and list(path.glob("*.bin")) and not list(path.glob("*.safetensors")):
        return ". Its weights are a pickle, which is not loaded; save it again with model.save_pretrained."
    if path.is_dir():
        return ". Delete the directory and run again the stage, or the download, that made it."
    return "."
