"""Rows of the generated ToTTo tables: (rng, n) -> `n` rows of consistent values by column key."""

from __future__ import annotations

import random

from rl4lms.data_pools.generators.english import ordinal
from rl4lms.data_pools.generators.names import TOWNS, person
from rl4lms.data_pools.generators.wordlists import words

Row = dict[str, str]
COUNTRIES = words("""
    Austria Brazil Canada Chile France Germany Greece India Italy Japan Kenya Norway Peru Poland Spain
""")
_CAPITALS = words("""
    Athens Berlin Lisbon London Madrid Oslo Paris Prague Rome Tokyo Toronto Vienna Warsaw Zurich
""")
_WORDS = words("""
    Blue Broken Dark Early Golden Green Last Lonely Long Lost Quiet Red Silver Small White Wild
""")
_THINGS = words("""
    Bridge Dance Dream Garden Harbor Heart House Light Moon Night Rain River Road Sky Song Star Storm Street
    Summer Train
""")


def _years(rng: random.Random, n: int) -> list[int]:
    """`n` years, ascending, with gaps."""
    year = rng.randint(1975, 2008)
    years = []
    for _ in range(n):
        years.append(year)
        year += rng.randint(1, 2)
    return years


def _title(rng: random.Random) -> str:
    return rng.choice(
        (f"The {rng.choice(_WORDS)} {rng.choice(_THINGS)}", f"{rng.choice(_WORDS)} {rng.choice(_THINGS)}")
    )


def _distinct_titles(rng: random.Random, n: int) -> list[str]:
    titles: dict[str, None] = {}
    while len(titles) < n:
        titles[_title(rng)] = None
    return list(titles)


def career(rng: random.Random, n: int) -> list[Row]:
    club, league = "", ""
    rows = []
    for year in range(first := rng.randint(1975, 2012), first + n):
        if not club or rng.random() < 0.5:
            club = f"{rng.choice(TOWNS)} {rng.choice(('United', 'City', 'Rovers', 'Athletic'))}"
            league = rng.choice(("First Division", "Second Division", "Premier League", "National League"))
        apps = rng.randint(5, 40)
        season = f"{year}–{(year + 1) % 100:02d}"
        rows.append(
            {"season": season, "club": club, "league": league, "apps": str(apps), "goals": str(rng.randint(2, 25))}
        )
    return rows


def election(rng: random.Random, n: int) -> list[Row]:
    parties = rng.sample(
        ("Labor", "Green", "Liberal", "Conservative", "Farmers", "Independent", "Progress", "Unity"), n
    )
    shares = sorted((rng.randint(20, 400) for _ in range(n)), reverse=True)
    total = rng.randint(8_000, 90_000)
    return [
        {
            "party": party,
            "candidate": person(rng).full,
            "votes": f"{total * share // sum(shares):,}",
            "percent": f"{100 * share / sum(shares):.1f}",
        }
        for party, share in zip(parties, shares, strict=True)
    ]


def films(rng: random.Random, n: int) -> list[Row]:
    genres = ("Comedy", "Drama", "Thriller", "Western", "Musical")
    return [
        {
            "year": str(y),
            "title": t,
            "role": person(rng).first,
            "director": person(rng).full,
            "genre": rng.choice(genres),
        }
        for y, t in zip(_years(rng, n), _distinct_titles(rng, n), strict=True)
    ]


def singles(rng: random.Random, n: int) -> list[Row]:
    album = ""
    rows = []
    for year, title in zip(_years(rng, n), _distinct_titles(rng, n), strict=True):
        if not album or rng.random() < 0.6:
            album = _title(rng)
        rows.append({"year": str(year), "single": title, "album": album, "peak": str(rng.randint(1, 60))})
    return rows


def buildings(rng: random.Random, n: int) -> list[Row]:
    names = rng.sample([f"{t} {k}" for t in TOWNS for k in ("Tower", "House", "Center", "Plaza")], n)
    return [
        {
            "building": name,
            "city": rng.choice(TOWNS),
            "height": str((floors := rng.randint(6, 60)) * 4),
            "floors": str(floors),
            "year": str(year),
        }
        for name, year in zip(names, _years(rng, n), strict=True)
    ]


def awards(rng: random.Random, n: int) -> list[Row]:
    awards = ("National Film Award", "Golden Bear", "Critics Prize", "Silver Rose", "Academy Prize", "Festival Award")
    categories = ("Best Actor", "Best Newcomer", "Best Voice", "Best Performance", "Best Script")
    return [
        {
            "year": str(y),
            "award": rng.choice(awards),
            "category": rng.choice(categories),
            "work": t,
            "result": rng.choice(("Won", "Nominated")),
        }
        for y, t in zip(_years(rng, n), _distinct_titles(rng, n), strict=True)
    ]


def athletics(rng: random.Random, n: int) -> list[Row]:
    meetings = ("World Championships", "European Championships", "Summer Games", "Junior Championships", "Nations Cup")
    events = ("100 meters", "200 meters", "800 meters", "marathon", "long jump", "high jump", "javelin throw")
    event = rng.choice(events)
    rows = []
    for year in _years(rng, n):
        event = event if rng.random() < 0.6 else rng.choice(events)
        rows.append(
            {
                "year": str(year),
                "competition": rng.choice(meetings),
                "venue": rng.choice(_CAPITALS),
                "position": ordinal(rng.randint(1, 9)),
                "event": event,
            }
        )
    return rows


def stations(rng: random.Random, n: int) -> list[Row]:
    def call_sign() -> str:
        return f"W{rng.randint(201, 299)}{rng.choice('ABCD')}{rng.choice('KLMNPQ')}"

    signs = list(dict.fromkeys(call_sign() for _ in range(3 * n)))[:n]
    towns = rng.sample(TOWNS, n)
    formats = ("Country", "Jazz", "News", "Classical", "Rock", "Sports")
    return [
        {
            "sign": sign,
            "frequency": f"{rng.randint(88, 107)}.{rng.choice('13579')}",
            "city": town,
            "format": rng.choice(formats),
            "power": str(rng.randint(1, 25) * 10),
        }
        for sign, town in zip(signs, towns, strict=True)
    ]


def ascents(rng: random.Random, n: int) -> list[Row]:
    peaks = rng.sample([f"Mount {name}" for name in (*_WORDS, *_THINGS)], n)
    return [
        {
            "year": str(year),
            "mountain": peak,
            "height": f"{rng.randint(21, 79) * 100:,}",
            "country": rng.choice(COUNTRIES),
        }
        for year, peak in zip(_years(rng, n), peaks, strict=True)
    ]
