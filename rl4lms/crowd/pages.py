"""The pages of a study: one HTML file each, which loads nothing, collects answers, and hands them over.

A page works by itself (the answers are downloaded as a file), and as the page of an external question of Mechanical
Turk or another service that takes plain form fields.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import jinja2

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import write_json, write_text
from rl4lms.crowd.study import CHOICES, KEY_FILE, PREFERENCE, SCALE, Item, Study
from rl4lms.tasks.task import Task, task_of

# Where Mechanical Turk's assignments are handed in; the page takes no other address from its URL.
MTURK = ("https://www.mturk.com", "https://workersandbox.mturk.com")
_SOURCE = "source.html.j2"
_PLAIN = '{% macro source(source) %}<p class="text">{{ source.text }}</p>{% endmacro %}'
_CHOICE_WORDS = dict(zip(CHOICES, ("A is better", "No difference", "B is better"), strict=True))


def write_study(study: Study, out: Path, submit_to: str | None = None) -> list[Path]:
    """Write key.json and pages/page_<n>.html into `out`. Returns the pages.

    submit_to: where the form is posted; None leaves that to the service that opens the page, or to the download.
    Raises DataError where `out` holds another study: its key is needed for answers that are still to come.
    """
    rendered = render_pages(study, submit_to)
    key = out / KEY_FILE
    if key.is_file() and Study.read(key) != study:
        raise DataError(f"{key}: the key of another study; write to another directory, or remove this one first.")
    write_json(key, study.to_dict())
    pages = {out / "pages" / name: text for name, text in rendered.items()}
    for page, text in pages.items():
        write_text(page, text)
    return list(pages)


def render_pages(study: Study, submit_to: str | None = None) -> dict[str, str]:
    """File name -> HTML, with every text of a model or a data set escaped."""
    task = task_of(study.task)
    source = _PLAIN if task.template is None else task.template.read_text(encoding="utf-8")
    loaders = [jinja2.PackageLoader("rl4lms.crowd"), jinja2.DictLoader({_SOURCE: source})]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"title_case": lambda text: text[:1].upper() + text[1:]}
    template = environment.get_template(f"{study.kind}.html.j2")
    pages = study.pages()
    width = max(2, len(str(len(pages))))
    form_targets = [*MTURK, *([_origin(submit_to)] if submit_to else [])]
    return {
        f"page_{n:0{width}}.html": template.render(
            study=study.digest,
            page=f"{n:0{width}}",
            n_pages=len(pages),
            wording=task.wording,
            source_template=_SOURCE,
            items=[_shown(study, task, item) for item in items],
            scale=SCALE,
            choices=_CHOICE_WORDS,
            preference=PREFERENCE,
            submit_to=submit_to,
            form_targets=form_targets,
            mturk=MTURK,
        )
        for n, items in enumerate(pages, 1)
    }


def _shown(study: Study, task: Task, item: Item) -> dict[str, object]:
    """What the task's template shows of a prompt, and the generations; `text` is always there."""
    sample = study.samples[item.sample_id]
    texts = [task.output(sample.texts[method]).strip() for method in item.methods]
    return {"id": item.id, "source": {"text": sample.prompt.strip(), **task.view(sample.prompt)}, "texts": texts}


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or any(c in url for c in " ;,'\"<>"):
        raise ConfigError(f"--submit-to {url}: expected the http(s) address that takes the form.")
    return f"{parts.scheme}://{parts.netloc}"
