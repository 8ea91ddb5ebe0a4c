"""What happens in the generated news: events with their facts, the sentences that report them, and their highlights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Grammar productions over `[fact]`s: one per line, or separated by "|".

    facts: name -> possible values; "[a name]" puts "a" or "an" before the value.
    Every article has the lead, the details in order, and the end; `extra` is (sentence, its highlight), told together
    or not at all.
    """

    name: str
    facts: dict[str, str]
    lead: str
    details: tuple[str, ...]
    end: str
    highlights: tuple[str, ...]
    extra: tuple[str, str]


EVENTS = (
    Event(
        "fire",
        {
            "place": "bakery|school|hotel|warehouse|library|restaurant|factory|theater|farmhouse|supermarket",
            "cause": "an old heater|a broken oven|a burning candle|lightning|a gas leak|a short circuit",
            "quote": "We did everything we could|It was over in minutes|I have never seen flames like that",
        },
        """[Count] people were injured when [a place] burned down in [town] on [day].
        A fire destroyed [a place] in [town] on [day], leaving [count] people injured.""",
        (
            """The flames were first seen shortly after [hour] and spread quickly through the [place].
            It began shortly after [hour], when most of the street was asleep.""",
            """Fire chief [official] said that [cause] had started the blaze.
            According to fire chief [official], the blaze was caused by [cause].""",
            """"[quote]," [official last] told reporters.""",
        ),
        """The street was closed for the rest of the day.
        All of the injured were taken to a hospital in [other town].""",
        (
            "Fire destroys [a place] in [town]|[A place] in [town] burns down on [day]",
            """[Count] people are injured; [cause] started the blaze
            [Cause] is blamed for the blaze that hurt [count] people""",
        ),
        (
            "[person], [age], carried two children out of the smoke before help arrived.",
            "[person], [age], saved two children from the smoke",
        ),
    ),
    Event(
        "robbery",
        {
            "place": "bank|jewelry store|gas station|post office|supermarket|pawn shop",
            "vehicle": "red van|stolen taxi|black motorcycle|white truck|gray car|small boat",
            "quote": """They knew exactly what they wanted|Nobody was hurt, and that is what matters
                It took less than a minute""",
        },
        """[Count] masked men robbed [a place] in [town] on [day] and escaped with $[money].
        Police in [town] are looking for [count] men who stole $[money] from [a place] on [day].""",
        (
            """The men entered the [place] at [hour] and ordered everyone to lie on the floor.
            Witnesses said that the gang walked in at [hour] and locked the door.""",
            """They left in [a vehicle] that was later found in [other town].
            [A vehicle], which they used to get away, was found in [other town].""",
            """"[quote]," police officer [official] said.|"[quote]," said [official], who leads the search.""",
        ),
        "The [place] will stay closed until next week.|Officers asked drivers in the area to call them.",
        (
            """[Count] masked men steal $[money] from [a place] in [town]
            Gang of [count] robs [a place] in [town] of $[money]""",
            """Police find [a vehicle] used in the escape in [other town]
            The men fled in [a vehicle], later found in [other town]""",
        ),
        (
            "Clerk [person], [age], pressed the alarm under [possessive] desk and hid.",
            "Clerk [person], [age], pressed the alarm and hid",
        ),
    ),
    Event(
        "rescue",
        {
            "wild": "forest|desert|cave|swamp|canyon|valley",
            "food": "berries and rain water|two chocolate bars|melted snow|a bag of nuts|raw fish|one bottle of water",
            "searcher": "helicopter|police dog|drone|group of volunteers|hunter|park ranger",
        },
        """A hiker who was lost in [a wild] near [town] for [count] days was found alive on [day].
        After [count] days in [a wild] near [town], a missing hiker was rescued on [day].""",
        (
            """[person], [age], lost [possessive] way in the [wild] when a storm began.
            [person], [age], had left the path in the [wild] to take a photograph.""",
            """[Subject] survived on [food], the rescue team told reporters.
            To stay alive, [subject] slept under leaves and lived on [food].""",
            """[A searcher] found [object] at [hour], weak but without injuries.
            In the end it was [a searcher] that found [object], at [hour].""",
        ),
        "[Subject] is now resting in a hospital in [other town].|[Possessive] family is with [object] in [other town].",
        (
            """[person], [age], found alive after [count] days in [a wild]
            Missing hiker [person] survives [count] days in [a wild]""",
            "[A searcher] found the hiker, who lived on [food]|The hiker survived on [food], rescuers say",
        ),
        (
            "Rescue leader [official] warned that more storms are coming to the region.",
            "[official] warns of more storms in the region",
        ),
    ),
    Event(
        "court",
        {
            "crime": "stealing paintings|selling false tickets|hiding money from the tax office|burning down a barn"
            "|stealing rare birds|selling stolen cars|writing false checks|smuggling gold",
            "job": "lawyer|dentist|teacher|bank manager|car dealer|former mayor|hotel owner|accountant",
            "proof": "a photograph|a phone call|a hidden camera|a torn letter|a fingerprint|a credit card bill",
        },
        """[A job] from [town] was sentenced to [count] years in prison on [day] for [crime].
        A court in [other town] has sent [a job] from [town] to prison for [count] years for [crime].""",
        (
            """[person], [age], showed no emotion when the verdict was read.
            [person], [age], shook [possessive] head as the jury returned.""",
            """Investigators were led to [object] by [proof].|[Proof] had led the police to [possessive] door.""",
            """Judge [official] said that the crime had hurt many families.
            "You have hurt many families," judge [official] told [object].""",
        ),
        "The trial lasted for three weeks.|[Possessive] lawyer said that [subject] would appeal.",
        (
            """[person], [age], gets [count] years in prison for [crime]
            [A job] from [town] must go to prison for [count] years""",
            "Police were led to the [job] by [proof]|[Proof] led the police to the [job]",
        ),
        (
            "[Subject] must also pay back $[money] within a year.",
            "The [job] must pay back $[money]",
        ),
    ),
    Event(
        "match",
        {
            "sport": "football|hockey|basketball|handball|rugby",
            "reason": "a knee injury|a red card|a long flight|heavy rain|a broken finger|a sudden illness",
            "praise": "the best game of the season|a night to remember|a lesson in courage|a small miracle",
        },
        """[town] beat [other town] [high] to [low] on [day] to reach the [sport] final.
        The [sport] team of [town] is in the final after a [high] to [low] win over [other town] on [day].""",
        (
            """[person], [young age], scored twice in the first ten minutes.
            Captain [person], [young age], decided the match with two late goals.""",
            """[other town] had to play without its best player because of [reason].
            Because of [reason], the star of [other town] could only watch.""",
            """Coach [official] called it [praise].|"It was [praise]," coach [official] said.""",
        ),
        "More than [crowd] fans filled the stadium.|The final will be played in two weeks.",
        (
            """[town] beats [other town] [high] to [low] to reach the final
            [high] to [low] win sends [town] to the [sport] final""",
            """[person] scores twice; coach [official] calls it [praise]
            Coach [official]: [praise], after two goals by [person]""",
        ),
        (
            "The club will give $[money] from the tickets to a children's hospital.",
            "The club gives $[money] to a children's hospital",
        ),
    ),
    Event(
        "company",
        {
            "product": "shoe|toy|bicycle|furniture|glass|paper|camera|chocolate|battery|steel",
            "why": "falling prices|weak sales|high energy costs|cheap imports|a bad winter|a lost lawsuit",
            "plan": "open a new plant in [other town]|sell its old offices|move its headquarters to [other town]"
            "|buy a smaller rival|build electric engines",
        },
        """[A product] maker in [town] will cut [jobs] jobs because of [why], the company said on [day].
        [Jobs] workers will lose their jobs at [a product] factory in [town], it was announced on [day].""",
        (
            """Chief executive [person], [age], said that [why] had left the firm no choice.
            [person], [age], who has led the firm for [count] years, pointed to [why].""",
            """The company plans to [plan].|At the same time it wants to [plan].""",
            """Union leader [official] called the news a shock.
            "This is a shock for us," union leader [official] said.""",
        ),
        "Shares in the company fell after the news.|The factory opened more than fifty years ago.",
        (
            "[A product] maker in [town] cuts [jobs] jobs|[Jobs] jobs will go at [a product] factory in [town]",
            "[person] blames [why]; the firm plans to [plan]|The firm, hit by [why], plans to [plan]",
        ),
        (
            "Each worker will receive $[money] and help in finding a new job.",
            "Workers will receive $[money] each",
        ),
    ),
    Event(
        "find",
        {
            "thing": "gold coin|silver cup|marble statue|painted mask|bronze sword|stone map|royal ring|wooden ship",
            "finder": "farmer|student|plumber|builder|dog owner|gardener|retired nurse|tourist",
            "spot": """under a kitchen floor|in a potato field|at the bottom of a well|behind an old wall|on a beach
                in a dry river""",
        },
        """[A finder] has discovered [a thing] that is [years] years old [spot] near [town].
        [A thing] that is [years] years old was found [spot] near [town] on [day] by [a finder].""",
        (
            """[person], [age], thought at first that it was a piece of scrap metal.
            "I nearly threw it away," said [person], [age].""",
            """Historian [official] believes that it belonged to a rich merchant.
            According to historian [official], a rich merchant once owned it.""",
            """The [thing] could be worth $[money].|Experts say that its value is about $[money].""",
        ),
        "It will be shown in the museum of [other town].|The museum of [other town] wants to buy it.",
        (
            "[A finder] finds [a thing] [spot] near [town]|[person], [age], discovers [a thing] [spot]",
            "The [thing] is [years] years old and may be worth $[money]|Experts value it at $[money]",
        ),
        (
            "Police closed the area after [count] other treasure hunters arrived.",
            "[Count] treasure hunters have come to the area",
        ),
    ),
    Event(
        "storm",
        {
            "weather": "snowstorm|hurricane|flood|tornado|hailstorm|dust storm",
            "damage": "tore the roof off a school|blocked the main road|cut the power lines|washed away a bridge"
            "|sank a ferry|stopped all trains",
            "shelter": "a church|a sports hall|a library|a school gym|the town hall|a theater",
        },
        """A [weather] hit [town] on [day], and [count] people are still missing.
        [Count] people are missing after a [weather] struck [town] on [day].""",
        (
            """It [damage] and left [homes] homes without power.
            Officials said that it [damage] and that [homes] homes had no power.""",
            """Hundreds of people spent the night in [shelter].
            [Shelter] was opened for those who could not go home.""",
            """Mayor [official] asked for help from the army.|"We need the army now," mayor [official] said.""",
        ),
        "Weather experts expect more wind in [other town].|Schools in [other town] will stay closed, too.",
        (
            "[Count] people missing after [weather] hits [town]|[Weather] in [town] leaves [count] people missing",
            "[Homes] homes lose power; mayor [official] asks for the army|Mayor [official] wants the army to help",
        ),
        (
            "[person], [age], drove a tractor through the water to save [possessive] neighbors.",
            "[person], [age], saves neighbors with a tractor",
        ),
    ),
    Event(
        "study",
        {
            "habit": """drinking green tea|sleeping in the afternoon|walking to work|singing in a choir
                eating fish twice a week"""
            "|playing chess|keeping a dog|swimming in cold water",
            "benefit": """live longer|remember names better|have fewer colds|sleep more deeply|feel less stress
                see better at night""",
            "group": "nurses|bus drivers|students|office workers|farmers|retired teachers|soldiers",
        },
        """People who make a habit of [habit] [benefit], according to a study from [town] that was published on [day].
        A new study from [town], published on [day], suggests that [habit] helps people to [benefit].""",
        (
            """Researchers followed [sample] [group] for [count] years.
            The team watched the daily lives of [sample] [group] for [count] years.""",
            """"We were surprised," said doctor [person], [age], who led the work.
            Doctor [person], [age], who led the work, said that the result was a surprise.""",
            """[official] of the university in [other town] warned that the numbers are small.
            But [official], an expert from [other town], wants to see more data.""",
        ),
        "The work cost $[money].|A second study will begin next year.",
        (
            "People who enjoy [habit] [benefit], study says|Study from [town]: [habit] helps people to [benefit]",
            "Researchers followed [sample] [group] for [count] years|[Sample] [group] took part for [count] years",
        ),
        (
            "Some of the [group] even stopped taking medicine.",
            "Some [group] stopped taking medicine",
        ),
    ),
    Event(
        "election",
        {
            "promise": "build a new bridge|lower the price of bus tickets|plant one thousand trees|hire more teachers"
            "|close the old coal plant|open a public pool",
            "past": "a former judge|a popular baker|a radio host|a retired pilot|a school principal|an engineer",
            "loser": "tax plan|health record|age|silence on schools|expensive car|temper",
        },
        """[person] was elected mayor of [town] on [day] with [percent] percent of the vote.
        Voters in [town] chose [person] as their new mayor on [day]; [subject] won [percent] percent of the vote.""",
        (
            """[person last], [age], [past], promised to [promise].
            [Subject] is [past], [age], and wants to [promise].""",
            """[Possessive] rival [official] had led the polls for months but lost support over [possessive2] [loser].
            For months [official] had been ahead, until people began to talk about [possessive2] [loser].""",
            """It is the first change at the town hall in [count] years.
            The old mayor had been in office for [count] years.""",
        ),
        "The new mayor will take office in spring.|Turnout was higher than in [other town].",
        (
            "[person] elected mayor of [town] with [percent] percent|[town] elects [person], [past], as mayor",
            "The new mayor promises to [promise]|[person last], [age], wants to [promise]",
        ),
        (
            "[official] called to congratulate [object] at [hour].",
            "[official] congratulates the winner",
        ),
    ),
)
