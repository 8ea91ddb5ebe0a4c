"""The English-German lexicon: nouns with gender and plural, adjectives, verbs with their principal parts and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rl4lms.data_pools.generators.german import Case, Noun, Verb
from rl4lms.data_pools.generators.wordlists import pairs, words


@dataclass(frozen=True, slots=True, eq=False)
class NounEntry:
    english: str
    german: Noun
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class AdjectiveEntry:
    """stem takes the endings ("teur"), predicate stands alone ("teuer")."""

    english: str
    stem: str
    predicate: str
    english_comparative: str
    german_comparative: str


@dataclass(frozen=True, slots=True)
class VerbEntry:
    """kinds: of the accusative object; preposition and case: of a prepositional object; stative: no progressive."""

    english: str
    german: Verb
    kinds: tuple[str, ...] = ()
    preposition: str = ""
    case: Case = "acc"
    stative: bool = False


@dataclass(frozen=True, slots=True)
class PlaceEntry:
    """Prepositions for being there (German: dative) and for going there."""

    noun: NounEntry
    english_at: str
    german_at: str
    english_to: str
    german_to: str
    case_to: Case


def _nouns(kind: str, table: str) -> tuple[NounEntry, ...]:
    """Entries "english = Singular gender Plural [weak]"."""
    entries = []
    for english, right in pairs(table):
        singular, gender, plural, *weak = right.split()
        entries.append(NounEntry(english, Noun(singular, gender, plural, bool(weak)), kind))
    return tuple(entries)


# kind -> entries
_NOUN_TABLES = {
    "person": """
teacher = Lehrerin f Lehrerinnen; doctor = Arzt m Ärzte; neighbor = Nachbar m Nachbarn weak; man = Mann m Männer
woman = Frau f Frauen; child = Kind n Kinder; student = Student m Studenten weak; girl = Mädchen n Mädchen
artist = Künstlerin f Künstlerinnen""",
    "kin": """
brother = Bruder m Brüder; sister = Schwester f Schwestern; father = Vater m Väter; mother = Mutter f Mütter
son = Sohn m Söhne; daughter = Tochter f Töchter; friend = Freund m Freunde""",
    "animal": "dog = Hund m Hunde; cat = Katze f Katzen; horse = Pferd n Pferde",
    "text": """
book = Buch n Bücher; letter = Brief m Briefe; newspaper = Zeitung f Zeitungen; report = Bericht m Berichte""",
    "writing": "letter = Brief m Briefe; report = Bericht m Berichte; story = Geschichte f Geschichten",
    "tale": "story = Geschichte f Geschichten",
    "food": """
apple = Apfel m Äpfel; cake = Kuchen m Kuchen; soup = Suppe f Suppen; egg = Ei n Eier; fish = Fisch m Fische""",
    "meal": "soup = Suppe f Suppen; egg = Ei n Eier; fish = Fisch m Fische",
    "drink": "coffee = Kaffee m Kaffees; milk = Milch f Milch; water = Wasser n Wasser",
    "vehicle": "car = Auto n Autos; bicycle = Fahrrad n Fahrräder; boat = Boot n Boote",
    "transport": "bus = Bus m Busse; train = Zug m Züge",
    "device": """
computer = Computer m Computer; camera = Kamera f Kameras; lamp = Lampe f Lampen; radio = Radio n Radios""",
    "opening": "door = Tür f Türen; window = Fenster n Fenster; box = Kiste f Kisten; suitcase = Koffer m Koffer",
    "load": "box = Kiste f Kisten; suitcase = Koffer m Koffer; bag = Tasche f Taschen; gift = Geschenk n Geschenke",
    "clothes": "jacket = Jacke f Jacken; coat = Mantel m Mäntel; shirt = Hemd n Hemden; dress = Kleid n Kleider",
    "thing": """
picture = Bild n Bilder; gift = Geschenk n Geschenke; key = Schlüssel m Schlüssel; bag = Tasche f Taschen
flower = Blume f Blumen; bottle = Flasche f Flaschen""",
    "idea": """
question = Frage f Fragen; answer = Antwort f Antworten; plan = Plan m Pläne; problem = Problem n Probleme""",
    "event": "trip = Reise f Reisen; party = Feier f Feiern; project = Projekt n Projekte",
    "song": "song = Lied n Lieder",
    "room": "kitchen = Küche f Küchen; room = Zimmer n Zimmer; office = Büro n Büros",
    "building": "house = Haus n Häuser; bridge = Brücke f Brücken; tower = Turm m Türme; school = Schule f Schulen",
    "furniture": "table = Tisch m Tische; chair = Stuhl m Stühle; bed = Bett n Betten",
    "landscape": "mountain = Berg m Berge; lake = See m Seen; castle = Schloss n Schlösser; church = Kirche f Kirchen",
}
NOUNS = {kind: _nouns(kind, table) for kind, table in _NOUN_TABLES.items()}

# english at/to | german at/to, "zu" with the dative, the others with the accusative
_PLACES = """
city = Stadt f Städte = in into in in; village = Dorf n Dörfer = in into in in
garden = Garten m Gärten = in into in in; park = Park m Parks = in to in in
school = Schule f Schulen = at to in zu; station = Bahnhof m Bahnhöfe = at to an zu
market = Markt m Märkte = at to auf auf; office = Büro n Büros = in to in in
museum = Museum n Museen = in to in in; kitchen = Küche f Küchen = in into in in
beach = Strand m Strände = on to an an; lake = See m Seen = at to an an
"""


def _places() -> Iterator[PlaceEntry]:
    for english, right in pairs(_PLACES):
        german, _, prepositions = right.partition("=")
        singular, gender, plural = german.split()
        english_at, english_to, german_at, german_to = prepositions.split()
        noun = NounEntry(english, Noun(singular, gender, plural), "place")
        case: Case = "dat" if german_to == "zu" else "acc"
        yield PlaceEntry(noun, english_at, german_at, english_to, german_to, case)


PLACES = tuple(_places())
CITIES = tuple(
    pairs("Berlin = Berlin; Hamburg = Hamburg; Vienna = Wien; Munich = München; Paris = Paris; Italy = Italien")
)
NAMES = tuple(pairs("Anna = f; Julia = f; Maria = f; Peter = m; Thomas = m; Paul = m"))

# english = predicate[/stem] english-comparative german-comparative
_ADJECTIVES = """
old = alt older älter; new = neu newer neuer; small = klein smaller kleiner; big = groß bigger größer
beautiful = schön more~beautiful schöner; good = gut better besser; heavy = schwer heavier schwerer
expensive = teuer/teur more~expensive teurer; warm = warm warmer wärmer; cold = kalt colder kälter
young = jung younger jünger; friendly = freundlich friendlier freundlicher; fast = schnell faster schneller
quiet = ruhig quieter ruhiger; important = wichtig more~important wichtiger; dark = dunkel/dunkl darker dunkler
interesting = interessant more~interesting interessanter; difficult = schwierig more~difficult schwieriger
long = lang longer länger; short = kurz shorter kürzer; red = rot redder röter; blue = blau bluer blauer
black = schwarz blacker schwärzer; white = weiß whiter weißer; broken = kaputt - -; tired = müde/müd - müder
hungry = hungrig - hungriger; sick = krank - kränker; happy = glücklich happier glücklicher
"""


def _adjectives() -> Iterator[AdjectiveEntry]:
    for english, right in pairs(_ADJECTIVES):
        german, english_comparative, german_comparative = right.split()
        predicate, _, stem = german.partition("/")
        yield AdjectiveEntry(
            english, stem or predicate, predicate, english_comparative.replace("~", " "), german_comparative
        )


ADJECTIVES = {entry.english: entry for entry in _adjectives()}
# kind of noun -> adjectives that go with it
_ADJECTIVE_NAMES = {
    "person": "young old friendly tired happy",
    "kin": "friendly happy tired",
    "animal": "young old small big black white hungry",
    "text": """
new old long short interesting important""",
    "writing": "new long short interesting important",
    "tale": "old long short beautiful",
    "food": "warm big small good",
    "meal": "warm small good",
    "drink": "cold warm",
    "vehicle": "new old red blue small fast expensive broken",
    "transport": "new old fast",
    "device": """
new old small expensive broken""",
    "opening": "big small old heavy red",
    "load": "big small old heavy red",
    "clothes": "new old warm blue red black white beautiful expensive",
    "thing": "new old small beautiful red expensive",
    "idea": """
good difficult important interesting new""",
    "event": "long short important interesting",
    "song": "old new beautiful short",
    "room": "small big dark quiet",
    "building": "old new big small",
    "furniture": "small big heavy old white",
    "landscape": "beautiful big small old",
    "place": "old new small big quiet beautiful",
}
ADJECTIVES_OF = {kind: tuple(ADJECTIVES[a] for a in names.split()) for kind, names in _ADJECTIVE_NAMES.items()}
MOODS = tuple(ADJECTIVES[name] for name in words("tired hungry sick happy"))


def _verbs(table: str) -> tuple[VerbEntry, ...]:
    """Entries "english = [sich] [prefix-]infinitive er-form participle [sein] [: frame]"; "!" marks a stative verb.

    A frame is a list of object kinds, or "preposition case kinds" where its first word is a preposition.
    """
    entries = []
    for english, right in pairs(table):
        german, _, frame = right.partition(":")
        words = german.split()
        reflexive = words[0] == "sich"
        infinitive, third, participle, *auxiliary = words[reflexive:]
        prefix, _, stem = infinitive.rpartition("-")
        verb = Verb(stem, third, participle, prefix, auxiliary[0] if auxiliary else "haben", reflexive)
        kinds = tuple(frame.split())
        preposition: str = ""
        case: Case = "acc"
        if len(kinds) > 1 and kinds[1] in ("acc", "dat"):
            preposition, case, kinds = kinds[0], "acc" if kinds[1] == "acc" else "dat", kinds[2:]
        entries.append(VerbEntry(english.strip("!"), verb, kinds, preposition, case, english.endswith("!")))
    return tuple(entries)


TRANSITIVE = _verbs("""
read = lesen liest gelesen : text tale; write = schreiben schreibt geschrieben : writing
eat = essen isst gegessen : food; drink = trinken trinkt getrunken : drink; cook = kochen kocht gekocht : meal
buy = kaufen kauft gekauft : food clothes vehicle device thing furniture
sell = verkaufen verkauft verkauft : clothes vehicle device furniture
repair = reparieren repariert repariert : vehicle device; wash = waschen wäscht gewaschen : clothes vehicle
open = öffnen öffnet geöffnet : opening; close = schließen schließt geschlossen : opening
find = finden findet gefunden : thing text; lose = verlieren verliert verloren : thing
look for = suchen sucht gesucht : thing kin animal; need! = brauchen braucht gebraucht : device thing clothes
see = sehen sieht gesehen : person animal transport landscape; build = bauen baut gebaut : building
understand! = verstehen versteht verstanden : idea writing; explain = erklären erklärt erklärt : idea
carry = tragen trägt getragen : load; wear = tragen trägt getragen : clothes
visit = besuchen besucht besucht : kin person; paint = malen malt gemalt : landscape animal
plan = planen plant geplant : event; sing = singen singt gesungen : song; hear = hören hört gehört : song tale
call = an-rufen ruft angerufen : kin person; invite = ein-laden lädt eingeladen : kin person
pick up = ab-holen holt abgeholt : kin person; turn on = ein-schalten schaltet eingeschaltet : device
turn off = aus-schalten schaltet ausgeschaltet : device; put on = an-ziehen zieht angezogen : clothes
take along = mit-nehmen nimmt mitgenommen : thing; give back = zurück-geben gibt zurückgegeben : thing text
clean up = auf-räumen räumt aufgeräumt : room
""")
# Verbs that take a place ("she has found the key in the park").
PLACEABLE = frozenset(words("read write eat buy drink find lose see paint sing"))

DATIVE = _verbs("""
help = helfen hilft geholfen; thank = danken dankt gedankt; answer = antworten antwortet geantwortet
follow = folgen folgt gefolgt sein; listen to = zu-hören hört zugehört
""")
DITRANSITIVE = _verbs("""
give = geben gibt gegeben : thing text; show = zeigen zeigt gezeigt : thing text building
send = schicken schickt geschickt : writing load; bring = bringen bringt gebracht : food thing drink
tell = erzählen erzählt erzählt : tale; buy = kaufen kauft gekauft : clothes thing food
""")
PREPOSITIONAL = _verbs("""
wait for = warten wartet gewartet : auf acc kin person transport
talk to = sprechen spricht gesprochen : mit dat kin person
talk about = sprechen spricht gesprochen : über acc event idea text
dream of = träumen träumt geträumt : von dat event landscape vehicle
look forward to = sich freuen freut gefreut : auf acc event
remember! = sich erinnern erinnert erinnert : an acc kin event song
""")
MOTION = _verbs("""
go = gehen geht gegangen sein; run = laufen läuft gelaufen sein; drive = fahren fährt gefahren sein
go back = zurück-gehen geht zurückgegangen sein
""")
TRAVEL = _verbs("travel = reisen reist gereist sein; fly = fliegen fliegt geflogen sein")
LOCAL = _verbs("""
work = arbeiten arbeitet gearbeitet; wait = warten wartet gewartet; sleep = schlafen schläft geschlafen
stay = bleiben bleibt geblieben sein; play = spielen spielt gespielt; live! = wohnen wohnt gewohnt
""")
INTRANSITIVE = _verbs("""
wake up = auf-wachen wacht aufgewacht sein; get up = auf-stehen steht aufgestanden sein
come back = zurück-kommen kommt zurückgekommen sein; watch TV = fern-sehen sieht ferngesehen
go shopping = ein-kaufen kauft eingekauft; come along = mit-kommen kommt mitgekommen sein
work = arbeiten arbeitet gearbeitet
""")
