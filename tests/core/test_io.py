from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError
from rl4lms.core.io import parse_json, read_json, read_jsonl, read_lines

DEEP = "[" * 100_000 + "]" * 100_000
DAMAGED = [
    DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000, "1" * 5_000, "1" * 301, "1e999", "-1e999", "NaN", "-Infinity",
    '"\\ud800"', '{"\\uDFFF": 1}', "{", "",
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:12])
def test_whatever_breaks_its_reader_is_damage(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(DataError, match="state.json: not valid JSON") as error:
        read_json(tmp_path / "state.json")
    (tmp_path / "rows.jsonl").write_text(f'{{"a": {text}}}\n')
    with pytest.raises(DataError, match="rows.jsonl, line 1: not valid JSON"):
        read_jsonl(tmp_path / "rows.jsonl")
    assert len(str(error.value)) < 1000


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match="a.json: not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(DataError, match="a.json: not UTF-8 text after line 0"):
        read_jsonl(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[1]", encoding="utf-16")
    for read in (read_json, read_jsonl):
        with pytest.raises(DataError, match="a.json: text in UTF-16; expected UTF-8"):
            read(tmp_path / "a.json")


def test_what_json_can_say_is_read() -> None:
    said: dict[str, Any] = {'"\\ud83d\\ude00"': "\U0001f600", "1e308": 1e308, "1" * 300: int("1" * 300), "-0.0": 0.0}
    assert {text: parse_json(text) for text in said} == said
    assert parse_json("[NaN]", allow_nan=True)[0] != 0


def test_lines_end_at_a_line_feed_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffa\rb\u2028c\r\n\x85\n\nlast\r".encode())
    assert list(read_lines(tmp_path / "a")) == [(1, "a\rb\u2028c"), (2, "\x85"), (3, ""), (4, "last\r")]
