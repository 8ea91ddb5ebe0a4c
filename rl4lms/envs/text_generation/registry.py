"""The published import path `rl4lms.envs.text_generation.registry.<Kind>Registry.add(id, cls)`."""

from rl4lms.core.tables import AlgorithmRegistry as AlgorithmRegistry
from rl4lms.core.tables import DataPoolRegistry as DataPoolRegistry
from rl4lms.core.tables import MetricRegistry as MetricRegistry
from rl4lms.core.tables import PolicyRegistry as PolicyRegistry
from rl4lms.core.tables import PostProcessorRegistry as PostProcessorRegistry
from rl4lms.core.tables import RewardFunctionRegistry as RewardFunctionRegistry
from rl4lms.core.tables import WrapperRegistry as WrapperRegistry
