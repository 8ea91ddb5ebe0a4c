"""CommonGen (GEM's columns): a set of 3 to 5 concepts and sentences that use them all, inflected.

A train row has one target, and its concept set one to three rows; a val or test row has three to five references.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rl4lms.data_pools.dataset import PUBLISHED_SPLITS
from rl4lms.data_pools.generators import english
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import words

MIN_WORDS, MAX_WORDS = 6, 15

_CLASSES = {
    "people": "man woman boy girl child student tourist friend",
    "adults": "man woman worker farmer cook tourist",
    "kids": "boy girl child student",
    "athletes": "player boy girl athlete man woman",
    "pets": "dog cat puppy",
    "outdoors": "park field yard beach garden",
    "indoors": "kitchen room classroom office",
    "town": "street market station square",
}
# verb | subjects | objects, "preposition:" before them where the verb needs one | places
_FRAMES = """
throw | athletes kids | ball frisbee stick rock | outdoors street
catch | athletes dog | ball frisbee stick | outdoors
kick | athletes kids | ball rock can | outdoors street
hit | athletes | ball target | field park gym
hit | musician kids man | drum bell | stage street room
hold | people | flower umbrella flag baby camera | outdoors town
carry | adults kids | bag box basket bucket ladder | town kitchen garden
ride | people farmer | bike horse | outdoors street road
ride | people worker | bus train | city
drive | adults | car truck tractor bus | street road field
push | adults kids | cart stroller bike wagon | town park yard
pull | farmer horse child man dog | sled cart wagon rope | street field yard road
climb | people athlete | ladder wall rope | yard gym
climb | people athlete | tree mountain | forest park
cut | cook people | bread cake | kitchen restaurant
cut | kids teacher | paper ribbon | classroom room
cut | farmer man worker | wood rope | yard garage forest
cook | cook man woman student | meal soup egg fish meat | kitchen restaurant
bake | cook woman girl man | bread cake cookie pie | kitchen
eat | people worker | sandwich apple cake soup | kitchen restaurant park
eat | dog cat puppy | meat fish bone | kitchen yard
drink | people worker | water coffee juice milk | kitchen restaurant office
drink | cat horse dog cow | water milk | yard field
wash | people worker | car dog truck | yard street
wash | cook woman man student | dish shirt window | kitchen
clean | worker woman man student | window floor table desk | room kitchen classroom office
paint | artist man woman child | wall picture fence house | yard garden street
draw | artist kids teacher | picture map horse face | classroom room beach
read | people | book newspaper letter map | room classroom park station
write | student woman man teacher | letter book note story | classroom office room
play | musician kids man | guitar piano drum violin | stage street room
sing | musician girl boy woman | song | stage street church
watch | people | game show bird | room park stage
wear | people cook | hat coat shirt helmet | stage street office
wear | woman girl dancer | dress hat | stage street park
open | people worker | door box window gift | room kitchen office
close | people teacher | door book window box | room classroom office
fix | worker man woman farmer | car bike roof fence | yard garage street
build | worker farmer man | house wall fence bridge | field city
build | kids man | castle boat | beach
plant | farmer woman child man | tree flower seed | garden field yard
pick | farmer girl boy woman | apple flower grape | garden field
water | farmer woman girl man | flower plant tree | garden yard
feed | farmer kids woman | horse duck cow bird | field park yard
walk | people | dog puppy horse | outdoors street
pet | kids woman man | dog cat horse puppy | yard park room
chase | pets boy girl | ball cat bird squirrel | yard park field garden
take | tourist woman man girl | picture photo | outdoors town museum
sell | farmer woman man worker | fruit flower fish shirt | market street
buy | people | fruit ticket shirt book | market station store
teach | teacher woman man | student class child | classroom gym
lead | farmer soldier teacher man | horse group parade | street road field
wave | kids soldier woman man | flag hand | street stage station
load | worker man farmer soldier | truck box boat | street station dock
sweep | worker woman man boy | floor | room kitchen station classroom
sweep | worker woman man boy | leaf | yard street garden
sit | people cat | on:bench rock wall | park station
sit | people cat | on:chair couch | room office
stand | people soldier worker | on:chair ladder | room garage kitchen
stand | people soldier | on:bridge stage | city park
sleep | pets child man baby | on:couch bed floor | room
sleep | dog man cat tourist | on:bench grass | park garden station
jump | athletes dog horse | over:fence rope wall log | field yard park
run | athletes dog horse | across:street bridge field | park city
swim | athletes dog duck | across:lake river pool | park city
wait | people soldier | for:bus train friend taxi | town city
look | people worker | at:picture map camera | museum room office
look | people pets | at:bird sky tree | park beach street
listen | people worker | to:music radio | room kitchen park
talk | people teacher | to:friend neighbor crowd | town office room
dance | dancer kids woman man | to:music song | stage street room
fly | bird pilot | over:lake city field mountain | sky
fly | kids man woman | kite | beach park field
"""
_ON = ("stage", "beach", "street", "road", "dock")
_AT = ("station", "market", "museum", "store")
_PREPOSITIONS = dict.fromkeys(_ON, "on") | dict.fromkeys(_AT, "at")
_MASS = frozenset(words("bread paper wood soup meat water milk coffee juice fruit music fish grass"))
_UNIQUE = frozenset(("sky", "floor", "music"))
_HUMAN_OBJECTS = frozenset(words("student friend neighbor child hand"))
_COLLECTIVE = frozenset(("group", "crowd", "parade", "class"))
_ASIDES = words("smile laugh talk sing shout wait chat whistle")
_ANIMALS = frozenset(words("dog cat puppy horse bird duck cow"))
_YOUTH = frozenset(words("boy girl child student baby"))
_MADE = frozenset(
    words("""
    ball bike car truck bus cart sled wagon hat coat dress shirt helmet box bag basket bucket umbrella flag
    fence house door couch chair bench boat guitar piano book wall table kite ladder
""")
)
_ANIMAL_LOOKS = ("brown", "black", "small", "big", "white")
_YOUTH_LOOKS = ("young", "little", "happy")
_ADULT_LOOKS = ("young", "old", "happy", "tall")


@dataclass(frozen=True, slots=True)
class _Frame:
    verb: str
    subjects: tuple[str, ...]
    preposition: str
    objects: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What one concept set says; "" where a role is not filled."""

    subject: str
    verb: str
    preposition: str
    object: str
    place: str
    aside: str

    @property
    def concepts(self) -> list[str]:
        return list(filter(None, (self.subject, self.verb, self.object, self.place, self.aside)))


def _members(names: str) -> tuple[str, ...]:
    """Words and classes of words, each word once, in order."""
    words = (w for name in names.split() for w in _CLASSES.get(name, name).split())
    return tuple(dict.fromkeys(words))


def _frames() -> Iterator[_Frame]:
    for line in _FRAMES.strip().splitlines():
        verb, subjects, objects, places = (field.strip() for field in line.split("|"))
        preposition, _, nouns = objects.rpartition(":")
        yield _Frame(
            verb, tuple(s for s in _members(subjects) if s != verb), preposition, _members(nouns), _members(places)
        )


_TABLE = tuple(_frames())


def _scene(rng: random.Random) -> _Scene:
    """3 concepts in 3 of 10 draws, 4 in 5, 5 in 2."""
    frame = rng.choice(_TABLE)
    subject = rng.choice(frame.subjects)
    size = rng.choice((3, 3, 3, 4, 4, 4, 4, 4, 5, 5))
    with_place = size == 5 or (size == 4 and rng.random() < 0.7)
    with_aside = (size == 5 or (size == 4 and not with_place)) and subject not in _ANIMALS
    choices = [noun for noun in frame.objects if noun != subject]
    noun = rng.choice(choices)
    places = [p for p in frame.places if p != noun]
    aside = rng.choice([v for v in _ASIDES if v != frame.verb]) if with_aside else ""
    return _Scene(subject, frame.verb, frame.preposition, noun, rng.choice(places) if with_place else "", aside)


def _subject(rng: random.Random, noun: str) -> tuple[str, bool]:
    """(noun phrase, whether it is plural)."""
    looks = _ANIMAL_LOOKS if noun in _ANIMALS else _YOUTH_LOOKS if noun in _YOUTH else _ADULT_LOOKS
    phrase = f"{rng.choice(looks)} {noun}" if rng.random() < 0.35 else noun
    form = rng.random()
    if form < 0.45:
        return english.with_article(phrase), False
    if form < 0.75:
        return f"the {phrase}", False
    if form < 0.85:
        return f"a group of {english.plural(phrase)}", False
    return f"{rng.choice(('two', 'some', 'three'))} {english.plural(phrase)}", True


def _object(rng: random.Random, noun: str) -> str:
    if noun in _UNIQUE:
        return f"the {noun}"
    if noun in _MASS:
        return f"{rng.choice(('the', 'some'))} {noun}"
    looks = ("new", "old", "red", "green") if noun in _MADE else ("big", "small")
    plain = noun in _COLLECTIVE or noun in _HUMAN_OBJECTS
    phrase = noun if plain or rng.random() >= 0.15 else f"{rng.choice(looks)} {noun}"
    form = rng.random()
    if form < 0.5:
        return english.with_article(phrase)
    return f"the {phrase}" if form < 0.8 or noun in _COLLECTIVE else f"the {english.plural(phrase)}"


def _conjugation(rng: random.Random, plural: bool) -> Callable[[str], str]:
    form = rng.random()
    if form < 0.4:
        return lambda verb: f"{'are' if plural else 'is'} {english.gerund(verb)}"
    if form < 0.8:
        return lambda verb: verb if plural else english.third_person(verb)
    return english.past


def _where(place: str) -> str:
    return f"{_PREPOSITIONS.get(place, 'in')} the {place}"


def _sentence(rng: random.Random, scene: _Scene) -> str:
    subject, plural = _subject(rng, scene.subject)
    inflect = _conjugation(rng, plural)
    where = _where(scene.place) if scene.place else ""
    aside = ""
    if scene.aside:
        finite = inflect(scene.aside)
        shared = finite.split(" ", 1)[1] if finite.startswith(("is ", "are ")) else finite
        aside = f"and {shared}" if rng.random() < 0.5 else f"while {english.gerund(scene.aside)}"
    core = [subject, inflect(scene.verb), scene.preposition, _object(rng, scene.object)]
    fronted = bool(where) and rng.random() < 0.2
    words = [f"{where},", *core, aside] if fronted else [*core, where, aside]
    return english.capitalised(" ".join(filter(None, words))) + "."


def _sentences(rng: random.Random, scene: _Scene, n: int) -> list[str]:
    """`n` different sentences of fitting length."""
    found: dict[str, None] = {}
    while len(found) < n:
        sentence = _sentence(rng, scene)
        if MIN_WORDS <= len(sentence.split()) <= MAX_WORDS:
            found[sentence] = None
    return list(found)


def _unit(scene: _Scene) -> str:
    return "#".join(sorted(scene.concepts))


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    number = 0
    for set_id, scene in enumerate(distinct(rng, split, _scene, _unit)):
        concepts = rng.sample(scene.concepts, len(scene.concepts))
        if split == "train":
            groups: list[tuple[str, list[str]]] = [
                (sentence, []) for sentence in _sentences(rng, scene, rng.randint(1, 3))
            ]
        else:
            references = _sentences(rng, scene, rng.randint(3, 5))
            groups = [(references[0], references)]
        for target, references in groups:
            yield {
                "gem_id": f"common_gen-{PUBLISHED_SPLITS[split]}-{number}",
                "concept_set_id": set_id,
                "concepts": list(concepts),
                "target": target,
                "references": references,
            }
            number += 1
