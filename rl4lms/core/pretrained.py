"""Loading models and tensors: no code of a model's own, no pickle, and one line where it cannot be loaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import LONGEST_SAID, ConfigError, one_line
from rl4lms.core.io import read_json

if TYPE_CHECKING:
    import transformers

# Model types whose positions are relative: no length is too long for them, whatever their files say.
UNBOUNDED = ("t5", "mt5", "umt5", "bloom", "mpt")
# Model types that count positions from the padding id.
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
NAMED = 3  # tensors that a message names; of the others it says how many there are


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


def model_generation_config(name: str) -> transformers.GenerationConfig:
    """What a model's directory or hub id says of generation: generation_config.json, else what config.json has of it.

    Raises ConfigError where neither can be read.
    """
    from transformers import GenerationConfig as Theirs

    try:
        return Theirs.from_pretrained(name)
    except OSError:  # no such file, and so transformers goes on as well
        pass
    except Exception as error:  # its parsers have no exception in common
        raise ConfigError(f"model {name}: generation_config.json cannot be read ({reason(error)}).") from None
    try:
        return Theirs.from_pretrained(name, config_file_name="config.json", _from_model_config=True)
    except Exception as error:
        raise ConfigError(f"model {name}: config.json cannot be read ({reason(error)}).") from None


def model_from_pretrained(auto: Any, name: str, what: str, *, unread: str | None = None, **arguments: Any) -> Any:
    """`from_pretrained` of weights, whole (docs/numerics.md, line 35), from safetensors: pytorch_model.bin is a pickle.

    unread: a regular expression of tensors that the caller never reads, which may be missing (an encoder's pooler).
    Raises ConfigError that names what is missing or has another shape: transformers draws such tensors at random. One
    that is tied to another tensor of the file is not missing.
    """
    arguments |= {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    model, report = from_pretrained(auto, name, what, **arguments)
    _check_whole(model, name, what, report, unread)
    if getattr(model, "_hf_peft_config_loaded", False):  # the report is of the adapter alone
        (adapter,) = model.peft_config.values()
        replaced = "|".join(rf"(^|\.){module}\." for module in adapter.modules_to_save or ())
        model_from_pretrained(auto, adapter.base_model_name_or_path, what, unread=replaced or unread, **arguments)
    return model


def _check_whole(model: Any, name: str, what: str, report: Mapping[str, Any], unread: str | None) -> None:
    tied = getattr(model, "all_tied_weights_keys", {})  # to the tensor that a file has instead, which is named
    lacking = set(report["missing_keys"]) - set(tied)
    missing = [key for key in lacking if not (_is_computed(model, key) or (unread and re.search(unread, key)))]
    reshaped = [f"{key}, {_shape(found)} for {_shape(own)}" for key, found, own in report["mismatched_keys"]]
    if not missing and not reshaped:
        return
    faults = [f"no weights for {_named(missing)}"] if missing else []
    if reshaped:
        faults.append(f"another shape of {_named(reshaped)}")
    if report["unexpected_keys"]:
        faults.append(f"some that it has no place for: {_named(report['unexpected_keys'])}")
    own = type(model).__name__
    saved_as = [kind for kind in getattr(model.config, "architectures", None) or () if kind != own]
    was = f"; its config.json says that it was saved as {saved_as[0]}" if saved_as else ""
    raise ConfigError(
        f"{what} {name}: not a whole {own}: it has {', and '.join(faults)}{was}. What is missing would be "
        "random numbers; give a model that was trained and saved as one, or save or download it again."
    )


def _is_computed(model: Any, key: str) -> bool:
    """Whether transformers computes a tensor where a file lacks it: the sinusoids of Pegasus' published files."""
    owner = model.get_submodule(key.rpartition(".")[0])
    return type(owner).__name__.endswith("SinusoidalPositionalEmbedding")


def _named(keys: Collection[str]) -> str:
    """The first of them in order, and how many more there are."""
    first = ", ".join(sorted(keys)[:NAMED])
    return first if len(keys) <= NAMED else f"{first} and {len(keys) - NAMED} more"


def _shape(size: Any) -> str:
    return "x".join(map(str, size))


def positions(config: Any) -> int | None:
    """How many tokens a model has positions for; None where it has no limit, or does not say (XLNet says -1)."""
    config = config.get_text_config()
    given = getattr(config, "max_position_embeddings", None)
    if given is None or given <= 0 or config.model_type in UNBOUNDED:
        return None
    return int(given - (config.pad_token_id + 1 if config.model_type in AFTER_PADDING else 0))


def longest_text(config: Any, tokenizer: Any) -> int | None:
    """Tokens, special ones included, that model and tokenizer both take; a tokenizer without a limit says 1e30."""
    said = [n for n in (positions(config), tokenizer.model_max_length) if n is not None and 0 < n < NO_LIMIT]
    return int(min(said)) if said else None


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
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        return ". It is an adapter; merge it into its base model by peft's merge_and_unload, and save that."
    if path.is_dir() and list(path.glob("*.bin")) and not list(path.glob("*.safetensors")):
        return ". Its weights are a pickle, which is not loaded; save it again with model.save_pretrained."
    if path.is_dir():
        return ". Delete the directory and run again the stage, or the download, that made it."
    return "."
