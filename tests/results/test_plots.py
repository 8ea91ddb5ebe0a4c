from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from rl4lms.config.compose import methods
from rl4lms.results import plots
from rl4lms.results.curves import Curve, read_curves
from rl4lms.results.scores import SuiteScores
from rl4lms.results.suite import SuiteSettings

DRAW: dict[str, Callable[[SuiteScores, list[Curve]], bytes]] = {
    "summary": lambda scores, curves: plots.summary(scores),
    "learning_curves": plots.learning_curves,
    "kl_reward": plots.kl_reward,
}


@pytest.fixture(scope="module")
def curves(runs: Path, settings: SuiteSettings) -> list[Curve]:
    return read_curves(runs, settings)


@pytest.fixture(scope="module", params=DRAW)
def drawn(request: pytest.FixtureRequest, scores: SuiteScores, curves: list[Curve]) -> tuple[str, bytes, bytes]:
    draw = DRAW[request.param]
    return request.param, draw(scores, curves), draw(scores, curves)


def chunks(png: bytes) -> list[str]:
    names, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        names.append(png[at + 4 : at + 8].decode())
        at += 12 + length
    return names


def test_equal_input_gives_equal_bytes_without_metadata(drawn: tuple[str, bytes, bytes]) -> None:
    _, first, second = drawn
    assert first == second
    assert set(chunks(first)) <= {"IHDR", "PLTE", "IDAT", "IEND", "tRNS"}


def test_every_method_is_drawn_in_its_colour(drawn: tuple[str, bytes, bytes], settings: SuiteSettings) -> None:
    name, png, _ = drawn
    image = Image.open(io.BytesIO(png)).convert("RGB")
    pixels = [colour for _, colour in image.getcolors(1 << 24) or []]
    shown = settings.rl_methods if name == "learning_curves" else settings.methods
    for method in shown:
        hexadecimal = plots.method_style(method, settings.methods).colour
        wanted = tuple(int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
        distance = min(max(abs(a - b) for a, b in zip(wanted, pixel, strict=True)) for pixel in pixels)
        assert distance <= 12, method


def test_size_is_small_enough_to_commit(drawn: tuple[str, bytes, bytes]) -> None:
    assert len(drawn[1]) < 150_000


def test_no_two_methods_look_alike() -> None:
    names = methods(["ppo", "nlpo", "a2c", "trpo", "mine", "another"])
    styles = [plots.method_style(name, names) for name in names]
    assert len({style.colour for style in styles}) == len(names)
    warm = [style for name, style in zip(names, styles, strict=True) if name.startswith("supervised_")]
    assert all(style.filled and style.line == "-" for style in warm)


def test_drawing_leaves_matplotlib_as_it_was(scores: SuiteScores) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.summary(scores)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_suites_of_few_tasks_can_be_drawn(n_tasks: int, suite_with: Callable[..., SuiteScores]) -> None:
    tasks = ("imdb", "common_gen")[:n_tasks]
    small = suite_with(
        tasks=tasks, main_metrics={"imdb": "semantic/learned_automodel_metric", "common_gen": "lexical/meteor"}
    )
    directory = small.runs[tasks[0], "ppo", 0].directory.parents[2]
    assert chunks(plots.learning_curves(small, read_curves(directory, small.settings)))[0] == "IHDR"
