from rl4lms.config.schema import ComponentConfig
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.training.builders import build_reward


def test_a_reward_that_rests_on_a_corpus_gets_the_training_pools_references() -> None:
    pool = TextGenPool([Sample(str(i), "p", [text, "x"]) for i, text in enumerate(("a dog", "a cat", "a bird"))])
    reward = build_reward(ComponentConfig("metric_reward", {"metric": "cider"}), pool)
    assert not reward.needs_references
    assert reward.metric.labels()["lexical/cider"].endswith("IDF: the training pool (3 samples)")
    assert reward(["p"], ["a dog"], [["a dog"]], [True])[0] > 0
    assert build_reward(None, pool) is None
