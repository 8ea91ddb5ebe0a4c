"""The published registries (RL4LMs, `rl4lms.envs.text_generation.registry`) are whole."""

from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry

REWARDS = """
    increasing_numbers sentences_with_dates learned_reward meteor rouge rouge_combined rouge_l_max bert_score bleu
    sacre_bleu bleurt ter chrf spider parent common_gen_repeat_penalty common_gen_repeat_penalty_batched
    common_gen_preference_model intent_accuracy
"""
METRICS = """
    learned_reward meteor rouge rouge_l_max bert_score bleu sacre_bleu bleurt ter chrf diversity summaCZS summaCConv
    causal_perplexity parent_totto intent_accuracy increasing_numbers dates
"""


def test_every_published_reward_is_there() -> None:
    assert set(REWARDS.split()) <= set(RewardFunctionRegistry.table.ids())


def test_every_published_metric_is_there() -> None:
    assert set(METRICS.split()) <= set(MetricRegistry.table.ids())
