"""Reinforcement learning for language generation: `rl4lms.train(...)`, and the benchmark GRUE on top of it.

Nothing is imported before it is used (PEP 562): `import rl4lms` costs no torch, and a stage of the benchmark no more
than it needs. `__init__.pyi` says the same names to editors and to mypy.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that it is, or "module:name".
_PUBLIC = {
    "train": "rl4lms.api.training:train",
    "load": "rl4lms.api.run:load",
    "compare": "rl4lms.api.run:compare",
    "evaluate": "rl4lms.api.scoring:evaluate",
    "register": "rl4lms.api.register",
    "Run": "rl4lms.api.run:Run",
    "Reward": "rl4lms.rewards.base:RewardFunction",
    "BatchedReward": "rl4lms.rewards.base:BatchedRewardFunction",
    "Metric": "rl4lms.metrics.base:BaseMetric",
    "DataPool": "rl4lms.data_pools.text_generation_pool:TextGenPool",
    "Sample": "rl4lms.data_pools.text_generation_pool:Sample",
    "Observation": "rl4lms.tokenization.observation:Observation",
    "PPO": "rl4lms.algorithms.ppo:PPO",
    "NLPO": "rl4lms.algorithms.nlpo:NLPO",
    "A2C": "rl4lms.algorithms.a2c:A2C",
    "TRPO": "rl4lms.algorithms.trpo:TRPO",
    "GRPO": "rl4lms.algorithms.grpo:GRPO",
    "DrGRPO": "rl4lms.algorithms.grpo:DrGRPO",
    "GSPO": "rl4lms.algorithms.grpo:GSPO",
    "CISPO": "rl4lms.algorithms.grpo:CISPO",
    "DAPO": "rl4lms.algorithms.dapo:DAPO",
    "RLOO": "rl4lms.algorithms.reinforce:RLOO",
    "REINFORCE": "rl4lms.algorithms.reinforce:REINFORCE",
    "REINFORCEPlusPlus": "rl4lms.algorithms.reinforce:REINFORCEPlusPlus",
    "ReMax": "rl4lms.algorithms.reinforce:ReMax",
    "RAFT": "rl4lms.algorithms.raft:RAFT",
    "DPO": "rl4lms.algorithms.dpo:DPO",
    "ConfigError": "rl4lms.core.errors:ConfigError",
    "DataError": "rl4lms.core.errors:DataError",
    "RunError": "rl4lms.core.errors:RunError",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'rl4lms' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    found = importlib.import_module(module)
    value = globals()[name] = getattr(found, attribute) if attribute else found
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
