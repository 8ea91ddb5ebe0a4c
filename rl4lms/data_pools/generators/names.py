"""Invented people and places that the English generators share."""

from __future__ import annotations

import random
from typing import NamedTuple

from rl4lms.data_pools.generators.wordlists import words

WOMEN = words("""
    Alice Anna Clara Diana Ellen Emma Grace Hannah Helen Irene Julia Karen Laura Lucy Maria Martha Nora Rachel
    Rosa Ruth Sarah Sofia Susan Vera
""")
MEN = words("""
    Adam Albert Andrew Anton Carl Daniel David Edward Frank George Henry Hugo Ivan Jack James Leo Mark Martin
    Oscar Paul Peter Simon Thomas Victor
""")
SURNAMES = words("""
    Abbott Archer Baker Barlow Bennett Brook Carter Chandler Cole Dalton Drake Ellis Fisher Foster Gray Hale
    Harper Hayes Holt Hunter Jordan Keller Lambert Lane Marsh Mason Miller Moore Norris Palmer Parker Porter
    Quinn Reed Rivera Shaw Stone Turner Vance Walsh Ward Webb West Wood
""")
TOWNS = words("""
    Ashford Brookfield Clifton Danbury Eastport Fairview Glenwood Hartley Kingsport Lakewood Marlow Newhaven
    Northfield Oakdale Pinehurst Redhill Riverton Rockport Springfield Stonebridge Westbury Weston Whitby
    Woodstock
""")


class Name(NamedTuple):
    """first, last, and the pronouns: she or he, her or him, her or his."""

    first: str
    last: str
    subject: str
    object: str
    possessive: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"


def person(rng: random.Random) -> Name:
    if rng.random() < 0.5:
        return Name(rng.choice(WOMEN), rng.choice(SURNAMES), "she", "her", "her")
    return Name(rng.choice(MEN), rng.choice(SURNAMES), "he", "him", "his")
