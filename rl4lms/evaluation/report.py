"""One self-contained HTML file of a suite: tables that sort, plots, samples of every method side by side, params."""

from __future__ import annotations

import base64
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from rl4lms.core.seeding import numpy_generator
from rl4lms.evaluation.labels import method_label, metric_label, task_label
from rl4lms.evaluation.scores import SuiteScores
from rl4lms.evaluation.suite import REWARD
from rl4lms.evaluation.table import Cell, Table
from rl4lms.evaluation.tables import detail_table

N_SAMPLES = 10  # of each task
N_REFERENCES = 4  # shown of a sample; common_gen and daily_dialog may have many more
_OPEN = ("task", "naturalness", "kl_per_token", "base_perplexity", "reward_gain")  # the other tables are folded

_REFERENCE = re.compile(r"<START-(\d+)>(.*?)<END-\1>", re.DOTALL)
_CAPTIONS = {
    "learning_curves": "Mean reward of the rollouts at every iteration; thin lines are seeds.",
    "kl_reward": "Reward against KL to the starting model: rollouts as lines, the test split as markers.",
    "summary": "Normalised scores averaged across tasks, with bootstrap intervals.",
}


def report(
    scores: SuiteScores, tables: Sequence[Table], plots: Mapping[str, bytes], configuration: Mapping[str, Any]
) -> str:
    """HTML text that loads nothing: styles, script and images are inside, and every text is escaped.

    plots: name -> PNG. configuration: file name -> content, shown as YAML. Equal input gives equal text.
    """
    settings = scores.settings
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=False
    )
    environment.filters |= {"slug": slug, "spread": _cell}
    counts = (len(settings.tasks), len(settings.methods), len(settings.seeds))
    return environment.from_string(_resource("report.html.j2")).render(
        title=f"GRUE: suite {settings.suite}",
        subtitle="{} tasks, {} methods, {} seeds; scores on the test split.".format(*counts),
        suite=settings.suite,
        seed=settings.seeds[0],
        css=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        open_tables=[table for table in tables if table.key in _OPEN],
        closed_tables=[table for table in tables if table.key not in _OPEN],
        plots=[{"uri": data_uri(png), "caption": _CAPTIONS.get(name, name)} for name, png in plots.items()],
        sections=[_section(scores, task) for task in settings.tasks],
        methods=[(method, method_label(method)) for method in settings.methods],
        configuration=[(name, _yaml(content)) for name, content in configuration.items()],
    )


def _resource(name: str) -> str:
    return (importlib.resources.files("rl4lms.evaluation") / "templates" / name).read_text(encoding="utf-8")


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def slug(text: str) -> str:
    """An id for HTML: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _cell(cell: Cell) -> Markup:
    """The text with its bounds set apart: they are read second."""
    match = re.fullmatch(r"(\S+)( [±(\[].*)", cell.text) if cell.low is not None else None
    if match is None:
        return escape(cell.text)
    return Markup('{}<span class="spread">{}</span>').format(*match.groups())


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _section(scores: SuiteScores, task: str) -> dict[str, Any]:
    settings = scores.settings
    runs = {method: scores.of(task, method)[0] for method in settings.methods}
    n = min(run.n for run in runs.values())
    rng = numpy_generator(settings.bootstrap_seed, "report", task)
    chosen = sorted(int(i) for i in rng.permutation(n)[:N_SAMPLES])
    rows = {method: run.predictions for method, run in runs.items()}
    return {
        "task": task,
        "label": task_label(task),
        "table": detail_table(scores, task),
        "n_samples": n,
        "samples": [_sample(scores, task, {method: rows[method][i] for method in rows}) for i in chosen],
    }


def _sample(scores: SuiteScores, task: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """rows: method -> its prediction of one test sample."""
    first = next(iter(rows.values()))
    shown = dict.fromkeys((scores.settings.main_metrics[task], REWARD))
    generations = []
    for method, row in rows.items():
        found = [f"{metric_label(key)} {row[key]:.3f}" for key in shown if key in row]
        text = {"method": method, "label": method_label(method), "text": row["generated_text"]}
        generations.append({**text, "scores": " · ".join(found)})
    return {
        "id": first["sample_id"],
        "prompt": first["prompt_text"],
        "references": split_references(first["ref_text"])[:N_REFERENCES],
        "generations": generations,
    }


def split_references(text: str) -> list[str]:
    """The references of the published field `ref_text`: "<START-1>a<END-1><START-2>b<END-2>" -> ["a", "b"]."""
    return [match.group(2) for match in _REFERENCE.finditer(text)]
