"""The published import path of RL4LMs' metric classes."""

from rl4lms.metrics.base import BaseMetric as BaseMetric
from rl4lms.metrics.bert_score import BertScoreMetric
from rl4lms.metrics.bleu import BLEUMetric as BLEUMetric
from rl4lms.metrics.bleurt import BleurtMetric
from rl4lms.metrics.cider import CiderMetric
from rl4lms.metrics.diversity import DiversityMetrics as DiversityMetrics
from rl4lms.metrics.learned import IntentAccuracyDailyDialog as IntentAccuracyDailyDialog
from rl4lms.metrics.learned import LearnedRewardMetric as LearnedRewardMetric
from rl4lms.metrics.meteor import MeteorMetric as MeteorMetric
from rl4lms.metrics.perplexity import Perplexity as Perplexity
from rl4lms.metrics.rouge import RougeMetric as RougeMetric
from rl4lms.metrics.rouge_l_max import RougeLMax as RougeLMax
from rl4lms.metrics.sacre_bleu import ChrFMetric
from rl4lms.metrics.sacre_bleu import SacreBLEUMetric as SacreBLEUMetric
from rl4lms.metrics.sacre_bleu import TERMetric as TERMetric
from rl4lms.metrics.spice import SpiceMetric as SpiceMetric
from rl4lms.metrics.summac import SummaCConv, SummaCZS
from rl4lms.metrics.table import BLEUToTTo as BLEUToTTo
from rl4lms.metrics.table import ParentToTTo as ParentToTTo

BERTScoreMetric = BertScoreMetric
BLEURTMetric = BleurtMetric
CIDERMetric = CiderMetric
SummaCConvMetric = SummaCConv
SummaCZSMetric = SummaCZS
chrFmetric = ChrFMetric  # noqa: N816 - published name
