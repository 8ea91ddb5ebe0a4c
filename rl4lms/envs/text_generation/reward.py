"""Published face: RL4LMs' reward classes at their published path."""

from rl4lms.rewards.base import BatchedRewardFunction, RewardFunction
from rl4lms.rewards.learned import BERTScoreRewardFunction, BLEURTRewardFunction, LearnedRewardFunction
from rl4lms.rewards.learned import IntentAccuracyReward as IntentAccuracy
from rl4lms.rewards.overlap import (
    TER,
    BLEURewardFunction,
    MeteorRewardFunction,
    PARENTRewardFunction,
    RougeCombined,
    RougeLMaxRewardFunction,
    RougeRewardFunction,
    SacreBleu,
    chrF,
)
from rl4lms.rewards.shaping import BatchedCommonGenPenaltyShapingFunction, CommonGenPenaltyShapingFunction
from rl4lms.rewards.spider import SpiderRewardFunction

LearnedBatchedRewardFunction = LearnedRewardFunction

__all__ = [
    "TER",
    "BERTScoreRewardFunction",
    "BLEURTRewardFunction",
    "BLEURewardFunction",
    "BatchedCommonGenPenaltyShapingFunction",
    "BatchedRewardFunction",
    "CommonGenPenaltyShapingFunction",
    "IntentAccuracy",
    "LearnedBatchedRewardFunction",
    "LearnedRewardFunction",
    "MeteorRewardFunction",
    "PARENTRewardFunction",
    "RewardFunction",
    "RougeCombined",
    "RougeLMaxRewardFunction",
    "RougeRewardFunction",
    "SacreBleu",
    "SpiderRewardFunction",
    "chrF",
]
