"""Plots of the generated stories: their facts, the sentences of the summary, and questions with two answers each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plot:
    """Grammar productions over `[fact]`s: one per line, or separated by "|".

    title: of the work; facts: name -> possible values; questions: (question, first answer, second answer).
    """

    name: str
    title: str
    facts: dict[str, str]
    sentences: tuple[str, ...]
    questions: tuple[tuple[str, str, str], ...]


_JOBS = "baker|sailor|tailor|clockmaker|hunter|gardener|blacksmith|librarian|miller|shepherd|painter|teacher"
_WHAT_WORK = ("What is the job of [hero]?|What does [hero first] do for a living?", "[a job]", "[Subject] is [a job]")
_WHERE_FROM = ("Where does [hero] live?|In which town does [hero first] live?", "[town]", "In [town]")
_INTRODUCTION = """[Hero] is [a job] in the town of [town].
In the town of [town] lives [a job] named [hero]."""

PLOTS = (
    Plot(
        "treasure",
        "The Treasure of [other town]|[hero] and the Secret of [other town]",
        {
            "job": _JOBS,
            "clue": "old map|torn letter|silver key|strange diary|painted stone|broken compass",
            "hidden": "inside a clock|under the floor|behind a mirror|in an old coat|in a church wall|at the market",
            "treasure": "golden crown|chest of coins|bag of diamonds|silver sword|royal ring",
            "spot": "cave|lighthouse|well|forest|tower|mine",
            "relation": "cousin|neighbor|student|partner|old friend|godchild",
            "foe": "pirate|banker|jealous lawyer|retired soldier|smuggler",
            "trick": "locks the door|cuts the rope|steals the boat|sets fire to the camp|hides the food",
            "outcome": """gives the treasure to the poor|builds a school with the money|buries the treasure again
                buys a small farm""",
        },
        (
            _INTRODUCTION,
            """One day [subject] finds [a clue] [hidden].
            [A clue], which [subject] finds [hidden], changes everything.""",
            """It leads [object] to [a spot] near [other town], where [a treasure] is said to be buried.
            It speaks of [a treasure] that lies in [a spot] near [other town].""",
            """[Possessive] [relation] [friend] helps [object], but [villain], [a foe], follows them.
            [Villain], [a foe], wants it, too, but [hero first] has the help of [possessive] [relation] [friend].""",
            """At the [spot], [villain first] [trick] and runs away.
            When they arrive at the [spot], [villain first] [trick].""",
            """In the end, [hero first] wins and [outcome].|After a long night, [hero first] [outcome].""",
        ),
        (
            _WHAT_WORK,
            _WHERE_FROM,
            ("What does [hero first] find [hidden]?", "[a clue]", "[Subject] finds [a clue]"),
            ("Where does [hero first] find the [clue]?", "[hidden]", "It was [hidden]"),
            (
                "What is said to be buried in the [spot]?|What does [hero first] look for?",
                "[a treasure]",
                "The treasure is [a treasure]",
            ),
            ("Who helps [hero first]?", "[friend]", "[Possessive] [relation] [friend]"),
            ("Who follows [hero first]?|Who also wants the [treasure]?", "[villain]", "[Villain], [a foe]"),
            ("What does [hero first] do in the end?", "[Subject] [outcome]", "[hero first] [outcome]"),
        ),
    ),
    Plot(
        "inheritance",
        "The House in [other town]",
        {
            "job": _JOBS,
            "giver": "aunt|uncle|grandfather|grandmother|godfather|old teacher",
            "house": "castle|mill|hotel|vineyard|theater|farm|bookshop",
            "condition": "sleep there for one year|marry before spring|take care of ten cats|never open the red door"
            "|sell nothing|learn to play the organ",
            "secret": """a hidden room|a second will|a bundle of love letters|a child who lives in the attic
                an unknown painting""",
            "foe": "lawyer|cousin|mayor|neighbor|doctor",
            "outcome": "keeps the house and opens it to travelers|leaves the house to the orphans of the town"
            "|forgives everyone and moves in|sells everything and goes to sea",
        },
        (
            """[Hero], [a job] from [town], inherits [a house] in [other town] from [possessive] [giver].
            When the [giver] of [hero], [a job] from [town], dies, [subject] inherits [a house] in [other town].""",
            """There is one condition: [subject] must [condition].
            But the will says that [subject] must [condition].""",
            """The [foe] [villain] wants the [house] and tries to scare [object] away.
            [Villain], the [foe], would like to have the [house] and spreads rumors about [object].""",
            """With the help of the cook [friend], [hero first] discovers [secret].
            One night [hero first] and the cook [friend] discover [secret].""",
            """The truth comes out, and [villain first] has to leave.
            [Villain first] is ashamed and leaves the country.""",
            """In the end, [hero first] [outcome].|[Hero first] [outcome].""",
        ),
        (
            _WHAT_WORK,
            ("What does [hero] inherit?", "[a house]", "[a house] in [other town]"),
            (
                "From whom does [hero first] inherit the [house]?|Who leaves the [house] to [hero first]?",
                "[possessive] [giver]",
                "The [giver] of [hero first]",
            ),
            ("Where is the [house]?|In which town is the [house]?", "[other town]", "In [other town]"),
            (
                "What must [hero first] do?|What is the condition of the will?",
                "[condition]",
                "[Subject] must [condition]",
            ),
            ("What does [hero first] discover?", "[secret]", "[Subject] discovers [secret]"),
            ("Who wants the [house]?|Who tries to harm [hero first]?", "[villain]", "The [foe] [villain]"),
            ("Who helps [hero first]?", "[friend]", "The cook [friend]"),
        ),
    ),
    Plot(
        "detective",
        "Murder in [town]|The Last Case of [hero]",
        {
            "scene": "theater|opera|hotel|harbor|station|museum|casino",
            "victim": "singer|banker|judge|professor|jeweler|senator|chef",
            "weapon": "poisoned wine|an old pistol|a silver dagger|a heavy candlestick|a box of chocolates",
            "evidence": "a white glove|a train ticket|a wet umbrella|a drop of paint|a broken pair of glasses",
            "foe": "gardener|pianist|secretary|cook|night porter|hotel clerk|tailor",
            "motive": "an old debt|jealousy|a stolen invention|fear of losing a job|a family secret",
        },
        (
            """Detective [hero] comes to [town] after a famous [victim] is killed at the [scene].
            A famous [victim] is murdered at the [scene] in [town], and detective [hero] takes the case.""",
            """The [victim] was killed with [weapon].|The police believe that the murderer used [weapon].""",
            """At first everyone suspects [friend], the richest guest.
            The first suspect is [friend], who had quarreled with the [victim].""",
            """But then [hero first] finds [evidence] under a table.
            Then [evidence] under a table gives [object] an idea.""",
            """It belongs to the [foe], [villain], who killed because of [motive].
            The owner is [villain], the [foe], whose motive was [motive].""",
            """[Villain first] tries to escape to [other town] by boat but is arrested on the pier.
            On the way to [other town], [villain first] is arrested and confesses.""",
        ),
        (
            ("Who is killed?|Who is the victim?", "[a victim]", "A famous [victim]"),
            ("Where does the murder take place?", "At the [scene]", "At the [scene] in [town]"),
            ("How is the [victim] killed?|What does the murderer use?", "With [weapon]", "[weapon]"),
            (
                "Whom does everyone suspect at first?|Who is the first suspect?",
                "[friend]",
                "[friend] is the first suspect",
            ),
            ("What does [hero first] find under a table?", "[evidence]", "[Subject] finds [evidence]"),
            ("Who is the murderer?|Who killed the [victim]?", "[villain]", "The [foe], [villain]"),
            ("Why did [villain first] kill?|What was the motive?", "Because of [motive]", "[motive]"),
            ("Where does [villain first] try to go?", "[other town]", "To [other town]"),
        ),
    ),
    Plot(
        "voyage",
        "The Last Voyage of [hero]|[hero] at Sea",
        {
            "job": "ship's doctor|young sailor|cook|captain|mapmaker|ship painter|carpenter",
            "vessel": "Swallow|Morning Star|Albatross|Northern Queen|Sea Wolf|Mermaid",
            "cargo": "tea|wine|silk|horses|books|salt",
            "disaster": "a storm|a fire|an iceberg|a mutiny|a whale",
            "food": "coconuts|birds' eggs|fish|wild honey|turtles",
            "signal": "a burning tree|a white shirt on a pole|a mirror|a kite|a message in a bottle",
            "years": "two|three|four|five|six|seven",
        },
        (
            """[Hero] is [a job] on the [vessel], which carries [cargo] from [town] to [other town].
            The [vessel] sails from [town] to [other town] with [cargo]; [hero] is [a job] on board.""",
            """On the tenth day the ship is lost because of [disaster].|Then [disaster] destroys the ship.""",
            """Only [hero first] and a passenger, [friend], reach a small island.
            [Hero first] and the passenger [friend] are the only ones who reach an island.""",
            """For [years] years they live on [food].|They eat [food] and stay there for [years] years.""",
            """A ship finally sees [signal] and takes them home.|At last their signal, [signal], is seen by a ship.""",
            """At home, [hero first] learns that [possessive] house now belongs to [villain].
            Back in [town], [villain] has taken the house of [hero first].""",
        ),
        (
            ("What is the name of the ship?|On which ship does [hero] sail?", "[vessel]", "The [vessel]"),
            ("What does the ship carry?", "[cargo]", "It carries [cargo]"),
            ("Why is the ship lost?|What destroys the ship?", "[disaster]", "Because of [disaster]"),
            ("Who reaches the island with [hero first]?", "[friend]", "A passenger, [friend]"),
            ("What do they eat on the island?", "[food]", "They eat [food]"),
            ("How long do they stay on the island?", "[years] years", "For [years] years"),
            ("What does the other ship see?|What is their signal?", "[signal]", "It sees [signal]"),
            ("To whom does the house belong now?|Who has taken the house?", "[villain]", "It belongs to [villain]"),
        ),
    ),
    Plot(
        "love",
        "Letters to [hero]|A Summer in [town]",
        {
            "job": "violinist|nurse|gardener|painter|dancer|pilot|teacher|florist",
            "meeting": "on a train|at a wedding|in a hospital|at a dance|in a library|in the rain",
            "barrier": "the war|a rich father|a lie|an old promise|a terrible illness",
            "gift": "a ring|a red scarf|a book of poems|a small mirror|a music box|a photograph",
            "years": "two|three|five|seven|ten|twelve",
            "return": "at the station|on the old bridge|in a cafe|at a concert|on a ship",
        },
        (
            """[Hero], [a job] from [town], meets [friend] [meeting].
            It is [meeting] that [hero], [a job] from [town], meets [friend].""",
            """They fall in love, and [friend first] gives [object] [gift].
            They spend a summer together, and [hero first] receives [gift].""",
            """But [barrier] keeps them apart, and [friend first] moves to [other town].
            Because of [barrier] they have to part, and [friend first] goes to [other town].""",
            """[Hero first] nearly marries [villain], a rich merchant.
            [Possessive] family wants [object] to marry [villain], a merchant.""",
            """After [years] years they meet again [return].|[Years] years later they see each other [return].""",
            """[Hero first] still has [gift], and this time nobody can stop them.
            When [hero first] shows [gift], both begin to cry and never part again.""",
        ),
        (
            _WHAT_WORK,
            (
                "Whom does [hero first] meet [meeting]?|With whom does [hero first] fall in love?",
                "[friend]",
                "[Subject] meets [friend]",
            ),
            ("Where do [hero first] and [friend first] meet?", "[meeting]", "They meet [meeting]"),
            (
                "What does [friend first] give [hero first]?|What does [hero first] receive?",
                "[gift]",
                "[friend first] gives [object] [gift]",
            ),
            ("Why do they part?|What keeps them apart?", "Because of [barrier]", "[barrier]"),
            (
                "Where does [friend first] go?|To which town does [friend first] move?",
                "[other town]",
                "To [other town]",
            ),
            ("Whom does [hero first] nearly marry?|Who is the rich merchant?", "[villain]", "A merchant, [villain]"),
            ("When do they meet again?", "After [years] years", "[years] years later"),
        ),
    ),
    Plot(
        "invention",
        "The Inventor of [town]|The Machine of [hero]",
        {
            "job": "clockmaker|student|mechanic|farmer|retired teacher|chemist|glassmaker",
            "machine": "flying machine|talking doll|time machine|iron horse|weather clock|thinking box",
            "power": "sunlight|steam|honey|magnets|music|salt water",
            "fault": """it cannot stop|it explodes at night|it only works in winter|it tells the truth
                it eats too much coal""",
            "prize": "a gold medal|a thousand crowns|a post at court|a free house",
            "thing": "drawings|keys|savings|models",
            "outcome": "destroys it|gives it to a museum|flies away with it|teaches children how it works",
        },
        (
            """[Hero], [a job] in [town], builds [a machine] that runs on [power].
            In [town], [a job] named [hero] builds [a machine] that runs on [power].""",
            """The only trouble is that [fault].|But there is a problem: [fault].""",
            """[Hero first] wants to win [prize] at the fair in [other town].
            The best invention at the fair in [other town] will win [prize].""",
            """Before the fair, [villain], a rival, steals the [thing].
            A rival, [villain], breaks in and steals the [thing].""",
            """Only [friend], a child from next door, believes [object] and finds them.
            Nobody helps but [friend], a child from next door, who gets them back.""",
            """[Hero first] wins, but in the end [subject] [outcome].
            After [hero first] has won, [subject] [outcome].""",
        ),
        (
            _WHAT_WORK,
            _WHERE_FROM,
            ("What does [hero] build?", "[a machine]", "[Subject] builds [a machine]"),
            ("What does the [machine] run on?", "[power]", "It runs on [power]"),
            ("What is wrong with the [machine]?|What is the problem?", "[fault]", "The problem is that [fault]"),
            ("What can [hero first] win?", "[prize]", "[Subject] can win [prize]"),
            ("Who steals the [thing]?", "[villain]", "A rival, [villain]"),
            ("What does [hero first] do in the end?", "[Subject] [outcome]", "[hero first] [outcome]"),
        ),
    ),
)
