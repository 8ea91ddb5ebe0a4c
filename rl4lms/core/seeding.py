"""Derives independent random generators from one seed and a purpose, so that no draw changes the others."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive_seed(*keys: int | str) -> int:
    """A 63-bit seed computed from keys such as (seed, "rollout", iteration, episode); the same in every version."""
    digest = hashlib.blake2b("\x1f".join(f"{type(k).__name__}:{k}" for k in keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_generator(*keys: int | str) -> np.random.Generator:
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive_seed(*keys)))


def torch_generator(*keys: int | str, device: str = "cpu") -> torch.Generator:
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(*keys))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch, which only other libraries and users' code draw from."""
    import numpy as np
    import torch

    os.environ.setdefault("PYTHONHASHSEED", str(seed))
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
