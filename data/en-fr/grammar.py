"""Paired English and French phrases: words with links, noun phrases, clauses, times and places.

Every word of a template has marks ("le:d chat:n" for "the:d cat:n").  An English and a French
word that share a mark are aligned, so the links are part of the derivation.
"""

import random
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import lexicon as lex
from lexicon import IL, ILS, NOUS

RANDOM = random.Random()
SCOPES = count()
ASPIRATED = ("héros", "hibou", "hiboux", "haricot", "haricots", "huit", "onze")


def pick(options):
    """Draws one of the options."""
    return RANDOM.choice(list(options))


def chance(probability):
    """Returns True with this probability."""
    return RANDOM.random() < probability


def entries(table):
    """The fields of each entry of a table with semicolons between its entries."""
    return [entry.split() for entry in table.split(";")]


# ---------------------------------------------------------------------------------------------
# Phrases


class Word(NamedTuple):
    """A word, and its links to words of the other language."""

    text: str
    links: frozenset


@dataclass(frozen=True)
class Phrase:
    """The same phrase in both languages."""

    english: tuple = ()
    french: tuple = ()
    person: int = IL
    feminine: bool = False
    pronoun: str = ""  # the pronoun that this phrase is, or that can replace it

    @property
    def plural(self):
        """Whether French verbs and adjectives are in the plural."""
        return self.person in (NOUS, ILS)


EMPTY = Phrase()


def phrase(english, french, **slots):
    """Fill two templates of marked words and $slots; shared marks become shared links."""
    scope = next(SCOPES)

    def words(template, side):
        for chunk in template.split():
            if chunk.startswith("$"):
                yield from getattr(slots[chunk[1:]], side)
            else:
                text, _, marks = chunk.partition(":")
                yield Word(text, frozenset((scope, mark) for mark in marks))

    return Phrase(tuple(words(english, "english")), tuple(words(french, "french")))


def both(template, **slots):
    """A phrase from an "english | french" entry, or from one template for both languages."""
    english, _, french = template.partition("|")
    return phrase(english, french or english, **slots)


def like(features, built):
    """The phrase `built` with the person, gender and pronoun of `features`."""
    return replace(
        built, person=features.person, feminine=features.feminine, pronoun=features.pronoun
    )


def marked(entry, marks):
    """A lexical entry as template words: "look_for" is "look:m for:m"."""
    return " ".join(f"{word}:{marks}" for word in entry.replace("_", " ").split())


def vowel_initial(text):
    """Whether elision occurs before a French word."""
    return text[0].lower() in "aeiouyhâàéèêîôœ" and text.split("-")[0] not in ASPIRATED


def agree(forms, feminine, plural, before_vowel=False):
    """The form that agrees; columns 4 and 5, if there are any, are singulars before a vowel."""
    columns = forms.split()
    if before_vowel and not plural and len(columns) == 6:
        return columns[4 + feminine]
    return columns[2 * plural + feminine]


# ---------------------------------------------------------------------------------------------
# Nouns and adjectives


class Noun(NamedTuple):
    """A noun in both languages; `meaning` decides which words it goes with."""

    meaning: str
    singular: str
    plural: str
    french: str
    french_plural: str
    feminine: bool


class Adjective(NamedTuple):
    """An adjective in both languages; `fits` has the meanings of the nouns it goes with."""

    english: str
    comparative: str
    forms: str
    before: bool
    fits: tuple


def meanings(names):
    """The meanings in a list of meanings and groups."""
    return tuple(" ".join(lex.GROUPS.get(name, name) for name in names.split()).split())


def read_adjectives(table, before):
    """Yields the adjectives of a table; `before` is their place in French."""
    for line in table.strip().splitlines():
        words, _, fits = line.partition(" | ")
        yield Adjective(*words.split(" ", 2), before, meanings(fits))


NOUNS = [
    Noun(meaning, *row[:4], row[4] == "f")
    for meaning, table in lex.NOUNS.items()
    for row in entries(table)
]
ADJECTIVES = [
    *read_adjectives(lex.ADJECTIVES_BEFORE, True),
    *read_adjectives(lex.ADJECTIVES_AFTER, False),
]
STATES = {state.english: state for state in read_adjectives(lex.STATES, False)}


def nouns(names):
    """The nouns with the given meanings or groups."""
    return [noun for noun in NOUNS if noun.meaning in meanings(names)]


def fitting(meaning):
    """The adjectives that go with nouns of a meaning."""
    return [adjective for adjective in ADJECTIVES if meaning in adjective.fits]


def perhaps_adjective(noun, probability=0.3):
    """Draws an adjective for a noun, or None."""
    options = fitting(noun.meaning)
    return pick(options) if options and chance(probability) else None


def plural_of(noun, probability):
    """Draws whether a noun is in the plural, if it has one."""
    return noun.plural != "-" and chance(probability)


def owned(noun):
    """Whether a noun goes with a possessive."""
    return noun.meaning not in lex.NOT_OWNED


# ---------------------------------------------------------------------------------------------
# Noun phrases


def indefinite(kind, noun, plural, prenominal, negated):
    """French "un", "des", partitive "du", or "de" after a negation or before an adjective."""
    if negated or (plural and prenominal):
        return "de"
    if kind != "a" and noun.meaning in lex.MASS:
        return "de " + agree(lex.DETERMINERS["the"], noun.feminine, False)
    return agree("un une des des", noun.feminine, plural)


def determiner(kind, noun, plural, following, prenominal, negated):
    """The English and the French template of a determiner before the words `following`."""
    next_english, next_french = following
    forms = (noun.feminine, plural, vowel_initial(next_french))
    if kind == "generic":
        return "", agree(lex.DETERMINERS["the"], *forms) + ":n"
    if kind in lex.NUMBERS:
        return f"{kind}:d", f"{lex.NUMBERS[kind]}:d"
    if kind in lex.DETERMINERS:
        english = "these" if kind == "this" and plural else kind
        return marked(english, "d"), marked(agree(lex.DETERMINERS[kind], *forms), "d")
    article = "an" if next_english[0].lower() in "aeiou" else "a"
    english = {"a": article, "some": "any" if negated else "some", "bare": ""}[kind]
    french = indefinite(kind, noun, plural, prenominal, negated).replace(" ", "_")
    return marked(english, "d"), marked(french, "d" if english else "n")


def noun_phrase(noun, kind, plural=False, adjective=None, negated=False):
    """Determiner, noun and adjective, agreeing; `kind` names the determiner."""
    french_noun = noun.french_plural if plural else noun.french
    english = marked(noun.plural if plural else noun.singular, "n")
    french = marked(french_noun, "n")
    if adjective:
        form = agree(adjective.forms, noun.feminine, plural, vowel_initial(french_noun))
        english = f"{marked(adjective.english, 'a')} {english}"
        french = f"{form}:a {french}" if adjective.before else f"{french} {form}:a"
    prenominal = adjective is not None and adjective.before
    following = (english, french.split(":")[0])
    english_determiner, french_determiner = determiner(
        kind, noun, plural, following, prenominal, negated
    )
    built = phrase(f"{english_determiner} {english}", f"{french_determiner} {french}")
    return replace(
        built,
        person=ILS if plural else IL,
        feminine=noun.feminine,
        pronoun=pronoun_for(noun, plural),
    )


def pronoun_for(noun, plural):
    """The pronoun that refers to a noun."""
    if plural:
        return "they (f)" if noun.feminine else "they"
    if noun.meaning in meanings("people"):
        return "she" if noun.feminine else "he"
    return "it (f)" if noun.feminine else "it"


def some_number(largest=10):
    """Draws a number from two to `largest`."""
    return pick(list(lex.NUMBERS)[: largest - 1])


def definite(names, adjectives=0.15):
    """A definite singular such as "the old house"."""
    noun = pick(nouns(names))
    return noun_phrase(noun, "the", False, perhaps_adjective(noun, adjectives))


def some_thing(names, plurals=0.35, adjectives=0.3):
    """A definite thing, with "the", "this" or a possessive."""
    noun = pick(nouns(names))
    kinds = ["the", "the", "this"] + [pick(lex.OWNERS)] * 2 * owned(noun)
    return noun_phrase(
        noun, pick(kinds), plural_of(noun, plurals), perhaps_adjective(noun, adjectives)
    )


# ---------------------------------------------------------------------------------------------
# Pronouns and people


def pronoun(name, english_column, french_column):
    """A pronoun; columns are subject, object and, in French, indirect object, stressed form."""
    english, french, person, feminine = lex.PRONOUNS[name]
    built = phrase(f"{english.split()[english_column]}:n", f"{french.split()[french_column]}:n")
    return replace(built, person=person, feminine=feminine, pronoun=name)


def subject_pronoun(name):
    """A pronoun as a subject: "she"."""
    return pronoun(name, 0, 0)


def object_pronoun(name):
    """A pronoun as a direct object: "her", "la"."""
    return pronoun(name, 1, 1)


def dative_pronoun(name):
    """A pronoun as an indirect object: "her", "lui"."""
    return pronoun(name, 1, 2)


def again(antecedent):
    """The subject pronoun that refers to an earlier phrase."""
    return subject_pronoun(antecedent.pronoun)


def is_pronoun(subject):
    """Whether a subject is a pronoun."""
    return subject.french[-1].text in ("je", "il", "elle", "nous", "vous", "ils", "elles")


def possessive(owner):
    """The English possessive of a subject, which is also the key of the French one."""
    return lex.PRONOUNS[owner.pronoun][0].split()[2]


def other_speaker(subject):
    """Draws the name of a pronoun that can be the object of this subject."""
    same = {"I": "we", "we": "I"}.get(subject.pronoun)
    return pick([name for name in lex.SPEAKERS if name not in (subject.pronoun, same)])


def person_name(gender=""):
    """Draws a first name."""
    gender = gender or pick(lex.NAMES)
    english, french = pick(entries(lex.NAMES[gender]))
    feminine = gender == "feminine"
    return replace(
        phrase(f"{english}:n", f"{french}:n"),
        feminine=feminine,
        pronoun="she" if feminine else "he",
    )


def two_names():
    """Draws two different names: "Paul and Mary"."""
    first, second = person_name(), person_name()
    while second.english[0].text == first.english[0].text:
        second = person_name()
    feminine = first.feminine and second.feminine
    return replace(
        phrase("$a and:c $b", "$a et:c $b", a=first, b=second),
        person=ILS,
        feminine=feminine,
        pronoun="they (f)" if feminine else "they",
    )


def described_person():
    """A noun phrase such as "the old king", "three girls" or "my aunt"."""
    noun = pick(nouns("people"))
    plural = plural_of(noun, 0.45)
    if noun.meaning == "kin":
        return noun_phrase(noun, "my", plural)
    kinds = ["the", "the", "the", "this"] + ["my"] * 2 * owned(noun) + [some_number(4)] * plural
    return noun_phrase(noun, pick(kinds), plural, perhaps_adjective(noun, 0.25))


def third_person(other_than=EMPTY):
    """Draws someone who is neither the speaker nor the listener."""
    built = RANDOM.choices([person_name, two_names, described_person], [4, 1, 5])[0]()
    shared = {word.text for word in built.french} & {word.text for word in other_than.french}
    return third_person(other_than) if shared else built


def someone(pronouns=0.6):
    """Draws a subject."""
    if chance(pronouns):
        return subject_pronoun(pick(lex.OFTEN))
    return third_person()


# ---------------------------------------------------------------------------------------------
# Verbs


class Verb(NamedTuple):
    """A verb in both languages, with the meanings of its objects."""

    base: str
    third: str
    ing: str
    past: str
    infinitive: str
    participle: str
    present: list
    objects: str
    future: str
    imperfect: str
    follows: str


def read_verbs(table):
    """Yields verbs by English base form."""
    for line in table.strip().splitlines():
        english, names, present, objects, extras = (line.split(" | ") + ["", ""])[:5]
        infinitive, participle = names.split()
        future, imperfect, follows = (extras.split() + ["", "", ""])[:3]
        yield (
            english.split()[0],
            Verb(
                *english.split(),
                infinitive,
                participle,
                present.split(),
                objects,
                future or infinitive.rstrip("e"),
                imperfect.strip("-"),
                follows,
            ),
        )


TRANSITIVES = dict(read_verbs(lex.TRANSITIVES))
INTRANSITIVES = dict(read_verbs(lex.INTRANSITIVES))
VERBS = TRANSITIVES | INTRANSITIVES | dict(read_verbs(lex.OTHER_VERBS))
SHORT = {"am": "'m", "is": "'s", "are": "'re", "will": "'ll"}


def form(column, person):
    """The form for a grammatical person."""
    return column.split()[person]


def english_verb(verb, tense, person, support):
    """The auxiliary or "", and the marked main verb; `support` asks for "do"."""
    base, do = verb.base.split("~")[0], "does" if person == IL else "do"
    third = person == IL and not support
    if base == "be":
        return ("will", "be:m") if tense == "will" else (form(lex.BE[tense], person), "")
    if tense == "progressive":
        return form(lex.BE["present"], person), marked(verb.ing, "m")
    if tense == "going":
        return form(lex.BE["present"], person), f"going:f to:m {marked(base, 'm')}"
    if tense in ("will", "can", "must"):
        return tense, marked(base, "m")
    if tense == "past":
        return ("did", marked(base, "m")) if support else ("", marked(verb.past, "fm"))
    if tense == "want":
        return do * support, f"{'wants' if third else 'want'}:f to:m {marked(base, 'm')}"
    return do * support, marked(verb.third if third else base, "m" if support else "fm")


def participle(verb, agreeing):
    """The past participle with its endings for gender and number."""
    stem = verb.participle + "e" * agreeing.feminine
    return stem + "s" * (agreeing.plural and not stem.endswith("s"))


def french_verb(verb, tense, subject, direct_object):
    """The finite form, and the infinitive or participle after it, or ""."""
    person = subject.person
    if tense in lex.MODALS:
        return form(lex.MODALS[tense], person), verb.infinitive
    if tense == "will":
        return verb.future + form(lex.FUTURE, person), ""
    if tense != "past":
        return verb.present[person], ""
    if verb.imperfect:
        return verb.imperfect + form(lex.IMPERFECT, person), ""
    if verb.base in lex.WITH_ETRE:
        return VERBS["be"].present[person], participle(verb, subject)
    return VERBS["have"].present[person], participle(verb, direct_object)


# ---------------------------------------------------------------------------------------------
# Clauses


def clause(
    subject,
    verb,
    tense="present",
    rest=EMPTY,
    *,
    clitic=EMPTY,
    direct=EMPTY,
    negation="",
    adverb="",
    question=False,
    opening=EMPTY,
):
    """A clause; a participle agrees with `direct`, a direct object before the verb."""
    auxiliary, main = english_verb(verb, tense, subject.person, question or negation == "not")
    verbs = french_verb(verb, tense, subject, direct)
    english = english_clause(subject, auxiliary, main, negation, adverb, question)
    french = french_clause(subject, verb, tense, verbs, negation, adverb, question)
    return phrase(
        f"$o {english} $c $r",
        f"$o {french} $r",
        s=subject,
        c=clitic,
        r=rest,
        o=opening,
        i=inverted(subject, verbs[0]),
    )


def english_clause(subject, auxiliary, main, negation, adverb, question):
    """The English word order as a template."""
    before_verb = marked(adverb, "o")
    denial = "not:n" if negation == "not" else ""
    if negation and not denial:
        before_verb = marked(negation, "n")
    if denial and auxiliary != "am" and (auxiliary in ("can", "will") or chance(0.6)):
        stem = {"can": "can", "will": "won"}.get(auxiliary, auxiliary + "n")
        auxiliary, denial = f"{stem}:f 't:n", ""
    elif auxiliary in SHORT and is_pronoun(subject) and not question and chance(0.4):
        auxiliary = f"{SHORT[auxiliary]}:f"
    else:
        auxiliary = marked(auxiliary, "f")
    order = [auxiliary, "$s"] if question else ["$s", auxiliary]
    return " ".join([*order, denial, before_verb, main])


def french_clause(subject, verb, tense, verbs, negation, adverb, question):
    """The French word order as a template."""
    finite, tail = verbs
    reflexive = form(lex.REFLEXIVES, subject.person) if verb.base in lex.REFLEXIVE else ""
    clitics = f"$c {marked(reflexive, 'm')}"
    inverts = question and is_pronoun(subject)
    before_infinitive = tense in lex.MODALS
    return " ".join(
        [
            "" if inverts else "est:f -ce:f que:f $s" if question else "$s",
            "ne:n" if negation else "",
            "" if before_infinitive else clitics,
            f"{finite}:{'f' if tail else 'fm'}",
            "$i" if inverts else "",
            f"{lex.NEGATIONS[negation]}:n" if negation else "",
            f"{lex.ADVERBS[adverb]}:o" if adverb else "",
            clitics if before_infinitive else "",
            marked(tail, "m"),
            marked(verb.follows, "m"),
        ]
    )


def inverted(subject, finite):
    """The subject pronoun of a question, hyphen included: "-il", "-t-elle"."""
    word = subject.french[0]
    hyphen = "-t-" if finite[-1] in "ae" and word.text[0] in "ie" else "-"
    return Phrase((), (word._replace(text=hyphen + word.text),))


def be(subject, rest, tense="present", **options):
    """A clause with "to be"."""
    return clause(subject, VERBS["be"], tense, rest, **options)


def tense_of(verb, extra=()):
    """Draws a tense that suits a verb."""
    if verb.base in lex.STATIVE:
        return "past" if verb.past != "-" and chance(0.3) else "present"
    tenses = ["present"] * 4 + ["progressive"] * 3 * (verb.ing != "-")
    tenses += ["past"] * 3 * (verb.past != "-")
    if verb.base not in lex.INVOLUNTARY:
        tenses += [*lex.MODALS, *extra]
    return pick(tenses)


def negation_in(tense, probability=0.25):
    """Draws a negation that suits a tense, or ""."""
    if not chance(probability):
        return ""
    rarer = {"present": ["never", "no_longer"], "past": ["never"]}.get(tense, [])
    return pick(["not", "not", "not", *rarer])


def adverb_in(tense, negation):
    """Draws an adverb that suits a tense, or ""."""
    return pick(lex.ADVERBS) if tense == "present" and not negation and chance(0.25) else ""


def object_kind(noun, plural, subject, verb, negated):
    """Draws the kind of determiner for an object."""
    own = possessive(subject) if subject.pronoun and chance(0.7) else pick(lex.OWNERS)
    mine = [own, own] * (owned(noun) and verb.base != "buy")
    if noun.meaning == "kin":
        return own
    if verb.base in lex.GENERIC:
        generic = ["generic"] * 3 * (plural or noun.meaning in lex.MASS)
        return pick([*generic, "the", "this"])
    if noun.meaning in lex.MASS:
        return pick(["bare", "bare", "some", "the"] + ["a_lot_of"] * (not negated))
    if plural:
        counted = [some_number(), some_number(), "many", "a_lot_of", "all_the"] * (not negated)
        return pick(["the", "some", "bare", "this", *counted, *mine])
    return pick(["the", "the", "a", "a", "this", *mine])


def object_of(verb, subject, negated=False):
    """Draws an object that makes sense for a verb."""
    noun = pick(nouns(verb.objects))
    plural = plural_of(noun, 0.6 if verb.base in lex.GENERIC else 0.4)
    kind = object_kind(noun, plural, subject, verb, negated)
    return noun_phrase(noun, kind, plural, perhaps_adjective(noun), negated)


# ---------------------------------------------------------------------------------------------
# Times and places


def clock_time():
    """Draws a time such as "at six o'clock"."""
    hour = some_number()
    return phrase(f"at:a {hour}:n o'clock:h", f"à:a {lex.NUMBERS[hour]}:n heures:h")


def weekday(habit):
    """Draws "on Mondays" for a habit, otherwise "on Monday"."""
    english, french = pick(entries(lex.WEEK))
    if habit:
        return phrase(f"on:o {english}s:d", f"le:o {french}:d")
    return phrase(f"on:d {english}:d", f"{french}:d")


def long_ago():
    """Draws a time such as "three weeks ago"."""
    number = some_number()
    english, french = pick([("days", "jours"), ("weeks", "semaines"), ("years", "ans")])
    return phrase(
        f"{number}:n {english}:d ago:a", f"il:a y:a a:a {lex.NUMBERS[number]}:n {french}:d"
    )


def time_in(tense, far=False):
    """Draws a time for a tense; `far` allows "last year" and "next week"."""
    kind = {"present": "habit", "progressive": "progressive", "past": "past"}.get(tense, "future")
    if kind == "past" and far and chance(0.3):
        return long_ago()
    if kind != "progressive" and chance(0.45):
        return clock_time() if chance(0.35) else weekday(kind == "habit")
    near = lex.TIMES[kind].split(";")
    return both(pick(near + lex.TIMES.get("far " + kind, near[0]).split(";") * far))


def with_time(sentence, tense, probability=0.35, far=False):
    """Adds a time with this probability, at the end or in front."""
    if not chance(probability):
        return sentence
    order = "$t ,:c $s" if chance(0.3) else "$s $t"
    return both(order, t=time_in(tense, far), s=sentence)


def city_or_country(preposition):
    """Draws a city or country, after "in", "to" or "from"."""
    column = 3 if preposition == "from" else 2
    english, french, *links = pick(entries(lex.COUNTRIES))
    link = links[column - 2]
    if chance(0.5):
        english, french = pick(entries(lex.CITIES))
        link = ["à", "de"][column - 2]
    return phrase(f"{preposition}:p {marked(english, 'n')}", f"{marked(link, 'p')} {french}:n")


def place_after(preposition):
    """Draws where somebody goes to or comes from."""
    if chance(0.4):
        return city_or_country(preposition)
    french = "de" if preposition == "from" else "à"
    return phrase(f"{preposition}:p $n", f"{french}:p $n", n=definite("place", 0))


def at_home(subject):
    """The phrase "at home": "chez moi", "chez lui", "chez elle" and so on."""
    return phrase("at:a home:h", f"chez:a {lex.PRONOUNS[subject.pronoun][1].split()[3]}:h")


def inside(subject=EMPTY):
    """Draws where somebody is or does something."""
    if subject.pronoun and chance(0.25):
        return at_home(subject)
    if chance(0.4):
        return city_or_country("in")
    return pick(
        [
            phrase("in:p $n", "dans:p $n", n=definite("home outside")),
            phrase("at:p $n", "à:p $n", n=definite("place", 0)),
        ]
    )


def place_near(prepositions):
    """Draws where a thing is: a preposition, and a noun that goes with it."""
    template = pick(prepositions)
    place = definite(prepositions[template])
    english, french = template.split(" | ")
    return phrase(f"{english} $n", f"{french} $n", n=place)
