"""How a figure is made: matplotlib without its global state, as PNG for files and as SVG for the report.

Equal input gives equal bytes, whatever a user's settings of matplotlib are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rl4lms.config.labels import method_label
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import atomic_path
from rl4lms.results.palette import Style

DPI = 120
PANEL = (6.4, 3.9)  # inches of a figure of one panel
INK, QUIET, GRID, PAPER = "#1d2126", "#59626d", "#d8dce1", "#ffffff"
_TITLE = re.compile(r"<g id=(['\"])title:(.*?)\1>")  # what a `gid` begins with that is told at the pointer
_PLACES, _DECIMALS = re.compile(r'(?<= )(d|x|y)="[^"]*"'), re.compile(r"-?\d+\.\d{3,}")  # matplotlib writes six
_PAGE = {INK: "ink", QUIET: "quiet", GRID: "line", PAPER: "page"}  # colour -> the report's variable
SMALL: dict[str, Any] = {"textcoords": "offset points", "fontsize": "small", "color": INK}
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@contextmanager
def drawing_settings(**changes: Any) -> Iterator[None]:
    """matplotlib's defaults and this module's settings, whatever a user's are; nothing global changes."""
    with mpl.rc_context():
        mpl.rcParams.update(mpl.rcParamsDefault)
        mpl.rcParams.update(_RC | changes)
        yield


class Drawing(Figure):
    """A figure that a notebook shows, and that writes itself as bytes or text."""

    def png(self) -> bytes:
        """Without metadata or alpha channel, and with at most 256 colours."""
        from PIL import Image

        drawn, packed = io.BytesIO(), io.BytesIO()
        with drawing_settings():
            self.savefig(drawn, format="png", dpi=DPI)
        image = Image.open(drawn).convert("RGB")
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        image.save(packed, format="png", optimize=True)
        return packed.getvalue()

    _repr_png_ = png

    def write(self, path: Path) -> None:
        """As PNG or SVG, by the suffix; folders are made. Raises ConfigError for another suffix."""
        kinds: dict[str, Callable[[], bytes]] = {".png": self.png, ".svg": lambda: self.svg_document().encode()}
        if path.suffix.lower() not in kinds:
            raise ConfigError(f"{path}: expected a name that ends with {' or '.join(kinds)}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(kinds[path.suffix.lower()]())

    def svg_document(self) -> str:
        """A whole SVG file, of letters that a search finds. What a `gid` says is told at the pointer."""
        drawn = io.StringIO()
        with drawing_settings(**{"svg.hashsalt": "rl4lms"}):
            self.savefig(drawn, format="svg", metadata={"Date": None})
        text = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn.getvalue(), flags=re.DOTALL)
        text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # of the same width elsewhere
        return re.sub(_TITLE, r"<g><title>\2</title>", text)

    def svg(self, name: str, colours: Mapping[str, str]) -> str:
        """An element for a page, in whose colours it is drawn: `colours` maps colours of methods to its variables.

        name: what a screen reader says; figures of one page need different ones. What a `gid` says is told at the
        pointer.
        """
        drawn = io.StringIO()
        with drawing_settings(**{"svg.hashsalt": name}):
            self.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
        text = drawn.getvalue()
        text = re.sub(
            r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*", "", text[text.index("<svg") :], flags=re.DOTALL
        )
        text = re.sub(_PLACES, lambda match: re.sub(_DECIMALS, _to_hundredths, match[0]), text)
        head = rf'<svg class="chart" viewBox="\1" role="img" aria-label="{escape(name)}">'
        text = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', lambda match: match.expand(head), text, count=1)
        text = re.sub(_TITLE, r"<g><title>\2</title>", text)
        text = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", text)  # only markers and clip paths are referred to
        text = re.sub(r"font-family: [^;\"]*(; )?", "", text).replace("xlink:href", "href")
        for colour, variable in {**_PAGE, **colours}.items():
            text = text.replace(colour, f"var(--{variable})")
        return re.sub(r"\s*\n\s*", "\n", text)


def _to_hundredths(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def new_drawing(size: tuple[float, float], **grid: Any) -> tuple[Drawing, Any]:
    figure = Drawing(figsize=size, layout="constrained", facecolor=PAPER)
    return figure, figure.subplots(squeeze=False, **grid)


@contextmanager
def panel(x_label: str, y_label: str, size: tuple[float, float] = PANEL) -> Iterator[tuple[Drawing, Axes]]:
    """A figure of one panel, with the larger letters that the report shows it in."""
    with drawing_settings(**{"font.size": 12, "axes.grid": True}):
        figure, axes = new_drawing(size)
        axes[0, 0].set(xlabel=x_label, ylabel=y_label)
        yield figure, axes[0, 0]


def marker_look(look: Style) -> dict[str, Any]:
    face = look.colour if look.filled else PAPER
    edge = {"markersize": 6, "markeredgewidth": 1.4}
    return {"marker": look.marker, "color": look.colour, "markerfacecolor": face, **edge}


def line_look(look: Style) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": look.line, "linewidth": 2.2}


def curve_look(look: Style) -> dict[str, Any]:
    return line_look(look) | marker_look(look)


def legend_handle(method: str, **look: Any) -> Line2D:
    return Line2D([], [], label=method_label(method), **look)
