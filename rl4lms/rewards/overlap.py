"""Rewards by overlap of the finished text with references or a table, in [0, 1] unless documented otherwise."""

from __future__ import annotations

from typing import Annotated, Any

from rl4lms.config.kinds import RougeType, ShapingFn, SingleReference, WordNet
from rl4lms.config.signatures import ArgumentsOf
from rl4lms.metrics.base import MetricResult, mean
from rl4lms.metrics.bleu import BLEUMetric
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.metrics.rouge import RougeMetric
from rl4lms.metrics.rouge_l_max import RougeLMax
from rl4lms.metrics.sacre_bleu import ChrFMetric, SacreBLEUMetric, TERMetric
from rl4lms.metrics.table import ParentToTTo
from rl4lms.rewards.metric_reward import MetricReward


class MeteorRewardFunction(MetricReward):
    """The best METEOR over the references. wordnet: see `MeteorMetric`."""

    name = "meteor"
    key = "lexical/meteor"

    def __init__(self, shaping_fn: ShapingFn = None, wordnet: WordNet = "auto") -> None:
        super().__init__(MeteorMetric(wordnet), shaping_fn)


class RougeRewardFunction(MetricReward):
    """The F-measure of one type of ROUGE: rouge1, rouge2, rougeL or rougeLsum."""

    name = "rouge"

    def __init__(
        self,
        rouge_type: Annotated[RougeType, "The ROUGE whose F is the reward."],
        shaping_fn: ShapingFn = None,
        use_single_ref: SingleReference = True,
    ) -> None:
        super().__init__(RougeMetric(use_single_ref, (rouge_type,)), shaping_fn)
        self.key = f"lexical/rouge_{rouge_type}"


class RougeCombined(MetricReward):
    """The mean of ROUGE-1, -2 and -L against the first reference."""

    name = "rouge_combined"

    def __init__(self, shaping_fn: ShapingFn = None) -> None:
        super().__init__(RougeMetric(True, ("rouge1", "rouge2", "rougeL")), shaping_fn)

    def base_score(self, result: MetricResult) -> float:
        return mean([value for _, value in result.values()])


class RougeLMaxRewardFunction(MetricReward):
    """The best ROUGE-L of the Perl script over the references. The arguments are those of `RougeLMax`."""

    name = "rouge_l_max"
    key = "lexical/rouge_l_max"

    def __init__(self, **args: Annotated[Any, ArgumentsOf(RougeLMax)]) -> None:
        super().__init__(RougeLMax(**args))


class BLEURewardFunction(MetricReward):
    """BLEU of the text, not smoothed: it is 0 unless the text shares a 4-gram with a reference."""

    name = "bleu"
    key = "lexical/bleu"

    def __init__(self) -> None:
        super().__init__(BLEUMetric())


class SacreBleu(MetricReward):
    """sacrebleu's BLEU of the text. The arguments are those of `SacreBLEUMetric`."""

    name = "sacre_bleu"
    key = "lexical/sacrebleu"

    def __init__(self, **args: Annotated[Any, ArgumentsOf(SacreBLEUMetric)]) -> None:
        super().__init__(SacreBLEUMetric(**args))


class TER(MetricReward):
    """1 - edits per reference word: 1 for a perfect text, below 0 if there are more edits than reference words."""

    name = "ter"
    key = "lexical/ter"

    def __init__(self) -> None:
        super().__init__(TERMetric())

    def base_score(self, result: MetricResult) -> float:
        return 1.0 - super().base_score(result)


class chrF(MetricReward):  # noqa: N801 - published name
    """The F of character n-grams."""

    name = "chrf"
    key = "lexical/chrf"

    def __init__(self) -> None:
        super().__init__(ChrFMetric())


class PARENTRewardFunction(MetricReward):
    """The F of PARENT for a ToTTo text, whose row is `raw_table` in the sample's meta data."""

    name = "parent"
    key = "table_to_text/parent_overall_f_score"

    def __init__(self) -> None:
        super().__init__(ParentToTTo())
