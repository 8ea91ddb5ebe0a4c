"""Loads models and tensors. It runs no code that comes with a model, reads no pickle, and fails with one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import LONGEST_SAID, ConfigError, one_line
from rl4lms.core.io import read_json

if TYPE_CHECKING:
    import transformers

# Model types with relative positions, which take texts of any length, whatever max_position_embeddings says.
UNBOUNDED = ("t5", "mt5", "umt5", "bloom", "mpt")
# Model types whose positions start after the padding id.
AFTER_PADDING = (
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "camembert",
    "data2vec-text",
    "xmod",
)
NO_LIMIT = 10**9  # tokens
NAMED = 3  # the most tensors that a message names; it counts the others


def from_pretrained(auto: Any, name: str, what: str, *, trust_remote_code: bool = False, **arguments: Any) -> Any:
    """`auto.from_pretrained(name)`, for an auto class of models, configurations or tokenizers.

    what: what `name` is ("encoder"), for the message. trust_remote_code: run the Python files that come with a model;
    only a user's configuration may set it. Raises ConfigError for any exception, because transformers has no base class
    for those of its parsers.
    """
    _check_index(name, what)
    with _loading(name, what):
        return auto.from_pretrained(name, trust_remote_code=trust_remote_code, **arguments)


@contextlib.contextmanager
def _loading(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ConfigError(f"{what} {name}: cannot be loaded ({reason(error)}){_way_out(name, error)}") from None


def model_generation_config(name: str) -> transformers.GenerationConfig:
    """A model's generation settings from generation_config.json, or from config.json if that file is missing.

    Raises ConfigError if neither can be read.
    """
    from transformers import GenerationConfig as Theirs

    try:
        return Theirs.from_pretrained(name)
    except OSError:  # the file is missing
        pass
    except Exception as error:  # transformers has no base class for the exceptions of its parsers
        raise ConfigError(f"model {name}: generation_config.json cannot be read ({reason(error)}).") from None
    try:
        return Theirs.from_pretrained(name, config_file_name="config.json", _from_model_config=True)
    except Exception as error:
        raise ConfigError(f"model {name}: config.json cannot be read ({reason(error)}).") from None


def model_from_pretrained(auto: Any, name: str, what: str, *, unread: str | None = None, **arguments: Any) -> Any:
    """Load a model with all of its weights (docs/numerics.md, line 35), from safetensors only.

    unread: a regular expression of tensors that the caller never reads, which may be missing (an encoder's pooler).
    Raises ConfigError with the names of tensors that are missing or have another shape, because transformers would fill
    them with random numbers. A tensor that is tied to one in the file is not missing.
    """
    arguments |= {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    adapter = _adapter_settings(name, what)
    if adapter is None:
        model, loading = from_pretrained(auto, name, what, **arguments)
    else:
        replaced = "|".join(rf"(^|\.){module}\." for module in adapter.get("modules_to_save") or ())
        base = adapter["base_model_name_or_path"]
        model = model_from_pretrained(auto, base, what, unread=replaced or unread, **arguments)
        with _loading(name, what):
            loading = model.load_adapter(name, use_safetensors=True, ignore_mismatched_sizes=True).to_dict()
    _check_whole(model, name, what, loading, unread)
    return model


def _adapter_settings(name: str, what: str) -> dict[str, Any] | None:
    """The settings of a peft adapter by directory or hub id; None if `name` is no adapter, or peft is missing."""
    from transformers.utils import find_adapter_config_file, is_peft_available

    if not is_peft_available():
        return None
    with _loading(name, what):
        path = find_adapter_config_file(name)
    if path is None:
        return None
    if (Path(name) / "config.json").is_file():
        raise ConfigError(f"{what} {name}: holds both a model and an adapter; expected one of them in a directory.")
    return dict(read_json(path))


def _check_whole(model: Any, name: str, what: str, loading: Mapping[str, Any], unread: str | None) -> None:
    tied = getattr(model, "all_tied_weights_keys", {})  # tied tensor -> the one that the file has in its place
    lacking = set(loading["missing_keys"]) - set(tied)
    missing = [key for key in lacking if not (_is_computed(model, key) or (unread and re.search(unread, key)))]
    reshaped = [f"{key}, {_shape(found)} for {_shape(own)}" for key, found, own in loading["mismatched_keys"]]
    if not missing and not reshaped:
        return
    faults = [f"no weights for {_named(missing)}"] if missing else []
    if reshaped:
        faults.append(f"another shape of {_named(reshaped)}")
    if loading["unexpected_keys"]:
        faults.append(f"some that it has no place for: {_named(loading['unexpected_keys'])}")
    own = type(model).__name__
    saved_as = [kind for kind in getattr(model.config, "architectures", None) or () if kind != own]
    was = f"; its config.json says that it was saved as {saved_as[0]}" if saved_as else ""
    raise ConfigError(
        f"{what} {name}: not a whole {own}: it has {', and '.join(faults)}{was}. What is missing would be "
        "random numbers; give a model that was trained and saved as one, or save or download it again."
    )


def _is_computed(model: Any, key: str) -> bool:
    """Whether transformers computes a missing tensor, as the sinusoids that the published files of Pegasus lack."""
    owner = model.get_submodule(key.rpartition(".")[0])
    return type(owner).__name__.endswith("SinusoidalPositionalEmbedding")


def _named(keys: Collection[str]) -> str:
    """The first NAMED of the sorted keys, and the number of the others."""
    first = ", ".join(sorted(keys)[:NAMED])
    return first if len(keys) <= NAMED else f"{first} and {len(keys) - NAMED} more"


def _shape(size: Any) -> str:
    return "x".join(map(str, size))


def positions(config: Any) -> int | None:
    """The number of positions that a model has; None if it has no limit or does not say (XLNet says -1)."""
    config = config.get_text_config()
    given = getattr(config, "max_position_embeddings", None)
    if given is None or given <= 0 or config.model_type in UNBOUNDED:
        return None
    return int(given - (config.pad_token_id + 1 if config.model_type in AFTER_PADDING else 0))


def longest_text(config: Any, tokenizer: Any) -> int | None:
    """The most tokens, special ones included, that model and tokenizer both take; None if neither has a limit.

    A tokenizer without a limit has 1e30 as its model_max_length.
    """
    limits = [n for n in (positions(config), tokenizer.model_max_length) if n is not None and 0 < n < NO_LIMIT]
    return int(min(limits)) if limits else None


def _check_index(name: str, what: str) -> None:
    """Raises ConfigError if the index of a model's weight files is malformed or names a file outside its directory."""
    for index in sorted(Path(name).glob("*.index.json")):
        content = read_json(index)
        files = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(files, dict):
            raise ConfigError(f"{what} {name}: {index.name}: expected an object with the files of its tensors.")
        for file in files.values():
            if not isinstance(file, str) or Path(file).name != file or file in ("", ".."):
                raise ConfigError(f"{what} {name}: {index.name} names {file!r}; expected files in its own directory.")


def read_tensors(path: str, what: str) -> dict[str, Any]:
    """The tensors of a safetensors file, by name. what: what the file is, for the message. Raises ConfigError."""
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
    """The first line of an error's message, or its class if it has no message."""
    lines = str(error).strip().splitlines()
    return one_line(lines[0], LONGEST_SAID).rstrip(".") if lines else type(error).__name__


def _way_out(name: str, error: BaseException) -> str:
    if "trust_remote_code" in str(error):
        return ". Its own code is not run; read it, then set trust_remote_code: true beside model_name."
    path = Path(name)
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        return ". It is an adapter; merge it into its base model by peft's merge_and_unload, and save that."
    if path.is_dir() and list(path.glob("*.bin")) and not list(path.glob("*.safetensors")):
        return ". Its weights are a pickle, which is not loaded; save it again with model.save_pretrained."
    if path.is_dir():
        return ". Delete the directory and run again the stage, or the download, that made it."
    return "."
