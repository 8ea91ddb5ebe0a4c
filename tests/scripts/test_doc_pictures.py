"""The pictures of docs/: what the script makes of a terminal's bytes, and what it says where something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError
from scripts.doc_pictures import PictureError, frames, main, packed, terminal_picture, training_command

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
# Two states of rich's live view, then its removal, as a terminal gets them.
WRITTEN = (
    "\x1b[?25l\x1b[1mtrain x\x1b[0m  0:01 gone\r\niteration 0/3\r\x1b[2K\x1b[1A\x1b[2K"
    "\x1b[1mtrain x\x1b[0m  0:02 gone, 0:04 left\r\niteration 1/3\r\nsteps/s 12\r\n"
    "\x1b[?25h\r\x1b[1A\x1b[2K\x1b[1A\x1b[2Ktrain x  0:06 gone\r\niteration 3/3\r\n"
)


def test_frames_are_the_states_of_the_view() -> None:
    assert frames(WRITTEN) == [
        "\x1b[1mtrain x\x1b[0m  0:01 gone\niteration 0/3",
        "\x1b[1mtrain x\x1b[0m  0:02 gone, 0:04 left\niteration 1/3\nsteps/s 12",
        "train x  0:06 gone\niteration 3/3",
    ]


def test_the_terminal_is_drawn_alike_and_loads_nothing() -> None:
    svg = terminal_picture(WRITTEN, "python -m rl4lms train ...")
    assert svg == terminal_picture(WRITTEN, "python -m rl4lms train ...")
    assert "0:04" in svg and "iteration" in svg
    assert "url(" not in svg.replace("url(#", "") and "font-face" not in svg
    with pytest.raises(PictureError, match="take a longer one"):
        terminal_picture("nothing", "x")


def test_what_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "tiny")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/tiny/grue/report.html: not there; finish the suite first (make grue SUITE=tiny).\n"
    )
    with pytest.raises(PictureError, match=r"data/imdb: not there; finish the suite first"):
        training_command(tmp_path / "tiny", "imdb", tmp_path / "out")
    with pytest.raises(ConfigError):
        training_command(tmp_path / "nowhere", "imdb", tmp_path / "out")


def test_pictures_of_the_repository_are_small_and_load_nothing() -> None:
    files = sorted(PICTURES.glob("report-*.png"))
    assert len(files) == 3
    for path in files:
        assert path.stat().st_size < 300_000
        assert packed(path.read_bytes())[:4] == b"\x89PNG"
    svg = (PICTURES / "terminal.svg").read_text()
    assert "url(" not in svg.replace("url(#", "") and "steps/s" in svg
