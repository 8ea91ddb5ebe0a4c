"""Published face: RL4LMs' metric classes at their published path."""

from rl4lms.metrics.base import BaseMetric
from rl4lms.metrics.bert_score import BertScoreMetric as BERTScoreMetric
from rl4lms.metrics.bleu import BLEUMetric
from rl4lms.metrics.bleurt import BleurtMetric as BLEURTMetric
from rl4lms.metrics.cider import CiderMetric as CIDERMetric
from rl4lms.metrics.diversity import DiversityMetrics
from rl4lms.metrics.learned import IntentAccuracyDailyDialog, LearnedRewardMetric
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.metrics.perplexity import Perplexity
from rl4lms.metrics.rouge import RougeMetric
from rl4lms.metrics.rouge_l_max import RougeLMax
from rl4lms.metrics.sacre_bleu import ChrFMetric as chrFmetric
from rl4lms.metrics.sacre_bleu import SacreBLEUMetric, TERMetric
from rl4lms.metrics.spice import SpiceMetric
from rl4lms.metrics.summac import SummaCConv as SummaCConvMetric
from rl4lms.metrics.summac import SummaCZS as SummaCZSMetric
from rl4lms.metrics.table import BLEUToTTo, ParentToTTo

__all__ = [
    "BERTScoreMetric",
    "BLEUMetric",
    "BLEURTMetric",
    "BLEUToTTo",
    "BaseMetric",
    "CIDERMetric",
    "DiversityMetrics",
    "IntentAccuracyDailyDialog",
    "LearnedRewardMetric",
    "MeteorMetric",
    "ParentToTTo",
    "Perplexity",
    "RougeLMax",
    "RougeMetric",
    "SacreBLEUMetric",
    "SpiceMetric",
    "SummaCConvMetric",
    "SummaCZSMetric",
    "TERMetric",
    "chrFmetric",
]
