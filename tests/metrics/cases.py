"""Every registered metric that needs no model: how it is built, what range it has, and what its score depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rl4lms.core.tables import MetricRegistry

# These load a model, or the evaluate library; their tests are their own.
NEED_A_MODEL = {
    "learned_reward", "intent_accuracy", "causal_perplexity", "evaluate", "bert_score", "bleurt", "summaCZS",
    "summaCConv", "reward",
}  # fmt: skip
NEED_A_PROGRAM = {"spice"}  # Java; test_spice.py


@dataclass(frozen=True)
class Case:
    """upper: of the range [0, upper]; lower than 0 only where said.

    per_text: it has scores per text. by_order: keys that read the set as one stretch of text, so that its order counts.
    """

    args: dict[str, Any] = field(default_factory=dict)
    upper: float = 1.0
    lower: float = 0.0
    per_text: bool = True
    by_order: frozenset[str] = frozenset()


CASES: dict[str, Case] = {
    "increasing_numbers": Case({"min_tokens": 10}),
    "dates": Case(),
    "meteor": Case(),
    "rouge": Case({"use_single_ref": False}),
    "rouge_l_max": Case({"weight_factor": 1.2}),
    "bleu": Case(),
    "sacre_bleu": Case({"tokenize": "intl"}),
    "ter": Case(upper=math.inf),
    "chrf": Case(),
    "cider": Case(upper=10.0),
    "diversity": Case(
        {"window_size": 5},
        upper=math.inf,
        lower=-math.inf,  # GEM's conditional entropy, of a few short texts
        per_text=False,
        by_order=frozenset({"diversity_metrics/msttr-5", "diversity_metrics/msttr-5_nopunct"}),
    ),
    "parent_totto": Case(),
    "bleu_totto": Case(),
}
PER_TEXT = sorted(name for name, case in CASES.items() if case.per_text)


def build(name: str) -> Any:
    """The metric; CIDEr with a fixed corpus, without which its scores belong to the set."""
    metric = MetricRegistry.get(name, CASES[name].args)
    if name == "cider":
        metric.fit([["the cat sat on the mat"], ["a dog runs in the garden", "the dog runs"], ["children play"]])
    return metric
