"""Every overlap metric equals its official scorer to 1e-6, in golden numbers that `tests/golden/` makes from these."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics import table
from tests.golden.texts import REFERENCES, TEXTS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "overlap.json").read_text(encoding="utf-8"))


def name_of(case: dict[str, Any]) -> str:
    return " ".join([case["key"], *(f"{name}={value}" for name, value in case["args"].items())])


def build(case: dict[str, Any]) -> Any:
    """The metric; skipped where what no lock file brings (Java, WordNet, Punkt) is not on the machine."""
    try:
        return MetricRegistry.get(case["metric"], case["args"])
    except ConfigError as error:
        if case["args"].items() & {("tokenizer", "ptb"), ("wordnet", "wordnet"), ("ensure_compatibility", False)}:
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=name_of)
def test_equals_the_official_scorer(case: dict[str, Any]) -> None:
    scores, value = build(case).compute(None, TEXTS, REFERENCES)[case["key"]]
    assert scores == pytest.approx(case["texts"], abs=1e-6)
    assert value == pytest.approx(case["set"], abs=1e-6)


def test_the_golden_numbers_tell_texts_and_settings_apart() -> None:
    """A scorer that is broken, or deaf to its arguments, would not be caught by numbers that are all alike."""
    for case in GOLDEN["cases"]:
        assert len(case["texts"]) == len(TEXTS)
        assert len(set(case["texts"])) > len(TEXTS) / 2
    columns = [(case["key"], tuple(case["texts"])) for case in GOLDEN["cases"] if case["metric"] != "rouge_l_max"]
    assert len(set(columns)) == len(columns)


TOTTO = json.loads((Path(__file__).parents[1] / "golden" / "totto.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "totto" / "validation.jsonl"


def assert_equals_the_authors(rows: list[dict[str, Any]], texts: list[str], expected: dict[str, Any]) -> None:
    infos = [{"raw_table": row} for row in rows]
    ours = {
        key: entry
        for name in ("parent_totto", "bleu_totto")
        for key, entry in MetricRegistry.get(name).compute(None, texts, None, infos).items()
    }
    per_text = {key.removesuffix("/texts"): values for key, values in expected.items() if key.endswith("/texts")}
    assert set(ours) == set(expected) - {f"{key}/texts" for key in per_text}
    for key, (_, value) in ours.items():
        assert value == pytest.approx(expected[key], abs=1e-6), key
    key = "table_to_text/parent_overall_f_score"
    assert ours[key][0] == pytest.approx(per_text[key], abs=1e-6)


def test_totto_equals_the_authors_scripts() -> None:
    assert_equals_the_authors(TOTTO["rows"], TOTTO["texts"], TOTTO["scores"])


def test_the_golden_rows_need_every_step_of_the_authors_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the detokenizer the numbers are others, so the test above would see it missing."""
    monkeypatch.setattr(table, "moses_detokenize", lambda line: line)
    for cache in (table.mteval_words, table._table_words):
        cache.cache_clear()
    with pytest.raises(AssertionError, match="table_to_text"):
        assert_equals_the_authors(TOTTO["rows"], TOTTO["texts"], TOTTO["scores"])
    for cache in (table.mteval_words, table._table_words):
        cache.cache_clear()


@pytest.mark.slow
def test_totto_equals_the_authors_scripts_on_their_own_sample(tmp_path: Path) -> None:
    """Live, against checkouts that $TOTTO_PYTHONPATH and $MOSES name as tests/golden/totto.py says."""
    path, moses = os.environ.get("TOTTO_PYTHONPATH"), os.environ.get("MOSES")
    if not path or not moses or not SHARED.exists():
        pytest.skip("no checkout of the authors' scripts ($TOTTO_PYTHONPATH, $MOSES), or no shared ToTTo rows")
    rows = [json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(0)
    sentences = [row["sentence_annotations"][-1]["final_sentence"] for row in rows]
    texts = [" ".join(w for w in sentence.split() if rng.random() < 0.8) for sentence in sentences]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.golden.totto", "--moses", moses, "--rows", SHARED, "--texts"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *filter(None, sys.path)])}
    answer = subprocess.run(
        [*command, tmp_path / "texts.txt"], env=environment, capture_output=True, text=True, check=True
    )
    assert_equals_the_authors(rows, texts, json.loads(answer.stdout))
