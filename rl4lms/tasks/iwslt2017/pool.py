"""IWSLT 2017 from English to German: the pool `iwslt2017en_de`."""

from __future__ import annotations

from rl4lms.data_pools.translation import EnglishGermanPool
from rl4lms.tasks.iwslt2017 import TASK


class IWSLT2017EnDe(EnglishGermanPool):
    """Talks."""

    dataset = TASK.data
