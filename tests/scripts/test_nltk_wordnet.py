from pathlib import Path

import pytest

from rl4lms.core.errors import DataError
from scripts.nltk_wordnet import FILES, install, lexnames


def test_lexnames_are_those_of_the_manual() -> None:
    """lexnames(5WN): 45 files, numbered 00 to 44; the part of speech is 1 noun, 2 verb, 3 adjective, 4 adverb."""
    rows = [line.split("\t") for line in lexnames().splitlines()]
    assert [number for number, _, _ in rows] == [f"{i:02d}" for i in range(45)]
    parts = {"adj": "3", "adv": "4", "noun": "1", "verb": "2"}
    assert all(parts[name.split(".")[0]] == part for _, name, part in rows)
    assert {number: name for number, name, _ in rows}.items() >= {
        "00": "adj.all", "02": "adv.all", "03": "noun.Tops", "05": "noun.animal", "28": "noun.time",
        "29": "verb.body", "43": "verb.weather", "44": "adj.ppl",
    }.items()  # fmt: skip


def test_files_are_copied_where_nltk_looks(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in FILES:
        (source / name).write_text(name, encoding="ascii")
    folder = install(source, tmp_path / "nltk_data")
    assert folder == tmp_path / "nltk_data" / "corpora" / "wordnet"
    assert {path.name for path in folder.iterdir()} == {*FILES, "lexnames"}
    assert not any(path.is_symlink() for path in folder.iterdir())
    (source / "data.verb").unlink()
    with pytest.raises(DataError, match="no data.verb. Install wordnet-base"):
        install(source, tmp_path / "nltk_data")
