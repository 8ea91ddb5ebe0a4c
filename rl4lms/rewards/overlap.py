"""Rewards by overlap with references or a table: the score of the finished text alone, in [0, 1] unless said."""

from __future__ import annotations

from typing import Any

from rl4lms.metrics.base import MetricResult, mean
from rl4lms.metrics.bleu import BLEUMetric
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.metrics.rouge import RougeMetric
from rl4lms.metrics.rouge_l_max import RougeLMax
from rl4lms.metrics.sacre_bleu import ChrFMetric, SacreBLEUMetric, TERMetric
from rl4lms.metrics.table import ParentToTTo
from rl4lms.rewards.metric_reward import MetricReward


class MeteorRewardFunction(MetricReward):
    """METEOR, best over references. wordnet: see `MeteorMetric`."""

    name = "meteor"
    key = "lexical/meteor"

    def __init__(self, shaping_fn: str | None = None, wordnet: str = "auto", accelerator: Any = None) -> None:
        super().__init__(MeteorMetric(wordnet), shaping_fn, accelerator)


class RougeRewardFunction(MetricReward):
    """F-measure of one type of ROUGE: rouge1, rouge2, rougeL or rougeLsum."""

    name = "rouge"

    def __init__(
        self, rouge_type: str, shaping_fn: str | None = None, use_single_ref: bool = True, accelerator: Any = None
    ) -> None:
        super().__init__(RougeMetric(use_single_ref, (rouge_type,)), shaping_fn, accelerator)
        self.key = f"lexical/rouge_{rouge_type}"


class RougeCombined(MetricReward):
    """Mean of ROUGE-1, -2 and -L against the first reference."""

    name = "rouge_combined"

    def __init__(self, shaping_fn: str | None = None, accelerator: Any = None) -> None:
        super().__init__(RougeMetric(True, ("rouge1", "rouge2", "rougeL")), shaping_fn, accelerator)

    def base_score(self, result: MetricResult) -> float:
        return mean([value for _, value in result.values()])


class RougeLMaxRewardFunction(MetricReward):
    """ROUGE-L of the Perl script, best over references; the arguments are `RougeLMax`'s."""

    name = "rouge_l_max"
    key = "lexical/rouge_l_max"

    def __init__(self, accelerator: Any = None, **args: Any) -> None:
        super().__init__(RougeLMax(**args), None, accelerator)


class BLEURewardFunction(MetricReward):
    """BLEU of the single text, unsmoothed: 0 unless it shares a 4-gram with a reference."""

    name = "bleu"
    key = "lexical/bleu"

    def __init__(self, accelerator: Any = None) -> None:
        super().__init__(BLEUMetric(), None, accelerator)


class SacreBleu(MetricReward):
    """sacrebleu's BLEU of the single text; the arguments are `SacreBLEUMetric`'s."""

    name = "sacre_bleu"
    key = "lexical/sacrebleu"

    def __init__(self, accelerator: Any = None, **args: Any) -> None:
        super().__init__(SacreBLEUMetric(**args), None, accelerator)


class TER(MetricReward):
    """1 - edits per reference word: 1 for a perfect text, below 0 if there are more edits than reference words.

    Its time is bounded: at most 1,000 shifts are tried a text, as in sacrebleu, and they are measured together.
    """

    name = "ter"
    key = "lexical/ter"

    def __init__(self, accelerator: Any = None) -> None:
        super().__init__(TERMetric(), None, accelerator)

    def base_score(self, result: MetricResult) -> float:
        return 1.0 - super().base_score(result)


class chrF(MetricReward):  # noqa: N801 - published name
    """Character n-gram F."""

    name = "chrf"
    key = "lexical/chrf"

    def __init__(self, accelerator: Any = None) -> None:
        super().__init__(ChrFMetric(), None, accelerator)


class PARENTRewardFunction(MetricReward):
    """PARENT F of a ToTTo text; the sample's meta data hold the row as `raw_table`."""

    name = "parent"
    key = "table_to_text/parent_overall_f_score"

    def __init__(self, accelerator: Any = None) -> None:
        super().__init__(ParentToTTo(), None, accelerator)
