from __future__ import annotations

import io
import itertools
import math
import re
import struct
from collections.abc import Callable
from html.parser import HTMLParser

import matplotlib as mpl
import pytest
from matplotlib.legend import Legend
from PIL import Image

from rl4lms.config.compose import BASELINES, methods
from rl4lms.config.labels import FAMILIES, method_label
from rl4lms.results import figures
from rl4lms.results.figures import Drawing, panel
from rl4lms.results.palette import MARKER_PATHS, Style, panel_groups, styles
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics_figures import PANELS, statistics_figure
from rl4lms.results.suite import SuiteSettings

from .conftest import MAIN_METRICS, statistics_of

DRAW: dict[str, Callable[[SuiteScores], Drawing]] = {
    "summary": figures.summary,
    "learning_curves": figures.learning_curves,
    "kl_reward": figures.kl_reward,
    "statistics": lambda scores: statistics_figure(statistics_of(scores), scores.settings),
}
DOZEN = methods(["ppo", "nlpo", "a2c", "trpo", "mine"])


@pytest.fixture(scope="module", params=DRAW)
def drawn(request: pytest.FixtureRequest, scores: SuiteScores) -> tuple[str, bytes, bytes]:
    draw = DRAW[request.param]
    return request.param, draw(scores).png(), draw(scores).png()


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
    shown = {"learning_curves": settings.rl_methods, "statistics": settings.warm_methods}.get(name, settings.methods)
    for method, style in styles(settings.methods).items():
        wanted = tuple(int(style.colour[i : i + 2], 16) for i in (1, 3, 5))
        distance = min(max(abs(a - b) for a, b in zip(wanted, pixel, strict=True)) for pixel in pixels)
        assert distance <= 12 or method not in shown, method


def test_size_is_small_enough_to_commit(drawn: tuple[str, bytes, bytes]) -> None:
    assert len(drawn[1]) < 150_000


def oklab(colour: str) -> tuple[float, float, float]:
    """https://bottosson.github.io/posts/oklab: a distance of 0.02 is just seen side by side."""
    given = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in given)
    long, middle, short = (
        (x * r + y * g + z * b) ** (1 / 3)
        for x, y, z in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


# Machado, Oliveira, Fernandes (2009), severity 1, of linear RGB.
SEEN = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def as_seen(colour: str, kind: str) -> str:
    """The colour that looks to everybody as this one does to who has this colour blindness."""
    given = [(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in given]
    seen = [min(max(sum(a * b for a, b in zip(row, linear, strict=True)), 0.0), 1.0) for row in SEEN[kind]]
    coded = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in seen]
    return "#" + "".join(f"{round(255 * c):02x}" for c in coded)


@pytest.mark.parametrize("page", ["colour", "dark"])
def test_a_dozen_methods_are_told_apart(page: str) -> None:
    looks = styles(DOZEN)
    assert len(looks) == 12
    colours = {method: oklab(getattr(style, page)) for method, style in looks.items()}
    near = {pair: math.dist(*(colours[m] for m in pair)) for pair in itertools.combinations(DOZEN, 2)}
    assert min(near.values()) > 0.09, min(near, key=lambda pair: near[pair])
    shapes = {(style.marker, style.filled) for style in looks.values()}
    assert len(shapes) == 12, "by the marker as well, for who sees no colours"


def test_methods_beyond_the_hues_differ_by_marker() -> None:
    looks = styles(methods([f"own{i}" for i in range(12)]))
    assert len({(style.colour, style.marker) for style in looks.values()}) == len(looks)
    warm = [style for name, style in looks.items() if name.startswith("supervised_")]
    assert all(style.filled and style.line == "-" for style in warm)


ALL = methods([name for family in FAMILIES.values() for name in family], BASELINES)
RL = ALL[3:]


@pytest.mark.parametrize("page", ["colour", "dark"])
@pytest.mark.parametrize("kind", SEEN)
def test_methods_of_a_panel_differ_by_marker_and_by_colour_however_it_is_seen(kind: str, page: str) -> None:
    looks = styles(ALL)
    for members in panel_groups(RL).values():
        assert len({(looks[method].marker, looks[method].filled) for method in members}) == len(members)
        seen = [oklab(as_seen(getattr(looks[method], page), kind)) for method in members]
        assert min(math.dist(*pair) for pair in itertools.combinations(seen, 2)) > 0.03


def test_six_algorithms_or_fewer_share_no_hue() -> None:
    looks = styles(methods(["ppo", "nlpo", "grpo", "rloo", "dpo"], BASELINES))
    warm = [look for method, look in looks.items() if method.startswith("supervised_")]
    assert len({look.colour for look in warm}) == 5
    assert looks["ppo"] == styles(ALL)["ppo"] and looks["rloo"].marker == styles(ALL)["rloo"].marker


@pytest.mark.parametrize(("n", "step"), [(2, 1), (3, 3), (6, 61)])
def test_few_algorithms_share_neither_hue_nor_marker(n: int, step: int) -> None:
    """Whichever they are, a user's among them."""
    known = [name for family in FAMILIES.values() for name in family]
    for chosen in itertools.islice(itertools.combinations([*known, "mine", "yours"], n), 0, None, step):
        looks = styles(chosen)
        assert len({look.colour for look in looks.values()}) == n == len({look.marker for look in looks.values()})
    assert styles(known[-n:]) == styles(known[: -n - 1 : -1]), "in whatever order they are named"


def test_no_two_methods_are_drawn_alike() -> None:
    looks = styles(ALL)
    assert len(ALL) == 33
    assert len({(style.colour, style.marker) for style in looks.values()}) == len(looks)
    assert set(MARKER_PATHS) >= {style.marker for style in looks.values()}


def test_a_panel_holds_no_crowd() -> None:
    """Up to as many algorithms as there are hues share one; more are parted by family, in a fixed order."""
    few, many = DOZEN[2:], RL
    assert panel_groups(few) == {"": few}
    groups = panel_groups(many)
    assert list(groups) == list(FAMILIES)
    assert groups["With a critic"] == [f"{s}{a}" for s in ("", "supervised_") for a in ("ppo", "nlpo", "a2c", "trpo")]
    assert sorted(itertools.chain(*groups.values())) == sorted(many)
    assert "mine" in panel_groups([*many, "mine"])["Others"]
    assert panel_groups([f"own{i}" for i in range(20)]).keys() == {""}, "one family is not parted"


@pytest.mark.slow
def test_legends_of_all_algorithms_cover_nothing(suite_with: Callable[..., SuiteScores]) -> None:
    tasks = ("imdb", "common_gen")
    scores = suite_with(methods=tuple(ALL), tasks=tasks, main_metrics={task: MAIN_METRICS[task] for task in tasks})
    for draw in (figures.learning_curves, figures.kl_reward):
        figure = draw(scores)
        figure.png()
        drawn = [axis.get_window_extent() for axis in figure.axes if axis.axison]
        legends = [child for axis in figure.axes for child in axis.get_children() if isinstance(child, Legend)]
        boxes = [legend.get_window_extent() for legend in legends]
        assert len(drawn) == 6 and len(boxes) == 3 + (draw is figures.kl_reward)
        for one, other in itertools.combinations([*drawn, *boxes], 2):
            assert not one.overlaps(other)
        assert {text.get_text() for legend in legends for text in legend.get_texts()} == {
            method_label(method) for method in (ALL if draw is figures.kl_reward else RL)
        }


def test_statistics_of_a_dozen_methods_have_a_row_each_and_a_legend(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(methods=tuple(methods(["ppo", "nlpo", *(f"own{i}" for i in range(8))], BASELINES)))
    warm = scores.settings.warm_methods
    figure = statistics_figure(statistics_of(scores), scores.settings)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [panel.title for panel in PANELS]
    for axis in figure.axes[:2]:
        assert [text.get_text() for text in axis.get_yticklabels()] == [method_label(m) for m in warm]
    legend = figure.axes[2].get_legend()
    assert legend is not None and len(legend.get_texts()) == len(warm) == 12
    figure.png()
    assert not legend.get_window_extent().overlaps(figure.axes[2].get_window_extent())


def test_statistics_of_no_rl_can_be_drawn(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(methods=("zero_shot", "supervised"))
    assert chunks(statistics_figure(statistics_of(scores), scores.settings).png())[0] == "IHDR"


def test_best_of_n_is_a_line_across_for_it_has_no_kl(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(methods=tuple(methods(["ppo"], BASELINES)))
    looks = styles(scores.settings.methods)
    with panel("x", "y") as (_, axis):
        figures.draw_frontier(axis, scores, "imdb", looks)
        own = [line for line in axis.lines if line.get_color() == looks["best_of_n"].colour]
        (line,) = [line for line in own if len(line.get_xdata())]
        rewards = scores.values("imdb", "best_of_n", "reward")
        assert rewards is not None and set(line.get_ydata()) == {sum(rewards) / 2}


def test_a_method_keeps_its_look_whatever_stands_beside_it() -> None:
    assert styles(["zero_shot", "trpo"])["trpo"] == styles(DOZEN)["trpo"]


def test_drawing_leaves_matplotlib_as_it_was(scores: SuiteScores) -> None:
    before = dict(mpl.rcParams)
    figures.summary(scores).png()
    assert dict(mpl.rcParams) == before


def test_a_users_settings_do_not_reach_the_figures(scores: SuiteScores) -> None:
    plain = figures.kl_reward(scores).png()
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "svg.hashsalt": "mine"}):
        assert figures.kl_reward(scores).png() == plain


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_suites_of_few_tasks_can_be_drawn(n_tasks: int, suite_with: Callable[..., SuiteScores]) -> None:
    tasks = ("imdb", "common_gen")[:n_tasks]
    small = suite_with(
        tasks=tasks, main_metrics={"imdb": "semantic/learned_automodel_metric", "common_gen": "lexical/meteor"}
    )
    assert chunks(figures.learning_curves(small).png())[0] == "IHDR"


# Outliers: a value far from all others does not squeeze them, and is shown all the same.


def frontier(scores: SuiteScores, kl: float) -> tuple[float, list[str]]:
    """Right end of the panel, and the numbers at its edge, if the supervised runs have this KL."""
    real = scores.values

    class Changed:
        settings, curves_of = scores.settings, staticmethod(scores.curves_of)

        @staticmethod
        def values(task: str, method: str, metric: str) -> list[float] | None:
            return [kl, kl] if (method, metric) == ("supervised", "kl/per_token") else real(task, method, metric)

    with panel("x", "y") as (figure, axis):
        figures.draw_frontier(axis, Changed, "imdb", styles(scores.settings.methods))  # type: ignore[arg-type]
        figure.png()
        return axis.get_xlim()[1], [text.get_text() for text in axis.texts]


def test_a_kl_far_out_stands_at_the_edge_with_its_number(scores: SuiteScores) -> None:
    right, texts = frontier(scores, 7.0)
    assert right < 0.1
    assert texts == ["7 ▸"], "a method's seeds lie on each other there, so they have one number"


def test_a_kl_among_the_others_stretches_the_panel(scores: SuiteScores) -> None:
    right, texts = frontier(scores, 0.06)
    assert right > 0.06
    assert texts == []


def test_a_rare_spike_does_not_squeeze_the_curves_and_a_good_method_is_never_cut(scores: SuiteScores) -> None:
    curves = scores.curves_of("imdb", "reward").copy()
    with panel("x", "y") as (_, axis):
        figures.draw_curves(axis, curves, styles(scores.settings.methods))
        low, high = axis.get_ylim()
        assert low < curves["value"].min() and high > curves["value"].max()
    curves["seed"] += 10 * curves["iteration"]  # many runs of one point, of which one is broken
    curves = type(curves)([*curves.to_dict("records")] * 4)
    curves.loc[0, "value"] = -1000.0
    with panel("x", "y") as (_, axis):
        figures.draw_curves(axis, curves, styles(scores.settings.methods))
        assert axis.get_ylim()[0] > -5


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([], []),
        ([0.3], [0.3]),
        ([1.0] * 20, [1.0] * 20),
        ([*range(10), 1000], [*range(10)]),
        ([-1000, *range(10)], [*range(10)]),
        ([*range(10), 27], [*range(10), 27]),  # the rest takes a third of the panel
        ([*range(10), 28], [*range(10)]),
        ([*range(10), 1000, 1001, 1002], [*range(10), 1000, 1001, 1002]),  # more than a tenth are no outliers
        ([0.0] * 10 + [1.0], [0.0] * 10 + [1.0]),  # nothing is left to be squeezed
    ],
)
def test_what_a_panel_has_room_for(values: list[float], kept: list[float]) -> None:
    assert figures.without_outliers(values, 0.1).tolist() == kept


def test_limits_have_a_margin() -> None:
    assert figures.around([1.0, 3.0]) == pytest.approx((0.9, 3.1))
    assert figures.around([900.0]) == pytest.approx((855.0, 945.0))
    assert figures.around([0.0]) == (-0.05, 0.05) and figures.around([]) == pytest.approx((-0.05, 1.05))


# No label is cut off, and the SVG is one of a page.


def test_nothing_is_cut_off_at_the_edge(drawn: tuple[str, bytes, bytes]) -> None:
    """A label that is cut has ink in the outermost row or column of the picture."""
    image = Image.open(io.BytesIO(drawn[1])).convert("RGB")
    right, bottom = image.width - 1, image.height - 1
    frame = [(x, y) for x in range(image.width) for y in (0, bottom)]
    frame += [(x, y) for x in (0, right) for y in range(image.height)]
    assert {image.getpixel(at) for at in frame} == {(255, 255, 255)}


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            elif key in ("href", "clip-path"):
                self.targets += re.findall(r"#(\w+)", value or "")


def test_an_svg_is_drawn_in_the_pages_colours_and_says_what_it_shows() -> None:
    look = Style("#3792fd", "#87bafd", "-", "o", True)
    texts = []
    for name in ("one", "one", "two & <three 0.12345>"):
        with panel("Iteration", "Reward") as (figure, axis):
            axis.plot([0, 1], [2, 3], color=look.colour, marker="o", gid='title:PPO & "mine" <b>')
            axis.plot([0.123456, 1], [2.3, 3], color=look.colour, gid="title:12.345678 and 0.12345")
            texts.append(figure.svg(name, {look.colour: "m3"}))
    assert texts[0] == texts[1]
    for text in texts:
        assert re.search(r"#[0-9a-f]{6}\b", re.sub(r"(href=\"|url\()#\w+", "", text)) is None, "no colour of its own"
        assert "stroke: var(--m3)" in text and "fill: var(--ink)" in text
        assert "http" not in text and "date" not in text.lower() and "<style" not in text
        assert text.startswith('<svg class="chart" viewBox="0 0 460.8 280.8" role="img" aria-label="')
        assert re.search(r"<title>PPO &amp; \"mine\" &lt;b&gt;</title>", text)
        assert set(Tags(text).targets) == set(Tags(text).ids)
        assert max(len(digits) for digits in re.findall(r' [dxy]="[^0-9]*\d+\.(\d+)', text)) == 2
        assert "<title>12.345678 and" in text
    assert 'aria-label="two &amp; &lt;three 0.12345&gt;"' in texts[2]
    assert not set(Tags(texts[0]).ids) & set(Tags(texts[2]).ids), "figures of one page share no id"
