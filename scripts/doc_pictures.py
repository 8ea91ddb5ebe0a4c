"""The pictures of docs/: a finished suite's report in a browser, its curves, and the terminal while a run trains again.

    python scripts/doc_pictures.py results/mini [--out docs/pictures]

Needs Chromium (Debian's `chromium`, or $CHROMIUM) and `pip install playwright resvg_py`. The run is trained into
a directory that is thrown away; the suite's results stay as they are.
"""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl4lms.config.params import Params
from rl4lms.core.errors import UserError, report_error
from rl4lms.results.report import slug
from rl4lms.results.run_figure import plot_groups
from rl4lms.results.run_groups import grouped

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESKTOP, PHONE = (1280, 860), (390, 844)
# name -> (page, viewport, colour scheme)
SHOTS = {
    "report-results-light": ("results", DESKTOP, "light"),
    "report-task-dark": ("task-{slug}", DESKTOP, "dark"),
    "report-samples-phone": ("samples?task={task}", PHONE, "light"),
}
COLUMNS = 80


class PictureError(UserError):
    """What is in the way, and what to do."""


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's Chromium under playwright. Raises PictureError where either is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise PictureError("playwright is not installed: pip install -c constraints.txt playwright") from None
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise PictureError("no Chromium: apt-get install chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom containers run.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] * (os.geteuid() == 0))
        yield browser
        browser.close()


def report_pictures(report: Path, task: str) -> dict[str, bytes]:
    """name -> PNG of the pages of SHOTS."""
    pictures = {}
    with chromium() as browser:
        for name, (page, (width, height), scheme) in SHOTS.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            opened = context.new_page()
            opened.goto(f"{report.resolve().as_uri()}#{page.format(task=task, slug=slug(task))}")
            pictures[name] = packed(opened.screenshot())
            context.close()
    return pictures


def packed(png: bytes) -> bytes:
    """The same picture in at most 256 colours."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(out, format="png", optimize=True)
    return out.getvalue()


def training_command(results: Path, task: str, out: Path) -> list[str]:
    """The `train` stage of the suite's first seed of PPO, into `out`. Raises PictureError where its inputs are not."""
    params = Params.open(ROOT / "params", results.name)
    data, model = results / "data" / task, results / "models" / "base" / params.task(task)["model"]["family"]
    options = {"--data": data, "--model": model}
    for name, entry in params.reward_models().items():
        if entry["task"] == task:
            options["--reward-model"] = results / "models" / "reward" / name
    for path in options.values():
        if not path.is_dir():
            raise PictureError(f"{path}: not there; finish the suite first (make grue SUITE={results.name}).")
    command = ["train", "--suite", results.name, "--task", task, "--method", "ppo", "--seed", "0"]
    command += ["--set", "train_evaluation.eval_every=2"]  # so that scores have a change before the run ends
    for name, path in options.items():
        command += [name, str(path)]
    return [sys.executable, "-m", "rl4lms", *command, "--out", str(out)]


def on_a_terminal(command: list[str]) -> str:
    """What a process writes to a pseudo-terminal of COLUMNS columns. Raises PictureError where it fails."""
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "24", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **settings}, cwd=ROOT
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    if process.wait():
        raise PictureError(f"{' '.join(command)}: exit code {process.returncode}")
    return written.decode()


def frames(written: str) -> list[str]:
    """The states of a live view, each as it stood on the screen."""
    parts = re.split(r"\r?(?:\x1b\[2K\x1b\[1A|\x1b\[1A\x1b\[2K)+(?:\x1b\[2K)?|\x1b\[\?25[lh]", written)
    return [text for part in parts if (text := part.replace("\r", "").strip("\n")).strip()]


def terminal_picture(written: str, command: str) -> str:
    """SVG of the last frame in which time remains, under the command."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    running = [frame for frame in frames(written) if " left" in frame and "steps/s" in frame]
    if not running:
        raise PictureError("the run was over before the view could say how long it takes; take a longer one.")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}\n"))
    console.print(Text.from_ansi(running[-1]))
    # Without the faces that rich would load from a server: the reader's own monospace serves.
    own_faces = re.sub(r"@font-face \{\{.*?\}\}\s*(?=@font-face|\.)", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="rl4lms", code_format=own_faces, unique_id="terminal")
    return svg.replace("Fira Code, monospace", "monospace")


def png_of(svg: str) -> bytes:
    """The picture at 1,200 pixels, in matplotlib's monospaced faces. Raises PictureError without resvg_py."""
    import matplotlib

    try:
        import resvg_py
    except ImportError:
        raise PictureError("terminal.png: needs resvg_py; pip install resvg_py.") from None
    faces = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [str(faces / name) for name in ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")]
    options = {"font_files": files, "monospace_family": "DejaVu Sans Mono", "skip_system_fonts": True}
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=1200, **options))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="a finished suite, results/<suite>")
    parser.add_argument("--task", default="imdb", help="whose page and run are shown (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="default: docs/pictures")
    args = parser.parse_args(argv)
    report = args.results / "grue" / "report.html"
    try:
        if not report.is_file():
            raise PictureError(f"{report}: not there; finish the suite first (make grue SUITE={args.results.name}).")
        with tempfile.TemporaryDirectory() as directory:
            written = on_a_terminal(training_command(args.results, args.task, Path(directory) / "seed0"))
        files: dict[str, bytes] = {f"{name}.png": png for name, png in report_pictures(report, args.task).items()}
        shown = f"python -m rl4lms train --task {args.task} --method ppo --seed 0 ..."
        runs = sorted((args.results / "runs" / args.task).glob("*/seed*"))
        files["plot.png"] = plot_groups(grouped(runs), "tokens").png()
        svg = terminal_picture(written, shown)
        files |= {"terminal.svg": svg.encode(), "terminal.png": png_of(svg)}
    except Exception as error:
        return report_error(error)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (args.out / name).write_bytes(content)
        print(f"{args.out / name}: {len(content) / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
