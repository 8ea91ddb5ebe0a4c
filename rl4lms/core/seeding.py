"""Random streams from one seed. Every stream is keyed by what it is for, so no draw shifts another."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive_seed(*keys: int | str) -> int:
    """A 63-bit seed from a tuple of keys, e.g. (seed, "rollout", iteration, episode). Pure, stable across versions."""
    digest = hashlib.blake2b("\x1f".join(f"{type(k).__name__}:{k}" for k in keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_generator(*keys: int | str) -> np.random.Generator:
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive_seed(*keys)))


def torch_generator(*keys: int | str, device: str = "cpu") -> torch.Generator:
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(*keys))


def seed_everything(seed: int) -> None:
    """Seed python, numpy, torch and CUDA. Library code draws from keyed generators; this is for code we do not own."""
    import numpy as np
    import torch

    os.environ.setdefault("PYTHONHASHSEED", str(seed))
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
