"""A sample's prompt as people should see it: the table of ToTTo as a table, a dialogue as turns, no task prefixes.

Every task has a template of its own, templates/sources/<task>.html.j2, which gets what is returned here as `source`.
A prompt of another form than the task's (a user's own pool under the task's name) is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

EOU = "<EOU>"  # ends an utterance of DailyDialog's prompts and references
_PREFIX = {
    "common_gen": re.compile(r"^(?:generate a sentence with|summarize):\s*", re.IGNORECASE),
    "cnn_dailymail": re.compile(r"^(?:summarize|tl;?dr):\s*", re.IGNORECASE),
    "iwslt2017": re.compile(r"^translate english to german:\s*", re.IGNORECASE),
}
_TITLED = re.compile(
    r"(?:<page_title>\s*(?P<page>.*?)\s*</page_title>\s*)?"
    r"(?:<section_title>\s*(?P<section>.*?)\s*</section_title>\s*)?<table>(?P<table>.*?)</table>",
    re.DOTALL,
)
_CELL = re.compile(r"<(?P<tag>cell|highlighted_cell)>\s*(?P<body>.*?)\s*</(?P=tag)>", re.DOTALL)
_HEADER = re.compile(r"<(col|row)_header>\s*(.*?)\s*</\1_header>", re.DOTALL)


def source_of(task: str, prompt: str) -> dict[str, Any]:
    """What the task's template shows of a prompt; `text` is always there."""
    parse = _PARSERS.get(task)
    return {"text": _without_prefix(task, prompt), **(parse(prompt) if parse else {})}


def output_of(text: str) -> str:
    """A generation without the mark that ends an utterance, and without the space around it."""
    return text.replace(EOU, " ").strip()


def _without_prefix(task: str, prompt: str) -> str:
    pattern = _PREFIX.get(task)
    return (pattern.sub("", prompt) if pattern else prompt).strip()


def _concepts(prompt: str) -> dict[str, Any]:
    return {"words": _without_prefix("common_gen", prompt).rstrip(". ").replace(",", " ").split()}


def _turns(prompt: str) -> dict[str, Any]:
    return {"turns": [turn.strip() for turn in prompt.split(EOU) if turn.strip()]}


def _question(prompt: str) -> dict[str, Any]:
    r"""UnifiedQA's form: the question, backslash and n, the story."""
    question, mark, story = prompt.partition("\\n")
    return {"question": question.strip(), "story": story.strip()} if mark else {}


def _table(prompt: str) -> dict[str, Any]:
    """The prompt has the table twice, without and with titles: the last one is shown."""
    tables = list(_TITLED.finditer(prompt))
    if not tables:
        return {}
    last = tables[-1]
    cells = [_cell(match) for match in _CELL.finditer(last["table"])]
    if any(cell["highlighted"] for cell in cells):
        cells = [cell for cell in cells if cell["highlighted"]]
    return {"page": last["page"], "section": last["section"], "cells": cells}


def _cell(match: re.Match[str]) -> dict[str, Any]:
    value, *_ = re.split(r"<(?:col|row)_header>", match["body"], maxsplit=1)
    headers = [header for _, header in _HEADER.findall(match["body"])]
    return {"value": value.strip(), "headers": headers, "highlighted": match["tag"] == "highlighted_cell"}


_PARSERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "common_gen": _concepts,
    "totto": _table,
    "narrative_qa": _question,
    "daily_dialog": _turns,
}
