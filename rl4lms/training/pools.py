"""The data pools of a run, each built once, and the digest of their samples."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rl4lms.config.schema import ComponentConfig
from rl4lms.core.errors import DataError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.core.user_code import digest_of
from rl4lms.data_pools.text_generation_pool import TextGenPool, check_samples


def build_pool(config: ComponentConfig, split: str) -> TextGenPool:
    """Build the pool of a split. Raises DataError if it has no samples or a field has a wrong type."""
    pool: TextGenPool = DataPoolRegistry.get(config.id, {**config.args, "split": split})
    if not len(pool):
        raise DataError(f"datapool {config.id}, split {split}: no samples; check its data and arguments.")
    check_samples(pool, f"datapool {config.id}, split {split}")
    return pool


class Pools(dict[str, TextGenPool]):
    """The pools of a configuration by split, each built on first access."""

    def __init__(self, config: ComponentConfig) -> None:
        super().__init__()
        self._config = config

    def __missing__(self, split: str) -> TextGenPool:
        self[split] = build_pool(self._config, split)
        return self[split]


def digest_of_samples(pool: TextGenPool) -> str:
    """sha256 over all samples and their weights, in order. Raises UndigestibleError if meta_data has no digest."""
    digest, encode = hashlib.sha256(), json.JSONEncoder(default=_foreign, check_circular=False).encode
    for sample, weight in pool:
        row = (sample.id, sample.prompt_or_input_text, sample.references, sample.meta_data, weight)
        try:
            digest.update(encode(row).encode())
        except (TypeError, ValueError, RecursionError):  # JSON has no such key, or the value is cyclic or too deep
            digest.update(digest_of(row).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _foreign(value: Any) -> str:
    return f"{type(value).__name__} {digest_of(value)}"
