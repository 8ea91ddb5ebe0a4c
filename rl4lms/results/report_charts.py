"""What the report draws of a suite: its summary, and each task's learning curves and price in KL, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rl4lms.config.labels import arrow, method_label, metric_label, task_label
from rl4lms.core.result_keys import KL_PER_TOKEN, REWARD
from rl4lms.results.averages import naturalness_average, task_average
from rl4lms.results.charts import Dot, Line, chart, intervals, is_warm, swatch
from rl4lms.results.curves import KL_CURVE, MAIN_METRIC_CURVE, REWARD_CURVE, Curve
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import Cell, Column, Table, decimals, interval_text


@dataclass(frozen=True)
class Figure:
    """A chart, what stands above and below it, and its legend: (swatch, method's label)."""

    title: str
    svg: Markup
    caption: str
    legend: tuple[tuple[Markup, str], ...] = ()


def summary_figures(scores: SuiteScores) -> list[Figure]:
    """Normalised scores averaged across tasks with bootstrap intervals, task and naturalness metrics apart."""
    settings = scores.settings
    rows = {"Task metrics": {method: task_average(scores, method) for method in settings.methods}}
    naturalness = {m: average for m in settings.methods if (average := naturalness_average(scores, m)) is not None}
    if len(naturalness) == len(settings.methods):
        rows["Naturalness metrics"] = naturalness
    caption = (
        f"Normalised score, mean over {len(settings.tasks)} tasks with its {settings.level:.0%} bootstrap interval."
    )
    if not scores.settings.tells_methods_apart:
        caption += f" It speaks of these runs: {len(settings.seeds)} a method and task cannot tell methods apart."
    figures = []
    for title, by_method in rows.items():
        bars = []
        for slot, (method, interval) in enumerate(by_method.items()):
            shown = (interval.mean, interval.low, interval.high, interval_text(interval, 3))
            bars.append((slot, method_label(method), is_warm(method), *shown))
        name = f"{title}: " + "; ".join(f"{bar[1]} {bar[6]}" for bar in bars)
        figures.append(Figure(f"{title}, average", intervals(name, bars), caption))
    return figures


def task_figures(scores: SuiteScores, curves: Sequence[Curve], task: str) -> list[Figure]:
    """Learning curves of the rollouts' reward and of the main metric on the validation split, and reward against KL."""
    metric = scores.settings.main_metrics[task]
    label, better = metric_label(metric), arrow(scores.settings.higher_is_better(metric))
    where = f"{task_label(task)}, by iteration"
    many = "Thick: mean of the seeds. Thin: each seed." if len(scores.settings.seeds) > 1 else "One seed."
    own = [curve for curve in curves if curve.task == task]
    figures = [
        _curves(scores, own, REWARD_CURVE, f"Reward of the rollouts {arrow(True)}", "Reward", where, many),
        _curves(scores, own, MAIN_METRIC_CURVE, f"{label} on the validation split {better}", label, where, many),
        _frontier(scores, own, task),
    ]
    return [figure for figure in figures if figure.svg]


def _curves(
    scores: SuiteScores, curves: Sequence[Curve], kind: str, title: str, y_label: str, where: str, caption: str
) -> Figure:
    methods = scores.settings.methods
    lines = []
    for method in scores.settings.rl_methods:
        runs = [curve for curve in curves if (curve.method, curve.metric) == (method, kind)]
        slot, dashed = methods.index(method), not is_warm(method)
        if len(runs) > 1:
            for run in runs:
                lines.append(Line(slot, run.points, False, True, f"{method_label(method)}, seed {run.seed}"))
        if runs:
            lines.append(Line(slot, mean_curve(runs), dashed, False, method_label(method)))
    svg = chart(f"{title}, {where}. The numbers are in the table below.", "Iteration", y_label, lines)
    return Figure(title, svg, caption, _legend(scores.settings.rl_methods, methods, dots=False))


def mean_curve(runs: Sequence[Curve]) -> tuple[tuple[int, float], ...]:
    """The seeds' mean at the iterations that all of them have."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for iteration, value in run.points:
            values.setdefault(iteration, []).append(value)
    return tuple((i, sum(v) / len(v)) for i, v in sorted(values.items()) if len(v) == len(runs))


def _frontier(scores: SuiteScores, curves: Sequence[Curve], task: str) -> Figure:
    """Reward against KL: rollouts of each seed as a path, its test split as a marker."""
    settings = scores.settings
    lines, dots = [], []
    for slot, method in enumerate(settings.methods):
        rewards = {c.seed: dict(c.points) for c in curves if (c.method, c.metric) == (method, REWARD_CURVE)}
        for curve in curves:
            if (curve.method, curve.metric) == (method, KL_CURVE):
                reward = rewards.get(curve.seed, {})
                path = tuple((kl, reward[k]) for k, kl in curve.points if k in reward)
                lines.append(Line(slot, path, False, True, f"{method_label(method)}, rollouts of seed {curve.seed}"))
        kl, reward_values = (scores.values(task, method, metric) for metric in (KL_PER_TOKEN, REWARD))
        for seed, x, y in zip(settings.seeds, kl or [], reward_values or [], strict=False):
            text = f"{method_label(method)}, test split, seed {seed}: KL {x:.4f}, reward {y:.3f}"
            dots.append(Dot(slot, x, y, is_warm(method), text))
    title = "Reward against KL"
    svg = chart(
        f"{title} to the starting model, {task_label(task)}.",
        "KL to the starting model (nats per token)",
        "Reward",
        [line for line in lines if line.points],
        dots,
    )
    caption = "Marker: a seed's test split. Line: its rollouts in training."
    return Figure(title, svg, caption, _legend(settings.methods, settings.methods, dots=True))


def _legend(shown: Sequence[str], methods: Sequence[str], dots: bool) -> tuple[tuple[Markup, str], ...]:
    return tuple((swatch(methods.index(m), not is_warm(m), is_warm(m), dots), method_label(m)) for m in shown)


def curve_table(scores: SuiteScores, curves: Sequence[Curve], task: str) -> Table:
    """The numbers of a task's curves: mean of the seeds at the first and the last iteration."""
    kinds = {REWARD_CURVE: "Reward", KL_CURVE: "KL per token", MAIN_METRIC_CURVE: "Validation"}
    columns = [Column("method", "Method", numeric=False)]
    columns += [Column(f"{k}/{end}", name, end) for k, name in kinds.items() for end in ("first", "last")]
    rows, keys = [], []
    for method in scores.settings.rl_methods:
        cells = [Cell(method_label(method), method)]
        for kind in kinds:
            runs = [c for c in curves if (c.task, c.method, c.metric) == (task, method, kind)]
            points = mean_curve(runs) if runs else ()
            ends = (points[0][1], points[-1][1]) if points else ()
            cells += [Cell(f"{value:.{decimals([value])}f}", value) for value in ends] or [Cell("–"), Cell("–")]
        keys.append(method)
        rows.append(tuple(cells))
    notes = ("First and last iteration, mean of the seeds; every iteration is in curves.csv.",)
    return Table(f"curves_{task}", "Numbers of these charts", tuple(columns), tuple(keys), tuple(rows), notes)
