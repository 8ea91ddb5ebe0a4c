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
engineer = Ingenieur m Ingenieure; colleague = Kollege m Kollegen weak; researcher = Forscherin f Forscherinnen
artist = Künstlerin f Künstlerinnen; baker = Bäcker m Bäcker; police officer = Polizist m Polizisten weak
lawyer = Anwältin f Anwältinnen; boy = Junge m Jungen weak; guest = Gast m Gäste""",
    "kin": """
brother = Bruder m Brüder; sister = Schwester f Schwestern; father = Vater m Väter; mother = Mutter f Mütter
son = Sohn m Söhne; daughter = Tochter f Töchter; uncle = Onkel m Onkel; aunt = Tante f Tanten
friend = Freund m Freunde; grandmother = Großmutter f Großmütter""",
    "animal": "dog = Hund m Hunde; cat = Katze f Katzen; horse = Pferd n Pferde; bird = Vogel m Vögel",
    "text": """
book = Buch n Bücher; letter = Brief m Briefe; newspaper = Zeitung f Zeitungen; report = Bericht m Berichte
story = Geschichte f Geschichten; article = Artikel m Artikel; message = Nachricht f Nachrichten""",
    "writing": """
letter = Brief m Briefe; report = Bericht m Berichte; story = Geschichte f Geschichten; article = Artikel m Artikel
message = Nachricht f Nachrichten""",
    "tale": "story = Geschichte f Geschichten",
    "food": """
apple = Apfel m Äpfel; cake = Kuchen m Kuchen; soup = Suppe f Suppen; egg = Ei n Eier; fish = Fisch m Fische
potato = Kartoffel f Kartoffeln; salad = Salat m Salate; roll = Brötchen n Brötchen""",
    "meal": "soup = Suppe f Suppen; egg = Ei n Eier; fish = Fisch m Fische; potato = Kartoffel f Kartoffeln",
    "drink": """
coffee = Kaffee m Kaffees; tea = Tee m Tees; milk = Milch f Milch; water = Wasser n Wasser; juice = Saft m Säfte""",
    "vehicle": """
car = Auto n Autos; bicycle = Fahrrad n Fahrräder; boat = Boot n Boote; motorcycle = Motorrad n Motorräder""",
    "transport": "bus = Bus m Busse; train = Zug m Züge; ship = Schiff n Schiffe; taxi = Taxi n Taxis",
    "device": """
computer = Computer m Computer; printer = Drucker m Drucker; camera = Kamera f Kameras
machine = Maschine f Maschinen; lamp = Lampe f Lampen; radio = Radio n Radios""",
    "opening": "door = Tür f Türen; window = Fenster n Fenster; box = Kiste f Kisten; suitcase = Koffer m Koffer",
    "load": """
box = Kiste f Kisten; suitcase = Koffer m Koffer; bag = Tasche f Taschen; bottle = Flasche f Flaschen
gift = Geschenk n Geschenke""",
    "clothes": """
jacket = Jacke f Jacken; coat = Mantel m Mäntel; skirt = Rock m Röcke; shirt = Hemd n Hemden; dress = Kleid n Kleider
sweater = Pullover m Pullover""",
    "thing": """
picture = Bild n Bilder; gift = Geschenk n Geschenke; key = Schlüssel m Schlüssel; bag = Tasche f Taschen
ticket = Karte f Karten; flower = Blume f Blumen; bottle = Flasche f Flaschen; cup = Tasse f Tassen
umbrella = Regenschirm m Regenschirme""",
    "idea": """
question = Frage f Fragen; answer = Antwort f Antworten; idea = Idee f Ideen; plan = Plan m Pläne
rule = Regel f Regeln; problem = Problem n Probleme""",
    "puzzle": "problem = Problem n Probleme; task = Aufgabe f Aufgaben; puzzle = Rätsel n Rätsel",
    "event": "trip = Reise f Reisen; party = Feier f Feiern; project = Projekt n Projekte; meeting = Treffen n Treffen",
    "song": "song = Lied n Lieder",
    "room": "kitchen = Küche f Küchen; room = Zimmer n Zimmer; office = Büro n Büros; garage = Garage f Garagen",
    "building": "house = Haus n Häuser; bridge = Brücke f Brücken; tower = Turm m Türme; school = Schule f Schulen",
    "furniture": "table = Tisch m Tische; chair = Stuhl m Stühle; sofa = Sofa n Sofas; bed = Bett n Betten",
    "landscape": """
mountain = Berg m Berge; river = Fluss m Flüsse; lake = See m Seen; forest = Wald m Wälder; castle = Schloss n Schlösser
church = Kirche f Kirchen""",
}
NOUNS = {kind: _nouns(kind, table) for kind, table in _NOUN_TABLES.items()}

# english at/to | german at/to, "zu" with the dative, the others with the accusative
_PLACES = """
city = Stadt f Städte = in into in in; village = Dorf n Dörfer = in into in in; garden = Garten m Gärten = in into in in
park = Park m Parks = in to in in; school = Schule f Schulen = at to in zu; station = Bahnhof m Bahnhöfe = at to an zu
market = Markt m Märkte = at to auf auf; office = Büro n Büros = in to in in; museum = Museum n Museen = in to in in
library = Bibliothek f Bibliotheken = in to in in; hospital = Krankenhaus n Krankenhäuser = in to in in
kitchen = Küche f Küchen = in into in in; theater = Theater n Theater = in to in in
forest = Wald m Wälder = in into in in
restaurant = Restaurant n Restaurants = in to in in; hotel = Hotel n Hotels = in to in in
beach = Strand m Strände = on to an an
lake = See m Seen = at to an an; bridge = Brücke f Brücken = on to auf zu; harbor = Hafen m Häfen = at to an zu
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
    pairs("""
Berlin = Berlin; Hamburg = Hamburg; Vienna = Wien; Munich = München; Cologne = Köln; Zurich = Zürich; Paris = Paris
London = London; Rome = Rom; Italy = Italien; Spain = Spanien
""")
)
NAMES = tuple(pairs("Anna = f; Julia = f; Maria = f; Laura = f; Peter = m; Thomas = m; Paul = m; Felix = m"))

# english = predicate[/stem] english-comparative german-comparative
_ADJECTIVES = """
old = alt older älter; new = neu newer neuer; small = klein smaller kleiner; big = groß bigger größer
beautiful = schön more~beautiful schöner; good = gut better besser; heavy = schwer heavier schwerer
expensive = teuer/teur more~expensive teurer; cheap = billig cheaper billiger; fast = schnell faster schneller
slow = langsam slower langsamer; warm = warm warmer wärmer; cold = kalt colder kälter; young = jung younger jünger
friendly = freundlich friendlier freundlicher; famous = berühmt more~famous berühmter; quiet = ruhig quieter ruhiger
loud = laut louder lauter; important = wichtig more~important wichtiger; hot = heiß hotter heißer
interesting = interessant more~interesting interessanter; difficult = schwierig more~difficult schwieriger
simple = einfach simpler einfacher; modern = modern more~modern moderner; dark = dunkel/dunkl darker dunkler
long = lang longer länger; short = kurz shorter kürzer; strong = stark stronger stärker; fresh = frisch fresher frischer
red = rot redder röter; green = grün greener grüner; blue = blau bluer blauer; black = schwarz blacker schwärzer
white = weiß whiter weißer; broken = kaputt - -; tired = müde/müd - müder; hungry = hungrig - hungriger
sick = krank - kränker; happy = glücklich happier glücklicher; sad = traurig sadder trauriger
curious = neugierig - neugieriger; busy = beschäftigt busier -
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
    "person": "young old friendly famous tired curious happy",
    "kin": "friendly famous curious tired happy",
    "animal": "young old small big black white hungry",
    "text": "new old long short interesting important",
    "writing": "new long short interesting important",
    "tale": "old long short beautiful sad",
    "meal": "fresh warm big small good",
    "load": "big small old heavy red",
    "transport": "new old fast slow",
    "food": "fresh warm big small good",
    "drink": "cold hot fresh",
    "vehicle": "new old red blue small fast expensive broken",
    "device": "new old small modern expensive broken",
    "opening": "big small old heavy green",
    "clothes": "new old warm blue green black white beautiful expensive long",
    "thing": "new old small beautiful red expensive cheap",
    "idea": "good difficult important interesting simple new",
    "puzzle": "difficult simple interesting old",
    "event": "long short important interesting",
    "song": "old new beautiful sad short",
    "room": "small big dark quiet",
    "building": "old new big modern small",
    "furniture": "small big heavy old white",
    "landscape": "beautiful big small old",
    "place": "old new small big quiet beautiful modern",
}
ADJECTIVES_OF = {kind: tuple(ADJECTIVES[a] for a in names.split()) for kind, names in _ADJECTIVE_NAMES.items()}
MOODS = tuple(ADJECTIVES[name] for name in words("tired hungry sick happy sad curious busy"))


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
read = lesen liest gelesen : text; write = schreiben schreibt geschrieben : writing; eat = essen isst gegessen : food
buy = kaufen kauft gekauft : food clothes vehicle device thing furniture; drink = trinken trinkt getrunken : drink
sell = verkaufen verkauft verkauft : clothes vehicle device furniture
repair = reparieren repariert repariert : vehicle device
wash = waschen wäscht gewaschen : clothes; open = öffnen öffnet geöffnet : opening; build = bauen baut gebaut : building
close = schließen schließt geschlossen : opening; find = finden findet gefunden : thing text
lose = verlieren verliert verloren : thing
look for = suchen sucht gesucht : thing kin animal; forget = vergessen vergisst vergessen : thing
see = sehen sieht gesehen : person animal vehicle transport landscape
understand! = verstehen versteht verstanden : idea writing
explain = erklären erklärt erklärt : idea puzzle; solve = lösen löst gelöst : puzzle
hear = hören hört gehört : song tale
need! = brauchen braucht gebraucht : device thing clothes; carry = tragen trägt getragen : load
wear = tragen trägt getragen : clothes; draw = zeichnen zeichnet gezeichnet : animal building landscape
visit = besuchen besucht besucht : kin person; meet = treffen trifft getroffen : kin person
photograph = fotografieren fotografiert fotografiert : animal building landscape
discuss = besprechen bespricht besprochen : idea event; plan = planen plant geplant : event
feed = füttern füttert gefüttert : animal; paint = malen malt gemalt : landscape animal
use = benutzen benutzt benutzt : device
order = bestellen bestellt bestellt : food drink; translate = übersetzen übersetzt übersetzt : writing song
check = prüfen prüft geprüft : writing idea
sing = singen singt gesungen : song; admire = bewundern bewundert bewundert : building landscape
cook = kochen kocht gekocht : meal
call = an-rufen ruft angerufen : kin person; invite = ein-laden lädt eingeladen : kin person
pick up = ab-holen holt abgeholt : kin person; turn on = ein-schalten schaltet eingeschaltet : device
turn off = aus-schalten schaltet ausgeschaltet : device; try on = an-probieren probiert anprobiert : clothes
put on = an-ziehen zieht angezogen : clothes; take along = mit-nehmen nimmt mitgenommen : thing
give back = zurück-geben gibt zurückgegeben : thing text; clean up = auf-räumen räumt aufgeräumt : room
throw away = weg-werfen wirft weggeworfen : thing clothes; write down = auf-schreiben schreibt aufgeschrieben : idea
unpack = aus-packen packt ausgepackt : load; prepare = vor-bereiten bereitet vorbereitet : event
""")
# Verbs that take a place ("she has found the key in the park").
PLACEABLE = frozenset(
    words("""
    read write eat buy drink find lose see meet draw photograph sing forget order sell paint
""")
)

DATIVE = _verbs("""
help = helfen hilft geholfen; thank = danken dankt gedankt; answer = antworten antwortet geantwortet
follow = folgen folgt gefolgt sein; listen to = zu-hören hört zugehört; trust! = vertrauen vertraut vertraut
congratulate = gratulieren gratuliert gratuliert""")
DITRANSITIVE = _verbs("""
give = geben gibt gegeben : thing text; show = zeigen zeigt gezeigt : thing text building
send = schicken schickt geschickt : writing load
bring = bringen bringt gebracht : food thing drink; lend = leihen leiht geliehen : vehicle device clothes
tell = erzählen erzählt erzählt : tale; sell = verkaufen verkauft verkauft : vehicle device furniture
read = vor-lesen liest vorgelesen : text; buy = kaufen kauft gekauft : clothes thing food""")
PREPOSITIONAL = _verbs("""
wait for = warten wartet gewartet : auf acc kin person transport
talk to = sprechen spricht gesprochen : mit dat kin person
think of = denken denkt gedacht : an acc kin event idea
dream of = träumen träumt geträumt : von dat event landscape vehicle
look forward to = sich freuen freut gefreut : auf acc event
remember! = sich erinnern erinnert erinnert : an acc kin event song
take care of = sich kümmern kümmert gekümmert : um acc animal kin event
talk about = sprechen spricht gesprochen : über acc event idea text
complain about = sich beschweren beschwert beschwert : über acc food""")
MOTION = _verbs("""
go = gehen geht gegangen sein; run = laufen läuft gelaufen sein; drive = fahren fährt gefahren sein
come = kommen kommt gekommen sein
go back = zurück-gehen geht zurückgegangen sein""")
TRAVEL = _verbs(
    "travel = reisen reist gereist sein; fly = fliegen fliegt geflogen sein; move = um-ziehen zieht umgezogen sein"
)
LOCAL = _verbs("""
work = arbeiten arbeitet gearbeitet; wait = warten wartet gewartet; sleep = schlafen schläft geschlafen
stay = bleiben bleibt geblieben sein
play = spielen spielt gespielt; sit = sitzen sitzt gesessen; dance = tanzen tanzt getanzt; study = lernen lernt gelernt
sing = singen singt gesungen; eat = essen isst gegessen; live! = wohnen wohnt gewohnt""")
INTRANSITIVE = _verbs("""
wake up = auf-wachen wacht aufgewacht sein; get up = auf-stehen steht aufgestanden sein
come back = zurück-kommen kommt zurückgekommen sein
go out = aus-gehen geht ausgegangen sein; fall asleep = ein-schlafen schläft eingeschlafen sein
watch TV = fern-sehen sieht ferngesehen
go shopping = ein-kaufen kauft eingekauft; come along = mit-kommen kommt mitgekommen sein
work = arbeiten arbeitet gearbeitet
laugh = lachen lacht gelacht; dance = tanzen tanzt getanzt; arrive = an-kommen kommt angekommen sein""")
