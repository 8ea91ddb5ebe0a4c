"""Published face: `rl4lms.envs.text_generation.registry.<Kind>Registry.add(id, cls)`."""

from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    PostProcessorRegistry,
    RewardFunctionRegistry,
    WrapperRegistry,
)

__all__ = [
    "AlgorithmRegistry",
    "DataPoolRegistry",
    "MetricRegistry",
    "PolicyRegistry",
    "PostProcessorRegistry",
    "RewardFunctionRegistry",
    "WrapperRegistry",
]
