from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.data_pools.translation import WMT16NewsOnlyDatasetEnDe, wmt
from rl4lms.tasks.iwslt2017.pool import IWSLT2017EnDe

from .conftest import Write, pair

PREFIX = "translate English to German: "


def test_prefix_and_suffix(write: Write) -> None:
    rows = [pair("The dog runs.", "Der Hund läuft.")]
    data_dir = str(write(train=rows, val=rows, test=rows))
    sample = IWSLT2017EnDe.prepare("val", " >>", "translate English to German: ", data_dir=data_dir)[0][0]
    assert sample.prompt_or_input_text == "translate English to German: The dog runs. >>"
    assert (sample.id, sample.references, sample.meta_data) == ("val_0", ["Der Hund läuft."], None)
    assert IWSLT2017EnDe.prepare("val", data_dir=data_dir)[0][0].prompt_or_input_text == "The dog runs."


def test_real_pairs_under_the_parent_folder_or_their_own(shared_data: Path) -> None:
    for data_dir in (shared_data, shared_data / "translation_en_de"):
        pool = IWSLT2017EnDe.prepare("val", data_dir=str(data_dir))
        assert len(pool) == 1014
        assert pool[0][0].references == ["Eine Gruppe von Männern lädt Baumwolle auf einen Lastwagen"]


@pytest.mark.parametrize("pool_id", ["wmt14_processed_en_de", "wmt16newsonly"])
def test_english_german_pools(pool_id: str, write: Write) -> None:
    data_dir = str(write(pool_id, train=[pair("One.", "Eins.")], val=[pair("Two.", "Zwei.")], test=[pair("a")]).parent)
    args = {"split": "val", "prompt_prefix": PREFIX, "data_dir": data_dir}
    (item,) = DataPoolRegistry.get(pool_id, args)
    assert (item[0].id, item[0].prompt_or_input_text, item[0].references) == ("val_0", f"{PREFIX}Two.", ["Zwei."])


@pytest.mark.parametrize(("source", "target"), [("en", "ro"), ("ro", "en")])
def test_wmt_translates_either_way(source: str, target: str, write: Write) -> None:
    rows = [{"translation": {"en": "Good morning.", "ro": "Bună dimineața."}}]
    data_dir = str(write("wmt16", train=rows, val=rows, test=rows))
    args = {"wmt_id": "wmt16", "source_language": source, "target_language": target, "data_dir": data_dir}
    (item,) = DataPoolRegistry.get("wmt16", {"split": "test", "prompt_suffix": " =", **args})
    pair_of = rows[0]["translation"]
    assert (item[0].prompt_or_input_text, item[0].references) == (pair_of[source] + " =", [pair_of[target]])


def test_where_the_hub_has_each_pair() -> None:
    names = [wmt("wmt16", "en", "de"), wmt("wmt16", "ro", "en"), wmt("wmt19", "de", "fr")]
    assert [(d.hub.path, d.hub.name) for d in names] == [
        ("wmt/wmt16", "de-en"),
        ("wmt/wmt16", "ro-en"),
        ("wmt/wmt19", "fr-de"),
    ]
    assert wmt("wmt19", "en", "de").hub.splits == ("train", "val")  # its test split is cut from train
    hub = WMT16NewsOnlyDatasetEnDe.dataset.hub
    assert [hub.of(s).path for s in ("train", "test")] == ["Helsinki-NLP/news_commentary", "wmt/wmt16"]
    with pytest.raises(ConfigError, match='wmt16: unknown wmt_id "wmt13"'):
        wmt("wmt13", "en", "de")
    with pytest.raises(ConfigError, match="wmt16: source_language and target_language are both en"):
        wmt("wmt16", "en", "en")


@pytest.fixture
def line_files(tmp_path: Path) -> Callable[[str, str, str], Path]:
    def write_lines(split: str, source: str, target: str) -> Path:
        folder = tmp_path / "wmt_en_de"
        folder.mkdir(exist_ok=True)
        (folder / f"{split}.source").write_text(source, encoding="utf-8")
        (folder / f"{split}.target").write_text(target, encoding="utf-8")
        return tmp_path

    return write_lines


def test_pairs_of_line_files(line_files: Callable[[str, str, str], Path]) -> None:
    for split in ("train", "val", "test"):
        directory = line_files(split, f"One {split} .\nTwo .\n", "Eins .\nZwei .")
    pool = DataPoolRegistry.get("wmt14_processed_en_de", {"split": "val", "data_dir": str(directory)})
    assert [(s.prompt_or_input_text, s.references) for s, _ in pool] == [
        ("One val .", ["Eins ."]),
        ("Two .", ["Zwei ."]),
    ]


def test_unequal_line_files_are_one_line(line_files: Callable[[str, str, str], Path]) -> None:
    for source, target, complaint in (
        ("a\nb\n", "a\n", r"val\.source: its \.source has a line 2, its \.target has none; expected equally many"),
        ("a\n", "a\nb\n", r"val\.source: its \.target has a line 2, its \.source has none"),
    ):
        directory = line_files("val", source, target)
        with pytest.raises(DataError, match=complaint):
            DataPoolRegistry.get("wmt14_processed_en_de", {"split": "val", "data_dir": str(directory)})
    (directory / "wmt_en_de" / "val.target").unlink()
    with pytest.raises(DataError, match=r"val\.target: no such file"):
        DataPoolRegistry.get("wmt14_processed_en_de", {"split": "val", "data_dir": str(directory)})


def test_lines_are_no_reviews(tmp_path: Path) -> None:
    (tmp_path / "test.source").write_text("a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.source: pairs of \.source and \.target files hold translations, not"):
        DataPoolRegistry.get("imdb", {"split": "test", "data_dir": str(tmp_path)})


def test_json_is_a_list_of_rows_or_one(tmp_path: Path) -> None:
    for value, n in (([pair("a"), pair("b")], 2), (pair("a"), 1)):
        (tmp_path / "val.json").write_text(json.dumps(value), encoding="utf-8")
        assert len(IWSLT2017EnDe.prepare("val", data_dir=str(tmp_path))) == n
    (tmp_path / "val.json").write_text("[", encoding="utf-8")
    with pytest.raises(DataError, match=r"val\.json: not valid JSON in UTF-8"):
        IWSLT2017EnDe.prepare("val", data_dir=str(tmp_path))
