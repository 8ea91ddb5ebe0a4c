from rl4lms.algorithms.a2c import A2C as A2C
from rl4lms.algorithms.dapo import DAPO as DAPO
from rl4lms.algorithms.dpo import DPO as DPO
from rl4lms.algorithms.grpo import CISPO as CISPO
from rl4lms.algorithms.grpo import GRPO as GRPO
from rl4lms.algorithms.grpo import GSPO as GSPO
from rl4lms.algorithms.grpo import DrGRPO as DrGRPO
from rl4lms.algorithms.nlpo import NLPO as NLPO
from rl4lms.algorithms.ppo import PPO as PPO
from rl4lms.algorithms.raft import RAFT as RAFT
from rl4lms.algorithms.reinforce import REINFORCE as REINFORCE
from rl4lms.algorithms.reinforce import RLOO as RLOO
from rl4lms.algorithms.reinforce import REINFORCEPlusPlus as REINFORCEPlusPlus
from rl4lms.algorithms.reinforce import ReMax as ReMax
from rl4lms.algorithms.trpo import TRPO as TRPO
from rl4lms.api import register as register
from rl4lms.api.run import Run as Run
from rl4lms.api.run import compare as compare
from rl4lms.api.run import load as load
from rl4lms.api.scoring import evaluate as evaluate
from rl4lms.api.training import train as train
from rl4lms.core.errors import ConfigError as ConfigError
from rl4lms.core.errors import DataError as DataError
from rl4lms.core.errors import RunError as RunError
from rl4lms.data_pools.text_generation_pool import Sample as Sample
from rl4lms.data_pools.text_generation_pool import TextGenPool as DataPool
from rl4lms.metrics.base import BaseMetric as Metric
from rl4lms.rewards.base import BatchedRewardFunction as BatchedReward
from rl4lms.rewards.base import RewardFunction as Reward
from rl4lms.tokenization.observation import Observation as Observation

__version__: str
__all__ = [
    "A2C", "CISPO", "DAPO", "DPO", "GRPO", "GSPO", "NLPO", "PPO", "RAFT", "REINFORCE", "RLOO", "TRPO",
    "BatchedReward", "ConfigError", "DataError", "DataPool", "DrGRPO", "Metric", "Observation", "REINFORCEPlusPlus",
    "ReMax", "Reward", "Run", "RunError", "Sample", "__version__", "compare", "evaluate", "load", "register",
    "train",
]  # fmt: skip
