"""NarrativeQA as on the hub: `document` with its summary, `question`, two `answers`. Three questions to a document."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.grammar import Grammar, with_variants
from rl4lms.data_pools.generators.names import TOWNS, person
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import alternatives
from rl4lms.tasks.narrative_qa.plots import PLOTS, Plot

QUESTIONS_PER_DOCUMENT = 3
_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


class _Story(NamedTuple):
    plot: Plot
    facts: dict[str, str]


def _grammar(plot: Plot) -> Grammar:
    rules = {"title": plot.title}
    rules |= {f"sentence {i}": text for i, text in enumerate(plot.sentences)}
    for i, texts in enumerate(plot.questions):
        rules |= {f"{role} {i}": text for role, text in zip(("question", "answer 0", "answer 1"), texts, strict=True)}
    return Grammar(rules)


_GRAMMARS = {plot.name: _grammar(plot) for plot in PLOTS}
_VALUES = {plot.name: {fact: alternatives(v) for fact, v in plot.facts.items()} for plot in PLOTS}


def _story(rng: random.Random) -> _Story:
    plot = rng.choice(PLOTS)
    hero, friend, villain = person(rng), person(rng), person(rng)
    while len({hero.first, friend.first, villain.first}) < 3:
        friend, villain = person(rng), person(rng)
    town, other_town = rng.sample(TOWNS, 2)
    facts = {
        "hero": hero.full, "hero first": hero.first, "friend": friend.full, "friend first": friend.first,
        "villain": villain.full, "villain first": villain.first, "subject": hero.subject, "object": hero.object,
        "possessive": hero.possessive, "town": town, "other town": other_town,
    }  # fmt: skip
    for fact, values in _VALUES[plot.name].items():
        facts[fact] = rng.choice(values)
    return _Story(plot, facts)


def _text_and_tokens(text: str) -> dict[str, Any]:
    return {"text": text, "tokens": _TOKEN.findall(text)}


def _document(rng: random.Random, story: _Story) -> dict[str, Any]:
    grammar, facts = _GRAMMARS[story.plot.name], with_variants(story.facts)
    sentences = [grammar.expand(f"sentence {i}", rng, facts) for i in range(len(story.plot.sentences))]
    text = " ".join(capitalised(sentence) for sentence in sentences)
    title = grammar.expand("title", rng, facts)
    name = hashlib.sha1(f"{title}\n{text}".encode()).hexdigest()
    url = f"https://example.org/wiki/{title.replace(' ', '_')}"
    return {
        "id": name,
        "kind": rng.choice(("gutenberg", "movie")),
        "url": f"https://example.org/stories/{name}.txt",
        "file_size": len(text.encode()),
        "word_count": len(text.split()),
        "start": sentences[0],
        "end": sentences[-1],
        "summary": {**_text_and_tokens(text), "url": url, "title": title},
        "text": "",
    }


def _asked(rng: random.Random, story: _Story, number: int) -> dict[str, Any]:
    grammar, facts = _GRAMMARS[story.plot.name], with_variants(story.facts)
    question, first, second = (
        grammar.expand(f"{r} {number}", rng, facts) for r in ("question", "answer 0", "answer 1")
    )
    return {
        "question": _text_and_tokens(question),
        "answers": [_text_and_tokens(capitalised(answer)) for answer in (first, second)],
    }


def _unit(story: _Story) -> str:
    return f"{story.plot.name}|{'|'.join(story.facts.values())}"


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for story in distinct(rng, split, _story, _unit):
        document = _document(rng, story)
        for number in rng.sample(range(len(story.plot.questions)), QUESTIONS_PER_DOCUMENT):
            yield {"document": document, **_asked(rng, story, number)}
