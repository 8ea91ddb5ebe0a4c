"""IMDB reviews: `text`, `label` (1 = positive). Every film has one admirer and one critic, so no title tells the label.

The first half of a review introduces the film and leans, not always rightly; the second half decides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.grammar import Grammar
from rl4lms.data_pools.generators.names import TOWNS, person
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import words

_FIRST_IMPRESSION_IS_RIGHT = 0.8
_EARLY_IMPRESSION = 0.75
_PARAGRAPHS = 0.3
MIN_WORDS, MAX_WORDS = 30, 60

_TITLE_ADJECTIVES = words("""
    Silent Broken Golden Hidden Last Lost Crimson Distant Empty Endless Final Frozen Gentle Hollow Little
    Lonely Midnight Quiet Restless Secret Second Stolen Strange Winter Wild
""")
_TITLE_NOUNS = words("""
    Harbor River Garden Letter Mirror Bridge Summer Shadow Promise Witness Stranger Kingdom Lighthouse Station
    Orchard Island Journey Daughter Soldier Painter Thief Song Road Valley Storm Candle Window Train Castle
    Ocean
""")

_NEUTRAL = {
    "opening": """
        I watched [film] last night with [company].
        I saw [film] [occasion].
        [film] is a [genre] directed by [director].
        [director] wrote and directed [film], a [genre] set in [town].
        My [relative] told me to watch [film], so I did.
        I had heard a lot about [film] before I finally saw it.
        [film] is the new [genre] from [director].
        After reading about [film] for months, I rented it [occasion].""",
    "company": "my wife|my husband|my sister|my brother|two friends|my parents|my roommate|some friends from work",
    "occasion": "on television|at a festival|on a rainy Sunday|on a long flight|at a small theater|last weekend|on DVD",
    "relative": "brother|sister|uncle|cousin|neighbor|boss|best friend|teacher",
    "genre": """comedy|drama|thriller|western|mystery|horror film|love story|war movie|crime story|fantasy film
        family film|science fiction movie|road movie|musical""",
    "plot": """
        [star] plays [job] who [quest].
        The story follows [job] who [quest].
        It is about [job] who [quest].
        The plot is simple: [job] [quest].
        [star] stars as [job] who [quest].""",
    "job": """a doctor|a lawyer|a retired policeman|a young teacher|a sailor|a lonely writer|a tired detective
    a taxi driver
        a farmer|an old musician|a soldier|a poor student|a night nurse|a famous actor|a priest|a bank clerk""",
    "quest": """returns to a small town to find a missing brother|falls in love with a stranger on a train
        tries to save the family farm|inherits an old house by the sea|witnesses a murder and runs away
        travels across the country to meet an old friend|must hide from the police for one winter
        joins a group of thieves for one last job|discovers a letter that changes everything
        takes care of a child after the war|loses everything and starts again in the city
        moves to [town] and meets a strange family|searches for a lost painting
        wakes up one day without any memory|has to choose between love and duty""",
    "one": """acting|script|story|plot|dialogue|music|direction|camera work|pacing|ending|editing|humor|photography
        opening scene|whole cast|love story""",
    "many": "performances|characters|jokes|action scenes|special effects|costumes|songs|supporting actors|locations",
    "aspect": "the [one]|the [many]",
    "whole": "film|movie|picture",
}
_POSITIVE = {
    "good": """wonderful|brilliant|superb|moving|charming|gripping|excellent|delightful|beautiful|touching|funny|clever
        fresh|warm|convincing|memorable|stunning|powerful|honest|thrilling|elegant|graceful|tender|witty|vivid
        remarkable|perfect|intelligent|lovely|fascinating""",
    "gifted": "wonderful|brilliant|superb|charming|convincing|perfect|funny|great|touching|believable",
    "effect": """moved me deeply|made me smile|kept me on the edge of my seat|stayed with me for days
        surprised me again and again""",
    "lean": """
        The [one] is [good] from the start.
        The [many] are [good] in the first hour.
        The first scenes are [good] and [good].
        Critics called it [good], and I can see why.
        I liked the [good] [one] right away.
        My friends found the [one] [good].""",
    "judgement": """
        The [one] is [good], and the [many] are [good].
        The [one] is [good] and never [bad].
        [star] gives a [gifted] performance.
        [star] is simply [gifted], and the [many] [effect].
        The [one] [effect].
        I loved the [good] [one] and the [good] [many].
        The [many] are [good], and [director] directs with [skill].
        Every minute feels [good] and [good].""",
    "skill": "great care|a sure hand|real passion|a light touch|so much love|wit and style",
    "concession": """
        Although the [one] is [bad] at times, the [many] are [good].
        The [one] may be a bit [bad], but the [one] is so [good] that I did not mind.
        Yes, some of the [many] are [bad], yet the [whole] works because the [one] is [good].""",
    "verdict": """
        I would gladly watch it again.|Highly recommended.|It is one of the best films of the year.
        Do not miss this [good] [whole].
        I left the theater happy.|What a [good] [whole]!|A true gem that deserves to be seen.
        I give it [high] out of 10.
        My whole family loved it.|It deserves every award.|A [good] and [good] [whole].|See it as soon as you can.""",
    "high": "8|9|10",
}
_NEGATIVE = {
    "bad": """dull|terrible|awful|weak|boring|clumsy|flat|predictable|lifeless|silly|annoying|shallow|messy|tedious
    wooden
        forgettable|painful|lazy|cheap|bland|confusing|hollow|stale|dreadful|ridiculous|pointless|irritating|sloppy
        stiff|poor""",
    "miscast": "terrible|weak|dull|dreadful|wooden|clumsy|boring|lifeless|forgettable|ridiculous",
    "effect": "put me to sleep|made me look at my watch|left me cold|got on my nerves|made me want to leave",
    "lean": """
        The [one] is [bad] from the start.
        The [many] are [bad] in the first hour.
        The first scenes are [bad] and [bad].
        Critics called it [bad], and I can see why.
        I disliked the [bad] [one] right away.
        My friends found the [one] [bad].""",
    "judgement": """
        The [one] is [bad], and the [many] are [bad].
        The [one] is [bad] and never [good].
        [star] gives a [miscast] performance.
        [star] is simply [miscast], and the [many] [effect].
        The [one] [effect].
        I hated the [bad] [one] and the [bad] [many].
        The [many] are [bad], and [director] directs with [skill].
        Every minute feels [bad] and [bad].""",
    "skill": "no energy at all|a heavy hand|little interest|no sense of rhythm|too little courage",
    "concession": """
        Although the [one] is [good] at times, the [many] are [bad].
        The [one] may be a bit [good], but the [one] is so [bad] that I stopped caring.
        Yes, some of the [many] are [good], yet the [whole] fails because the [one] is [bad].""",
    "verdict": """
        I want my money back.|Avoid it at all costs.|It is one of the worst films of the year.
        Do not waste your time on this [bad] [whole].
        I left the theater angry.|What a [bad] [whole]!|A complete mess from beginning to end.
        I give it [low] out of 10.
        My whole family hated it.|It deserves no award at all.|A [bad] and [bad] [whole].
        Save your money and stay at home.""",
    "low": "1|2|3",
}
_LINKS = {"same": "Also|And indeed|In short|To be fair|In the end", "turn": "But|However|Still|Even so|In the end"}


def _grammar(label: int) -> Grammar:
    adjectives = {"good": _POSITIVE["good"], "bad": _NEGATIVE["bad"]}
    return Grammar({**_NEUTRAL, **_LINKS, **adjectives, **(_POSITIVE if label else _NEGATIVE)})


_GRAMMARS = (_grammar(0), _grammar(1))


def _title(rng: random.Random) -> str:
    adjective, noun = rng.choice(_TITLE_ADJECTIVES), rng.choice(_TITLE_NOUNS)
    pattern = rng.randrange(6)
    if pattern == 0:
        return f"The {adjective} {noun}"
    if pattern == 1:
        return f"{adjective} {noun}"
    if pattern == 2:
        return f"The {noun} of {rng.choice(TOWNS)}"
    if pattern == 3:
        return f"The {noun} and the {rng.choice(_TITLE_NOUNS)}"
    if pattern == 4:
        return f"{noun} in {rng.choice(TOWNS)}"
    return f"The {adjective} {noun} of {rng.choice(TOWNS)}"


def _joined(link: str, sentence: str) -> str:
    """ "But" + "The acting ..." -> "But the acting ..."; names and "I" keep their capital."""
    comma = "" if link in ("But", "And indeed") else ","
    first = sentence.split(" ", 1)[0]
    lowered = sentence[0].lower() + sentence[1:] if first in ("The", "Every", "Although", "Yes,", "My") else sentence
    return f"{link}{comma} {lowered}"


def _review(rng: random.Random, title: str, label: int) -> str:
    star, director = person(rng), person(rng)
    bound = {"film": title, "star": star.full, "director": director.full, "town": rng.choice(TOWNS)}
    right = rng.random() < _FIRST_IMPRESSION_IS_RIGHT
    grammar = _GRAMMARS[label]
    lean = _GRAMMARS[label if right else 1 - label].expand("lean", rng, bound)
    opening, plot = grammar.expand("opening", rng, bound), grammar.expand("plot", rng, bound)
    first = [opening, lean, plot] if rng.random() < _EARLY_IMPRESSION else [opening, plot, lean]
    kinds = rng.choice((("judgement", "verdict"), ("judgement", "verdict"), ("concession", "verdict"),
                        ("judgement", "judgement", "verdict"), ("judgement", "concession", "verdict")))  # fmt: skip
    second = [grammar.expand(kind, rng, bound) for kind in kinds]
    if not right or rng.random() < 0.3:
        second[0] = _joined(grammar.expand("same" if right else "turn", rng), second[0])
    gap = "<br /><br />" if rng.random() < _PARAGRAPHS else " "
    return capitalised(" ".join(first) + gap + " ".join(second))


def _fitting_review(rng: random.Random, title: str, label: int) -> str:
    while True:
        text = _review(rng, title, label)
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            return text


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for title in distinct(rng, split, _title, str):
        labels = [0, 1]
        rng.shuffle(labels)
        for label in labels:
            yield {"text": _fitting_review(rng, title, label), "label": label}
