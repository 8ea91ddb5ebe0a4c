"""English inflection for the generators: regular rules, and a table of what they do not cover."""

from __future__ import annotations

from rl4lms.data_pools.generators.wordlists import pairs, words

# base -> past
_IRREGULAR = dict(
    pairs("""
build = built; buy = bought; catch = caught; cut = cut; draw = drew; drink = drank; drive = drove; eat = ate
feed = fed; fly = flew; get = got; hit = hit; hold = held; lead = led; read = read; ride = rode; run = ran
sell = sold; sing = sang; sit = sat; sleep = slept; stand = stood; sweep = swept; swim = swam; take = took
teach = taught; throw = threw; wear = wore; write = wrote
""")
)
_DOUBLING = frozenset(words("chat cut get hit pet run sit strip swim"))
_PLURALS = {
    "child": "children",
    "fish": "fish",
    "leaf": "leaves",
    "man": "men",
    "person": "people",
    "woman": "women",
}
_VOWEL_SOUNDS = frozenset(("8", "11", "18", "hour", "honest", "honor", "heir"))
_CONSONANT_SOUNDS = ("uni", "use", "eu", "one")
_NUMBERS = words("zero one two three four five six seven eight nine ten eleven twelve")


def _split_head(verb: str) -> tuple[str, str]:
    """ "pick up" -> "pick", " up"."""
    head, space, rest = verb.partition(" ")
    return head, space + rest


def _ends_consonant_y(word: str) -> bool:
    return len(word) > 1 and word[-1] == "y" and word[-2] not in "aeiou"


def _add_s(word: str) -> str:
    if _ends_consonant_y(word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def plural(noun: str) -> str:
    """The plural of the last word of `noun`: "young child" -> "young children"."""
    before, space, last = noun.rpartition(" ")
    return before + space + (_PLURALS.get(last) or _add_s(last))


def third_person(verb: str) -> str:
    head, rest = _split_head(verb)
    special = {"be": "is", "have": "has", "do": "does", "go": "goes"}.get(head)
    return (special or _add_s(head)) + rest


def _regular_past(head: str) -> str:
    if head.endswith("e"):
        return head + "d"
    if _ends_consonant_y(head):
        return head[:-1] + "ied"
    return head + (head[-1] if head in _DOUBLING else "") + "ed"


def past(verb: str) -> str:
    head, rest = _split_head(verb)
    return (_IRREGULAR.get(head) or _regular_past(head)) + rest


def gerund(verb: str) -> str:
    """The -ing form."""
    head, rest = _split_head(verb)
    if head.endswith("ie"):
        head = head[:-2] + "y"
    elif head.endswith("e") and not head.endswith(("ee", "ye")) and head != "be":
        head = head[:-1]
    elif head in _DOUBLING:
        head += head[-1]
    return head + "ing" + rest


def article(phrase: str) -> str:
    """ "a" or "an", by the sound that `phrase` begins with."""
    word = phrase.split(" ", 1)[0].lower()
    vowel = word in _VOWEL_SOUNDS or (word[0] in "aeiou" and not word.startswith(_CONSONANT_SOUNDS))
    return "an" if vowel else "a"


def with_article(phrase: str) -> str:
    return f"{article(phrase)} {phrase}"


def capitalised(text: str) -> str:
    """The first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def number_word(n: int) -> str:
    """Words up to twelve, digits above."""
    return _NUMBERS[n] if 0 <= n < len(_NUMBERS) else str(n)
