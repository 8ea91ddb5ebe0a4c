from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, RunError, one_line, report_error, safe_for_terminal
from rl4lms.core.pretrained import from_pretrained
from rl4lms.core.streams import PlainFormatter

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "\x1b[2J\x1b]0;title\x07 \u202egnp.exe \x9b31m \ud800 \u2028 \x00"


@pytest.mark.parametrize("text", ["plain", "\u65e5\u672c", "\U0001f468\u200d\U0001f469", "a\xa0b", "a  b"])
def test_text_stays_text(text: str) -> None:
    assert safe_for_terminal(text) == text == one_line(text)


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    assert safe_for_terminal(HOSTILE) == r"\x1b[2J\x1b]0;title\x07 \u202egnp.exe \x9b31m \ud800 \u2028 \x00"
    assert safe_for_terminal("two\nlines") == "two\nlines"
    assert one_line("two\n  lines\r\n\u2028and more") == "two lines and more"


def test_an_error_is_one_short_line_whatever_it_says(capsys: Any) -> None:
    assert report_error(RunError(f"{HOSTILE}\n{'x' * 100_000}")) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: \\x1b[2J") and said.count("\n") == 1 and len(said) < 9_000
    assert "... (92," in said and "characters more" in said


def test_a_log_and_the_view_of_a_run_obey_no_name() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter("%(message)s"))
    handler.emit(logging.LogRecord("rl4lms", logging.INFO, "f", 1, "metric %s", (HOSTILE,), None))
    progress.begin(HOSTILE)
    progress.phase(HOSTILE, 1, 2)
    progress.detail(HOSTILE, 1, 2)
    progress.steps(1, 2, HOSTILE)
    progress.numbers({HOSTILE: 1.0})
    said = stream.getvalue().rstrip("\n") + progress.state().line(0.0)
    progress.begin("")
    assert said.isprintable() and said.count("x1b[2J") == 6


def test_a_run_without_standard_streams_ends_as_any_other(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from rl4lms.cli.main import main\n"
        "code = main(['compare', '/nowhere', '/nowhere'])\n"
        "opened = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\n"
        "os.write(opened, f'{code} {opened > 2} {sys.stderr is not None}'.encode())\n"
    )
    said = tmp_path / "said"
    command = f'"{sys.executable}" -c "$1" "{said}" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, "sh", code], check=True, cwd=ROOT, timeout=60)
    assert said.read_text() == "2 True True"


class Model:
    @staticmethod
    def from_pretrained(name: str, **kwargs: Any) -> str:
        return "loaded"


@pytest.mark.parametrize("file", ["../../other/model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", 5, ""])
def test_an_index_of_weights_names_files_of_its_own_directory(file: Any, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    assert from_pretrained(Model, str(tmp_path), "model") == "loaded"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": file}}))
    with pytest.raises(ConfigError, match="model.safetensors.index.json names .*; expected files in its own directory"):
        from_pretrained(Model, str(tmp_path), "model")
    index.write_text("[]")
    with pytest.raises(ConfigError, match="expected an object with the files of its tensors"):
        from_pretrained(Model, str(tmp_path), "model")
