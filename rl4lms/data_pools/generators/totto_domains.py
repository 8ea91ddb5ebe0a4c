"""Tables of the generated ToTTo: what a page is about, its columns, and how highlighted cells are stated."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from rl4lms.data_pools.generators import totto_rows
from rl4lms.data_pools.generators.totto_rows import Row


@dataclass(frozen=True, slots=True)
class Domain:
    """A kind of page.

    columns: key -> its possible headers, separated by "|"; optional: keys that a table may leave out.
    rows: (rng, n) -> `n` rows, values by key. facts: highlighted keys (in column order) -> sentences, at least three;
    [page] stands for the page's subject. occupation: of the person whom the page is about, "" where it is about none.
    """

    name: str
    sections: tuple[str, ...]
    columns: dict[str, str]
    optional: tuple[str, ...]
    rows: Callable[[random.Random, int], list[Row]]
    facts: dict[tuple[str, ...], str]
    occupation: str = ""


DOMAINS = (
    Domain(
        "career",
        ("Career statistics", "Club career", "Club"),
        {
            "season": "Season",
            "club": "Club|Team",
            "league": "League|Division",
            "apps": "Apps|Matches",
            "goals": "Goals",
        },
        ("league",),
        totto_rows.career,
        {
            ("season", "club"): """[page] played for [club] in the [season] season.
                In the [season] season, [page] was a player of [club].
                [page] was with [club] in [season].""",
            ("season", "club", "goals"): """[page] scored [goals] goals for [club] in the [season] season.
                In [season], [page] scored [goals] goals for [club].
                Playing for [club], [page] scored [goals] times in the [season] season.""",
            (
                "season",
                "club",
                "apps",
                "goals",
            ): """[page] played [apps] matches for [club] in [season] and scored [goals] goals.
                In the [season] season, [page] scored [goals] goals in [apps] matches for [club].
                With [goals] goals in [apps] games, [page] played for [club] in [season].""",
        },
        occupation="footballer",
    ),
    Domain(
        "election",
        ("Results", "Election results", "First round"),
        {"party": "Party", "candidate": "Candidate|Name", "votes": "Votes", "percent": "%|Share"},
        (),
        totto_rows.election,
        {
            ("party", "candidate"): """[candidate] was the candidate of the [party] Party in the [page].
                In the [page], [candidate] ran for the [party] Party.
                The [party] Party chose [candidate] as its candidate in the [page].""",
            ("candidate", "votes"): """[candidate] received [votes] votes in the [page].
                In the [page], [candidate] won [votes] votes.
                [votes] people voted for [candidate] in the [page].""",
            (
                "party",
                "candidate",
                "votes",
                "percent",
            ): """[candidate] of the [party] Party received [votes] votes ([percent]%) in the [page].
                In the [page], [candidate] of the [party] Party won [percent]% with [votes] votes.
                With [votes] votes, [candidate] of the [party] Party had [percent]% in the [page].""",
        },
    ),
    Domain(
        "films",
        ("Filmography", "Film", "Selected filmography"),
        {
            "year": "Year",
            "title": "Title|Film",
            "role": "Role",
            "director": "Director|Directed by",
            "genre": "Genre|Notes",
        },
        ("genre",),
        totto_rows.films,
        {
            ("year", "title", "role"): """In [year], [page] played [role] in [title].
                [page] played the role of [role] in the [year] film [title].
                [page] appeared as [role] in [title] in [year].""",
            ("title", "role", "director"): """[page] played [role] in [title], directed by [director].
                In [title] by [director], [page] played the role of [role].
                [director] directed [page] as [role] in [title].""",
            ("year", "title"): """[page] appeared in [title] in [year].
                In [year], [page] starred in [title].
                [page] acted in the [year] film [title].""",
        },
        occupation="actor",
    ),
    Domain(
        "singles",
        ("Singles", "Discography", "As lead artist"),
        {"year": "Year|Released", "single": "Single|Title|Song", "album": "Album", "peak": "Peak position|Chart|Peak"},
        ("album",),
        totto_rows.singles,
        {
            ("year", "single", "peak"): """In [year], [page] reached number [peak] with the single "[single]".
                The single "[single]" by [page] reached number [peak] in [year].
                [page] released "[single]" in [year], which peaked at number [peak].""",
            ("single", "peak"): """"[single]" by [page] reached number [peak] on the chart.
                [page] reached number [peak] with "[single]".
                The single "[single]" by [page] peaked at number [peak].""",
            ("year", "single"): """[page] released the single "[single]" in [year].
                In [year], [page] released "[single]".
                "[single]" is a [year] single by [page].""",
        },
        occupation="musician",
    ),
    Domain(
        "buildings",
        ("Buildings", "Works", "Completed works"),
        {
            "building": "Name|Building",
            "city": "City|Location",
            "height": "Height (m)",
            "floors": "Floors|Stories",
            "year": "Year|Completed",
        },
        (),
        totto_rows.buildings,
        {
            ("building", "city", "year"): """[page] designed [building] in [city], completed in [year].
                [building] in [city] by [page] was completed in [year].
                In [year], [page] completed [building] in [city].""",
            ("building", "height", "floors"): """[building] by [page] is [height] meters tall and has [floors] floors.
                [page] designed [building], which has [floors] floors and a height of [height] meters.
                With [floors] floors, [building] by [page] is [height] meters tall.""",
            ("building", "floors"): """[building] by [page] has [floors] floors.
                [page] designed [building] with [floors] floors.
                [building], designed by [page], has [floors] floors.""",
        },
        occupation="architect",
    ),
    Domain(
        "awards",
        ("Awards", "Awards and nominations", "Accolades"),
        {
            "year": "Year",
            "award": "Award|Association",
            "category": "Category",
            "work": "Work|Nominated work",
            "result": "Result",
        },
        ("category",),
        totto_rows.awards,
        {
            ("year", "award", "work", "result"): """In [year], [page] [verb] the [award] for [work].
                [page] [verb] the [award] for [work] in [year].
                For [work], [page] [verb] the [award] in [year].""",
            ("award", "work", "result"): """[page] [verb] the [award] for [work].
                For [work], [page] [verb] the [award].
                [page] [verb] the [award] for the role in [work].""",
        },
        occupation="performer",
    ),
    Domain(
        "athletics",
        ("Achievements", "International competitions", "Competition record"),
        {
            "year": "Year",
            "competition": "Competition|Tournament",
            "venue": "Venue|Host city",
            "position": "Position|Rank|Result",
            "event": "Event",
        },
        ("venue",),
        totto_rows.athletics,
        {
            (
                "year",
                "competition",
                "position",
                "event",
            ): """[page] finished [position] in the [event] at the [year] [competition].
                At the [year] [competition], [page] finished [position] in the [event].
                In [year], [page] took [position] place in the [event] at the [competition].""",
            ("year", "competition", "event"): """[page] competed in the [event] at the [year] [competition].
                At the [year] [competition], [page] took part in the [event].
                In [year], [page] competed at the [competition] in the [event].""",
            ("competition", "position", "event"): """[page] finished [position] in the [event] at the [competition].
                At the [competition], [page] came [position] in the [event].
                In the [event], [page] finished [position] at the [competition].""",
        },
        occupation="athlete",
    ),
    Domain(
        "stations",
        ("Translators", "Stations", "Network"),
        {
            "sign": "Call sign",
            "frequency": "Frequency|Frequency (MHz)|MHz",
            "city": "City of license|City",
            "format": "Format",
            "power": "Power (W)|Watts",
        },
        ("power",),
        totto_rows.stations,
        {
            ("sign", "frequency", "city"): """[page] is heard in [city] on [sign] at [frequency] MHz.
                The translator [sign] of [page] broadcasts at [frequency] MHz in [city].
                In [city], [page] broadcasts on [sign] at [frequency] MHz.""",
            ("sign", "city", "format"): """[sign] is a [format] station of [page] in [city].
                In [city], [page] runs the [format] station [sign].
                [page] has a [format] station in [city], [sign].""",
            ("frequency", "city"): """[page] is heard at [frequency] MHz in [city].
                In [city], [page] broadcasts at [frequency] MHz.
                [frequency] MHz is the frequency of [page] in [city].""",
        },
    ),
    Domain(
        "ascents",
        ("Ascents", "Notable ascents", "Expeditions"),
        {
            "year": "Year|Date",
            "mountain": "Mountain|Peak",
            "height": "Height (m)|Elevation (m)",
            "country": "Country|Location",
        },
        (),
        totto_rows.ascents,
        {
            ("year", "mountain", "country"): """In [year], [page] climbed [mountain] in [country].
                [page] reached the top of [mountain] in [country] in [year].
                [mountain] in [country] was climbed by [page] in [year].""",
            ("mountain", "height"): """[page] climbed [mountain], which is [height] meters high.
                [mountain], climbed by [page], is [height] meters high.
                [page] reached the top of [mountain] at [height] meters.""",
            ("year", "mountain"): """[page] climbed [mountain] in [year].
                In [year], [page] climbed [mountain].
                [page] reached the top of [mountain] in [year].""",
        },
        occupation="climber",
    ),
)
