from __future__ import annotations

from pathlib import Path

from rl4lms.data_pools.translation import IWSLT2017EnDe

from .conftest import Write, pair


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
