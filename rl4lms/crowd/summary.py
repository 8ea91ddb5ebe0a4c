"""The results of a study as a page of Markdown that reads as plain text too."""

from __future__ import annotations

from rl4lms.config.labels import method_label, task_label
from rl4lms.crowd.agreement import LEVELS
from rl4lms.crowd.results import LEVEL, Results
from rl4lms.results.table import NOT_MEASURED, Cell, Column, MethodColumn, Table, interval_text, method_table
from rl4lms.results.table_formats import markdown


def summary(results: Results, n_preferences: int) -> str:
    """Markdown: the counts, a table of ratings or of win rates, and one of agreement."""
    study, counts = results.study, results.counts
    head = (
        f"{counts['answers']} answers of {counts['workers']} workers, about {counts['items_answered']} of "
        f"{counts['items']} items."
    )
    if study.kind == "pairwise":
        head += f" {n_preferences} of them are preferences, the others ties."
    tables = [_win_rates(results) if study.kind == "pairwise" else _ratings(results), _agreement(results)]
    title = f"{task_label(study.task)}: what people say"
    return markdown(tables, title).replace(f"# {title}\n", f"# {title}\n\n{head}\n", 1)


def _ratings(results: Results) -> Table:
    columns = []
    for question in results.study.questions:
        by_method = {r.method: r.interval for r in results.ratings if r.question == question}
        columns.append(MethodColumn(Column(question, question.capitalize()), by_method))
    note = f"Mean over samples of the mean answer, 1 to 5, with a {LEVEL:.0%} bootstrap interval over samples."
    return method_table("ratings", "Ratings", columns, [note], results.study.methods)


def _win_rates(results: Results) -> Table:
    names = ("Method", "Against", "Win rate", "Wins", "Ties", "Losses", "Equal texts")
    rows = []
    for rate in results.win_rates:
        interval, counts = rate.interval, (rate.wins, rate.ties, rate.losses, rate.n_equal)
        win = Cell(interval_text(interval, 3), interval.mean, interval.low, interval.high)
        labels = [Cell(method_label(each), each) for each in (rate.method, rate.other)]
        rows.append((*labels, win, *(Cell(str(n), n) for n in counts)))
    note = (
        "Mean over samples of the mean over workers, a tie being half a win, where the texts differ; with a "
        f"{LEVEL:.0%} bootstrap interval over samples. An interval that holds 0.5 decides nothing."
    )
    columns = tuple(Column(name.lower(), name, numeric=i > 1) for i, name in enumerate(names))
    keys = tuple(f"{rate.method} {rate.other}" for rate in results.win_rates)
    return Table("win_rates", "Win rates", columns, keys, tuple(rows), (note,))


def _agreement(results: Results) -> Table:
    rows = []
    for question, alphas in results.agreement.items():
        found = [alphas[level] for level in LEVELS]
        cells = [Cell(NOT_MEASURED) if alpha is None else Cell(f"{alpha:.3f}", alpha) for alpha in found]
        rows.append((Cell(question.capitalize(), question), *cells))
    note = f"Krippendorff's alpha; {NOT_MEASURED} where no item has two answers, or all of them are the same."
    columns = (Column("question", "Question", numeric=False), *(Column(level, level.capitalize()) for level in LEVELS))
    return Table("agreement", "Agreement", columns, tuple(results.agreement), tuple(rows), (note,))
