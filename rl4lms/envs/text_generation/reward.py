"""The published import path of RL4LMs' reward classes."""

from rl4lms.rewards.base import BatchedRewardFunction as BatchedRewardFunction
from rl4lms.rewards.base import RewardFunction as RewardFunction
from rl4lms.rewards.learned import BERTScoreRewardFunction as BERTScoreRewardFunction
from rl4lms.rewards.learned import BLEURTRewardFunction as BLEURTRewardFunction
from rl4lms.rewards.learned import IntentAccuracyReward
from rl4lms.rewards.learned import LearnedRewardFunction as LearnedRewardFunction
from rl4lms.rewards.overlap import TER as TER
from rl4lms.rewards.overlap import BLEURewardFunction as BLEURewardFunction
from rl4lms.rewards.overlap import MeteorRewardFunction as MeteorRewardFunction
from rl4lms.rewards.overlap import PARENTRewardFunction as PARENTRewardFunction
from rl4lms.rewards.overlap import RougeCombined as RougeCombined
from rl4lms.rewards.overlap import RougeLMaxRewardFunction as RougeLMaxRewardFunction
from rl4lms.rewards.overlap import RougeRewardFunction as RougeRewardFunction
from rl4lms.rewards.overlap import SacreBleu as SacreBleu
from rl4lms.rewards.overlap import chrF as chrF
from rl4lms.rewards.shaping import BatchedCommonGenPenaltyShapingFunction as BatchedCommonGenPenaltyShapingFunction
from rl4lms.rewards.shaping import CommonGenPenaltyShapingFunction as CommonGenPenaltyShapingFunction
from rl4lms.rewards.spider import SpiderRewardFunction as SpiderRewardFunction

IntentAccuracy = IntentAccuracyReward
LearnedBatchedRewardFunction = LearnedRewardFunction
