import math
from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.cider import CiderMetric, DocumentFrequencies, _idf_by_count, read_references
from tests.metrics.conftest import random_pairs

KEY = "lexical/cider"


def test_example_by_hand() -> None:
    """Two samples; "a" is in both references (IDF 0), "b" in one (IDF log 2), "c" in none (seen once: log 2).

    Text "b c" against "a b": unigrams b against b: log2 * log2 over norms sqrt(2) log2 and log2; no common bigram.
    Equal lengths, so no penalty: 10 * (1 / sqrt 2) / 4. Text "a" shares only what has weight 0.
    """
    scores, value = CiderMetric().compute(None, ["b c", "a"], [["a b"], ["a"]])[KEY]
    assert scores == pytest.approx([10 / math.sqrt(2) / 4, 0.0])
    assert value == pytest.approx(10 / math.sqrt(2) / 8)


def test_length_penalty_and_clipping() -> None:
    """ "b b b" against "b": the weight is clipped to the reference's, 1 * 1 / (3 * 1), two words too long."""
    frequencies = [["b"], ["x"]]
    metric = CiderMetric()
    metric.fit(frequencies)
    scores, _ = metric.compute(None, ["b b b"], [["b"]])[KEY]
    assert scores == pytest.approx([10 / 4 * (1 / 3) * math.exp(-4 / 72)])


def test_a_copy_of_the_only_reference_scores_ten() -> None:
    metric = CiderMetric()
    texts = ["one two three four five", "six seven eight nine"]
    assert metric.compute(None, texts, [[text] for text in texts])[KEY][0] == pytest.approx([10.0, 10.0])


def test_samples_with_one_prompt_have_their_own_scores() -> None:
    """RL4LMs kept scores by prompt: both samples got that of the last."""
    texts, references = ["the dog runs", "nothing of it"], [["the dog runs"], ["a cat sleeps here"]]
    alike, _ = CiderMetric().compute(["same", "same"], texts, references)[KEY]
    apart, _ = CiderMetric().compute(["one", "two"], texts, references)[KEY]
    assert alike == apart
    assert alike is not None and alike[0] > alike[1]


def test_without_a_corpus_a_score_depends_on_the_set_and_with_one_it_does_not() -> None:
    texts, references = random_pairs(12, seed=3, references=3)
    metric = CiderMetric()
    assert metric.depends_on_batch
    whole, _ = metric.compute(None, texts, references)[KEY]
    assert metric.compute(None, texts[:1], references[:1])[KEY] == ([0.0], 0.0)  # one document: every IDF is log 1
    metric.fit(references)
    assert not metric.depends_on_batch
    fitted, _ = metric.compute(None, texts, references)[KEY]
    assert fitted == whole
    alone = [metric.compute(None, [t], [r])[KEY][1] for t, r in zip(texts, references, strict=True)]
    assert alone == pytest.approx(whole, abs=1e-12)


def test_document_frequencies_count_samples_not_occurrences() -> None:
    frequencies = DocumentFrequencies.of([[("a", "a", "b"), ("a",)], [("b",)]])
    assert (frequencies.n_documents, frequencies.counts["a",], frequencies.counts["b",]) == (2, 1, 2)
    assert _idf_by_count(2) == [math.log(2), math.log(2), 0.0]
    with pytest.raises(DataError, match="no references"):
        DocumentFrequencies.of([])


def test_idf_from_a_file(tmp_path: Path) -> None:
    lists, lines = tmp_path / "references.jsonl", tmp_path / "references.txt"
    lists.write_text('["the dog", "a dog"]\n\n["a cat"]\n', encoding="utf-8")
    lines.write_text("the dog\na cat\n", encoding="utf-8")
    assert read_references(str(lists)) == [["the dog", "a dog"], ["a cat"]]
    assert read_references(str(lines)) == [["the dog"], ["a cat"]]
    metric = MetricRegistry.get("cider", {"idf": str(lists)})
    assert metric.compute(None, ["a dog"], [["a dog"]])[KEY][1] > 0
    assert metric.labels() == {KEY: "CIDEr-D, tokens: words, IDF: references.jsonl (2 samples)"}
    for text, message in (("{1", "not valid JSON"), ('{"a": 1}', "expected a list"), ("[]", "expected a list")):
        lists.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=f"line 1: {message}"):
            read_references(str(lists))
    with pytest.raises(ConfigError, match="idf: .*absent.txt: cannot be read"):
        MetricRegistry.get("cider", {"idf": str(tmp_path / "absent.txt")})
