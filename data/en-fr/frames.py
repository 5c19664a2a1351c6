"""The sentence frames of the corpus: each draws an English sentence and its French translation."""

from dataclasses import replace

import lexicon as lex
from grammar import (
    EMPTY,
    INTRANSITIVES,
    NOUNS,
    RANDOM,
    SHORT,
    STATES,
    TRANSITIVES,
    VERBS,
    Phrase,
    adverb_in,
    again,
    agree,
    at_home,
    be,
    both,
    chance,
    city_or_country,
    clause,
    dative_pronoun,
    definite,
    described_person,
    entries,
    fitting,
    form,
    inside,
    is_pronoun,
    like,
    marked,
    negation_in,
    noun_phrase,
    nouns,
    object_of,
    object_pronoun,
    other_speaker,
    owned,
    perhaps_adjective,
    person_name,
    phrase,
    pick,
    place_after,
    place_near,
    plural_of,
    possessive,
    pronoun,
    some_number,
    some_thing,
    someone,
    subject_pronoun,
    tense_of,
    third_person,
    with_time,
)

FRAMES = []


def frame(weight):
    """Register a function that draws a sentence; frames are drawn in proportion to weight."""

    def register(function):
        FRAMES.append((function, weight))
        return function

    return register


def said(sentence, mark="."):
    """Ends a sentence with a punctuation mark."""
    return both(f"$s {mark}:p", s=sentence)


def asked(sentence):
    """Ends a question."""
    return said(sentence, "?")


def maybe_not(probability=0.25):
    """Draws "not" or ""."""
    return "not" if chance(probability) else ""


def somebody_asked(pronouns=0.6):
    """Draws the subject of a question."""
    if chance(pronouns):
        return subject_pronoun(pick(["he", "she", "we", "you", "you", "they"]))
    return third_person()


def predicate(adjective, subject, degrees=("very très", "too trop")):
    """An adjective after "to be", perhaps with "very" or "too"."""
    french = marked(agree(adjective.forms, subject.feminine, subject.plural), "a")
    english = marked(adjective.english, "a")
    if adjective.english in lex.ABSOLUTE or chance(0.7):
        return phrase(english, french)
    english_degree, french_degree = pick(degrees).split()
    return phrase(f"{english_degree}:d {english}", f"{french_degree}:d {french}")


def feels(subject):
    """Draws a state after "to be", perhaps with "very"."""
    return predicate(pick(list(STATES.values())[1:]), subject, ["very très"])


def possession(subject, noun, plural=False):
    """A phrase such as "John's car"; in French the owner comes last."""
    bare = noun_phrase(noun, "generic", plural)
    english, (article, *french) = bare.english, bare.french
    owner = Phrase(french=(article,))
    built = phrase(
        "$o 's:s $n",
        "$a $f de:s $o",
        o=subject,
        n=Phrase(english),
        a=owner,
        f=Phrase(french=tuple(french)),
    )
    return like(bare, built)


def action(subject, negation=None):
    """Draws what somebody does to a thing: clause, tense, and whether a time may be added."""
    verb = pick(TRANSITIVES.values())
    tense = tense_of(verb)
    if negation is None:
        negation = "" if verb.base == "hate" else negation_in(tense)
    adverb = "" if verb.base in lex.STATIVE else adverb_in(tense, negation)
    thing = object_of(verb, subject, bool(negation))
    sentence = clause(subject, verb, tense, thing, negation=negation, adverb=adverb)
    timeless = verb.base in (*lex.STATIVE, "lose") and tense == "present"
    return sentence, tense, not (timeless or adverb or negation in ("never", "no_longer"))


# ---------------------------------------------------------------------------------------------
# Doing things


@frame(30)
def transitive():
    """Mary is not reading the letter."""
    sentence, tense, timeable = action(someone())
    return said(with_time(sentence, tense, 0.35 * timeable))


@frame(8)
def with_object_pronoun():
    """She does not like him."""
    subject = someone()
    verb = pick([verb for verb in TRANSITIVES.values() if "people" in verb.objects])
    tense = tense_of(verb)
    if tense == "past":
        verb = VERBS[pick(lex.GREETED)]
    clitic = object_pronoun(other_speaker(subject))
    negation = negation_in(tense)
    return said(
        clause(
            subject,
            verb,
            tense,
            clitic=clitic,
            direct=clitic,
            negation=negation,
            adverb=adverb_in(tense, negation),
        )
    )


@frame(9)
def intransitive():
    """The children will sleep at home tomorrow."""
    subject, verb = someone(), pick(INTRANSITIVES.values())
    tense = tense_of(verb, extra=["will"] * 5)
    negation = negation_in(tense)
    adverb = adverb_in(tense, negation)
    rest = inside(subject) if chance(0.4) else EMPTY
    sentence = clause(subject, verb, tense, rest, negation=negation, adverb=adverb)
    timeless = adverb or negation in ("never", "no_longer")
    return said(with_time(sentence, tense, 0 if timeless else 0.4))


@frame(13)
def motion():
    """Anna went to the market yesterday."""
    subject, verb = someone(), VERBS[pick(["go", "go", "come", "leave", "arrive"])]
    tense = pick(["present", "present", "past", "past", "past", "will", "will"])
    rest = EMPTY
    if verb.base in ("go", "come"):
        rest = place_after("to" if verb.base == "go" else "from")
    sentence = clause(subject, verb, tense, rest, negation=maybe_not(0.2))
    return said(with_time(sentence, tense, 0.4 if rest.french else 0.8, far=tense != "present"))


@frame(6)
def daily_routine():
    """I get up at seven o'clock."""
    subject, verb = someone(), VERBS[pick(lex.REFLEXIVE)]
    tense = pick(["present", "present", "present", "past", "past", "going", "must", "want"])
    return said(with_time(clause(subject, verb, tense, negation=maybe_not(0.15)), tense, 0.9))


@frame(6)
def giving():
    """He is giving her a flower. He showed the letter to the children."""
    subject, verb = someone(), VERBS[pick(["give", "show"])]
    tense = tense_of(verb)
    noun = pick(nouns(verb.objects))
    plural = plural_of(noun, 0.3)
    single = ["a", "a", "the", possessive(subject)]
    kind = pick([some_number(), "some", "the"] if plural else single)
    thing = noun_phrase(noun, kind, plural, perhaps_adjective(noun, 0.2))
    if chance(0.5):
        clitic = dative_pronoun(other_speaker(subject))
        return said(clause(subject, verb, tense, thing, clitic=clitic))
    rest = phrase("$t to:t $n", "$t à:t $n", t=thing, n=third_person(subject))
    return said(clause(subject, verb, tense, rest))


@frame(4)
def playing():
    """They are playing football in the park."""
    game = pick(lex.GAMES.split(";"))
    rest = both(game)
    subject, verb = someone(), VERBS["play"]
    if chance(0.3):
        rest = both("$r $p", r=rest, p=at_home(subject))
    elif ("football" in game or "tennis" in game) and chance(0.5):
        place = phrase("in:p $n", "dans:p $n", n=definite("outside"))
        rest = both("$r $p", r=rest, p=place)
    tense = tense_of(verb)
    negation = negation_in(tense)
    adverb = adverb_in(tense, negation)
    return said(clause(subject, verb, tense, rest, negation=negation, adverb=adverb))


@frame(3)
def living():
    """He no longer lives in Spain."""
    negation = pick(["", "", "", "not", "no_longer"])
    return said(
        clause(someone(), VERBS["live"], "present", city_or_country("in"), negation=negation)
    )


@frame(3)
def like_doing():
    """The students like to sing."""
    subject, verb = someone(), pick(INTRANSITIVES.values())
    liking = "hate" if verb.base == "cry" else pick(["like", "like", "hate"])
    rest = phrase(f"to:v {verb.base}:v", f"{verb.infinitive}:v")
    if verb.base not in lex.INVOLUNTARY and chance(0.4):
        rest = both("$r $p", r=rest, p=inside())
    return said(
        clause(
            subject,
            VERBS[liking],
            "present",
            rest,
            negation=maybe_not(0.3) if liking == "like" else "",
        )
    )


@frame(9)
def order():
    """Don't open the door, please. Listen to me."""
    negated = chance(0.35)
    thing = clitic = EMPTY
    if chance(0.6):
        verb = VERBS[pick(lex.ORDERED + lex.ADDRESSED)]
        thing = object_of(verb, subject_pronoun("you"), negated)
    else:
        verb, name = VERBS[pick(lex.ADDRESSED)], pick(["I", "he", "she", "we", "they"])
        clitic = object_pronoun(name)
        if not negated:  # "Regardez-moi" but "Ne me regardez pas"
            clitic = pronoun(name, 1, 3 if name == "I" else 1)
            word = clitic.french[0]
            clitic = replace(clitic, french=(word._replace(text="-" + word.text),))
    french = f"{verb.present[lex.VOUS]}:f"
    templates = f"{marked(verb.base, 'f')} $c $t $p", f"{french} $c $t $p"
    if negated:
        templates = f"don:f 't:n {templates[0]}", f"ne:n $c {french} pas:n $t $p"
    polite = both(",:c please:p|,:c si:p il:p vous:p plaît:p") if chance(0.25) else EMPTY
    return said(phrase(*templates, c=clitic, t=thing, p=polite))


# ---------------------------------------------------------------------------------------------
# Being, having and feeling


@frame(8)
def state():
    """The queen was very angry."""
    subject, tense = someone(), pick(["present", "present", "past", "past", "will", "will"])
    adjective = pick([*STATES.values(), *fitting("person")])
    if adjective.english in lex.LASTING:
        tense = "present"
    return said(be(subject, predicate(adjective, subject), tense, negation=maybe_not()))


@frame(5)
def quality():
    """These red shoes are expensive."""
    noun = pick([noun for noun in NOUNS if fitting(noun.meaning)])
    kinds = ["the", "the", "this"] + [pick(lex.OWNERS)] * 2 * (owned(noun))
    plural = plural_of(noun, 0.45)
    kind = "the" if noun.meaning in lex.MASS else pick(kinds)
    subject, adjective = noun_phrase(noun, kind, plural), pick(fitting(noun.meaning))
    tense = "present" if adjective.english in lex.LASTING else pick(["present", "past"])
    return said(be(subject, predicate(adjective, subject), tense, negation=maybe_not()))


@frame(4)
def possessor():
    """Mary's car is red."""
    owner = person_name() if chance(0.6) else described_person()
    while owner.plural:
        owner = described_person()
    noun = pick(nouns("clothes vehicle animal home container"))
    thing = possession(owner, noun, plural_of(noun, 0.4))
    return said(be(thing, predicate(pick(fitting(noun.meaning)), thing), negation=maybe_not(0.2)))


@frame(6)
def location():
    """The key is under the bed."""
    tense, negation = pick(["present", "present", "past"]), maybe_not(0.2)
    if chance(0.3):
        subject = someone()
        return said(be(subject, inside(subject), tense, negation=negation))
    if chance(0.3):
        return said(
            be(some_thing("animal vehicle"), place_near(lex.SURROUNDINGS), tense, negation=negation)
        )
    return said(be(some_thing("small text"), place_near(lex.SURFACES), tense, negation=negation))


@frame(6)
def existence():
    """There are three cats behind the house."""
    indoors = chance(0.5)
    noun = pick(nouns("small text" if indoors else "animal vehicle"))
    place = place_near(lex.SURFACES if indoors else lex.SURROUNDINGS)
    plural, negated = chance(0.55), chance(0.25)
    several = [some_number(), some_number(), "many", "a_lot_of", "bare"]
    kind = "a" if not plural else "some" if negated else pick(several)
    thing = noun_phrase(noun, kind, plural, perhaps_adjective(noun, 0.2), negated)
    verb = "are" if plural else "is"
    if negated:
        return said(
            phrase(
                f"there:t {verb}n:a 't:n $n $p", "il:t ne:n y:t a:a pas:n $n $p", n=thing, p=place
            )
        )
    return said(phrase(f"there:t {verb}:a $n $p", "il:t y:t a:a $n $p", n=thing, p=place))


@frame(4)
def comparison():
    """Paul is taller than his sister."""
    meaning = pick(["person", "person", "clothes", "vehicle", "place", "tale", "animal"])
    if meaning == "person":
        first = third_person()
        second = third_person(first)
        adjectives = [STATES["tall"], *fitting(meaning)]
    else:
        first = second = some_thing(meaning, adjectives=0)
        while second.french[-1].text == first.french[-1].text:
            second = some_thing(meaning, adjectives=0)
        adjectives = fitting(meaning)
    adjective = pick([adjective for adjective in adjectives if adjective.comparative != "-"])
    comparative = adjective.comparative + ":ma"
    if adjective.comparative == "more":
        comparative = f"more:m {adjective.english}:a"
    french = agree(adjective.forms, first.feminine, first.plural)
    return said(
        be(first, phrase(f"{comparative} than:t $n", f"plus:m {french}:a que:t $n", n=second))
    )


@frame(4)
def presentation():
    """These are my sisters."""
    noun = pick(nouns("people things animal"))
    plural = plural_of(noun, 0.4)
    kinds = ["bare" if plural else "a"] * (noun.meaning != "kin")
    kinds += [pick(lex.OWNERS)] * owned(noun)
    thing = noun_phrase(noun, pick(kinds), plural, perhaps_adjective(noun, 0.4))
    english, french = ("these:t are:v", "sont:v") if plural else ("this:t is:v", "est:v")
    if chance(0.2):
        return said(phrase(f"{english} not:n $n", f"ce:t ne:n {french} pas:n $n", n=thing))
    return said(phrase(f"{english} $n", f"ce:t {french} $n", n=thing))


@frame(6)
def age():
    """She is twelve years old."""
    number = pick(lex.NUMBERS)
    rest = phrase(f"{number}:n years:y old:y", f"{lex.NUMBERS[number]}:n ans:y")
    subject = subject_pronoun(pick(lex.SPEAKERS)) if chance(0.6) else person_name()
    tense = pick(["present", "present", "past", "will"])
    return said(clause(subject, VERBS["be~avoir"], tense, rest, negation=maybe_not(0.15)))


def feeling():
    """An adjective in English, a noun after "avoir" in French."""
    english, french = pick(entries(lex.FEELINGS))
    return phrase(f"{english}:a", f"{french}:a")


@frame(4)
def having_a_feeling():
    """I am hungry."""
    tense = pick(["present", "present", "past", "will"])
    return said(clause(someone(), VERBS["be~avoir"], tense, feeling(), negation=maybe_not()))


@frame(3)
def fear():
    """She is afraid of the owl."""
    subject = someone()
    feared = some_thing("animal") if chance(0.7) else third_person(subject)
    rest = phrase("afraid:a of:o $n", "peur:a de:o $n", n=feared)
    tense = pick(["present", "present", "past"])
    return said(clause(subject, VERBS["be~avoir"], tense, rest, negation=maybe_not()))


@frame(3)
def name_of_somebody():
    """My cousin's name is Paul."""
    if chance(0.5):
        bearer = described_person()
        while bearer.plural:
            bearer = described_person()
        name = person_name("feminine" if bearer.feminine else "masculine")
        return said(phrase("$b 's:n name:n is:v $n", "$b se:n appelle:nv $n", b=bearer, n=name))
    speaker = subject_pronoun(pick(["I", "he", "she", "you"]))
    name = person_name("feminine" if speaker.feminine else "masculine")
    reflexive, verb = form(lex.REFLEXIVES, speaker.person), form(lex.APPELER, speaker.person)
    return said(
        phrase(
            f"{possessive(speaker)}:m name:n is:v $n",
            f"{speaker.french[0].text}:m {reflexive}:m {verb}:nv $n",
            n=name,
        )
    )


# ---------------------------------------------------------------------------------------------
# Idioms


@frame(5)
def missing_somebody():
    """I miss you. The French subject is the English object."""
    misser = someone(0.6)
    if chance(0.5):
        name = other_speaker(misser)
        missed = pronoun(name, 1, 0)
    else:
        missed = third_person(misser)
    miss = "misses" if misser.person == lex.IL else "miss"
    manque = form(lex.MANQUER, missed.person)
    if not is_pronoun(misser):
        return said(phrase(f"$s {miss}:v $m", f"$m {manque}:v à:v $s", m=missed, s=misser))
    dative = replace(
        misser,
        french=(misser.french[0]._replace(text=dative_pronoun(misser.pronoun).french[0].text),),
    )
    return said(phrase(f"$d {miss}:v $m", f"$m $d {manque}:v", m=missed, d=dative))


@frame(4)
def weather():
    """It's raining cats and dogs."""
    template, tense = pick(lex.WEATHER.items())
    sentence = both(template)
    if chance(0.6):
        sentence = both("$s $p", s=sentence, p=city_or_country("in"))
    return said(with_time(sentence, tense, 0.4))


@frame(3)
def hour():
    """It is half past three in Paris."""
    number = some_number()
    french = f"il:i est:f {lex.NUMBERS[number]}:n heures:h"
    time = pick(
        [
            phrase(f"it:i is:f {number}:n o'clock:h", french),
            phrase(f"it:i is:f half:q past:h {number}:n", f"{french} et:q demie:q"),
            phrase(f"it:i 's:f already:a {number}:n o'clock:h", french.replace(":f", ":f déjà:a")),
        ]
    )
    return said(both("$t $p", t=time, p=city_or_country("in") if chance(0.8) else EMPTY))


@frame(3)
def need():
    """They need a new car."""
    subject, verb = someone(), VERBS["need"]
    noun = pick(nouns(verb.objects))
    plural = plural_of(noun, 0.3)
    kind = some_number() if plural else pick(["a", "the", possessive(subject), "this"])
    thing = noun_phrase(noun, kind, plural, perhaps_adjective(noun))
    return said(clause(subject, verb, "present", thing))


@frame(2)
def costly():
    """This hat costs an arm and a leg."""
    noun = pick(nouns("clothes vehicle support"))
    plural = chance(0.45)
    thing = noun_phrase(
        noun, pick(["this", "the", pick(lex.OWNERS)]), plural, perhaps_adjective(noun)
    )
    cost, coûte = ("cost", "coûtent") if plural else ("costs", "coûte")
    return said(
        phrase(
            f"$n {cost}:v an:a arm:a and:b a:b leg:c",
            f"$n {coûte}:v les:a yeux:a de:b la:b tête:c",
            n=thing,
        )
    )


@frame(6)
def fed_up_or_fooled():
    """I'm fed up. She is pulling my leg."""
    subject = someone()
    am = form(lex.BE["present"], subject.person)
    am = SHORT[am] if is_pronoun(subject) and chance(0.5) else am
    if chance(0.4):
        ai = VERBS["have"].present[subject.person]
        return said(phrase(f"$s {am}:f fed:a up:b", f"$s en:a {ai}:f marre:b", s=subject))
    victim = object_pronoun(other_speaker(subject))
    fait = form(lex.FAIRE, subject.person)
    sentence = phrase(
        f"$s {am}:f pulling:f {possessive(victim)}:c leg:m",
        f"$s {victim.french[0].text}:c {fait}:f marcher:m",
        s=subject,
    )
    return said(with_time(sentence, "progressive"))


# ---------------------------------------------------------------------------------------------
# Questions


@frame(4)
def where():
    """Where is my umbrella?"""
    if chance(0.35):
        subject = subject_pronoun(pick(["he", "she", "they", "you", "we"]))
        opening = phrase("where:w", "où:w")
        return asked(be(subject, EMPTY, pick(["present", "past"]), question=True, opening=opening))
    subject = some_thing("text things animal place") if chance(0.6) else third_person()
    english, french = ("are", "sont") if subject.plural else ("is", "est")
    return asked(phrase(f"where:w {english}:v $s", f"où:w {french}:v $s", s=subject))


@frame(7)
def yes_or_no():
    """Does she like the red dress?"""
    subject = somebody_asked()
    tense = pick(["present", "past", "going", "can", "want"])
    transitive_ = tense == "present" or chance(0.7)
    verbs = TRANSITIVES if transitive_ else INTRANSITIVES
    verb = (
        VERBS[pick(lex.QUESTIONED)]
        if tense == "present"
        else pick(
            [
                verb
                for verb in verbs.values()
                if verb.past != "-" and verb.base not in lex.STATIVE + lex.INVOLUNTARY
            ]
        )
    )
    rest = object_of(verb, subject) if transitive_ else EMPTY
    return asked(clause(subject, verb, tense, rest, question=True))


@frame(4)
def state_question():
    """Why are you sad?"""
    subject = somebody_asked(0.7)
    opening = phrase("why:w", "pourquoi:w") if chance(0.4) else EMPTY
    if chance(0.5):
        return asked(
            clause(subject, VERBS["be~avoir"], rest=feeling(), question=True, opening=opening)
        )
    return asked(
        be(
            subject,
            predicate(pick(STATES.values()), subject, ["so si"]),
            question=True,
            opening=opening,
        )
    )


@frame(4)
def why_or_when():
    """Why is he laughing?"""
    if chance(0.6):
        opening, verb = phrase("why:w", "pourquoi:w"), pick(INTRANSITIVES.values())
        tense = pick(["present", "progressive", "past"])
    else:
        opening, verb = phrase("when:w", "quand:w"), VERBS[pick(["leave", "arrive", "get_up"])]
        tense = pick(["past", "past", "going", "want", "can"])
    return asked(clause(somebody_asked(), verb, tense, question=True, opening=opening))


@frame(3)
def how_many_or_which():
    """How many eggs does he want to eat?"""
    verb = VERBS[pick(["eat", "buy", "sell", "find", "lose", "take", "have", "read", "write"])]
    noun = pick([noun for noun in nouns(verb.objects) if noun.plural != "-"])
    if chance(0.5):
        thing = noun_phrase(noun, "bare", plural=True)
        bare = replace(thing, french=thing.french[1:])
        opening = like(thing, phrase("how:h many:h $n", "combien:h de:h $n", n=bare))
    else:
        thing = noun_phrase(noun, "generic")
        which = agree("quel quelle quels quelles", noun.feminine, False)
        bare = replace(thing, french=thing.french[1:])
        opening = like(thing, phrase("which:w $n", f"{which}:w $n", n=bare))
    tense = pick(["present", "past", "going", "want", "can"])
    if verb.base in ("have", "lose"):
        tense = "present" if verb.base == "have" else "past"
    elif verb.base not in lex.HANDLED:
        tense = pick(["present", "going", "want", "can"])
    return asked(
        clause(somebody_asked(1), verb, tense, direct=opening, question=True, opening=opening)
    )


@frame(3)
def what():
    """What is she eating?"""
    verb = VERBS[pick(["eat", "drink", "read", "write", "buy", "sell", "look_at", "look_for"])]
    tense = pick(["present", "progressive", "progressive", "going", "want", "can"])
    return asked(
        clause(somebody_asked(1), verb, tense, question=True, opening=phrase("what:w", "que:w"))
    )


@frame(2)
def how_old():
    """How old is your sister?"""
    subject = somebody_asked(0.3)
    opening = phrase("how:h old:o", "quel:h âge:o")
    if is_pronoun(subject):
        return asked(clause(subject, VERBS["be~avoir"], question=True, opening=opening))
    english, french = ("are", "ont") if subject.plural else ("is", "a")
    return asked(phrase(f"$o {english}:v $s", f"$o {french}:v $s", o=opening, s=subject))


@frame(3)
def who():
    """Who has my keys?"""
    return asked(action(phrase("who:w", "qui:w"), "")[0])


# ---------------------------------------------------------------------------------------------
# Two clauses


@frame(6)
def reported():
    """I think that Mary is sick. He doesn't know if they are late."""
    subject, verb = someone(0.7), VERBS[pick(["think", "say", "know~that"])]
    about = someone()
    if about.pronoun == "they" and subject.pronoun == "they (f)":
        about = again(subject)
    inner = be(about, feels(about), pick(["present", "past"]))
    if chance(0.5):
        inner = action(about, "")[0]
    negation = maybe_not(0.5) if verb.base == "know~that" else ""
    rest = both("if:t $c|si:t $c" if negation else "that:t $c|que:t $c", c=inner)
    return said(clause(subject, verb, "present", rest, negation=negation))


@frame(4)
def relative_subject():
    """The woman who is singing is my aunt."""
    noun = pick(nouns("person friend"))
    plural = chance(0.4)
    person = noun_phrase(noun, "the", plural)
    subject = like(person, both("$n who:w|$n qui:w", n=person))
    deed = clause(subject, pick(INTRANSITIVES.values()), pick(["progressive", "past"]))
    relatives = [kin for kin in nouns("kin") if kin.feminine == noun.feminine]
    rest = feels(subject)
    if noun.singular in lex.ADULTS and not plural and chance(0.6):
        rest = noun_phrase(pick(relatives), pick(lex.OWNERS))
    return said(be(like(person, deed), rest))


@frame(5)
def relative_object():
    """The flowers that I bought are beautiful."""
    verb = VERBS[pick(lex.HANDLED)]
    noun = pick(
        [
            noun
            for noun in nouns(verb.objects)
            if noun.meaning in ("small", "clothes", "vehicle", "container", "text")
        ]
    )
    thing = noun_phrase(noun, "the", chance(0.4))
    tense = "past" if verb.base == "lose" else pick(["past", "past", "past", "going", "want"])
    deed = clause(
        someone(0.8), verb, tense, direct=thing, opening=both("$n that:t|$n que:t", n=thing)
    )
    quality_ = predicate(pick(fitting(noun.meaning)), thing)
    return said(be(like(thing, deed), quality_))


def reason():
    """Draws a subject, what it does or does not do, and the state that causes this."""
    deed, states = pick(lex.REASONS.split(";")).split("|")
    *denied, verb = deed.split()
    return someone(), VERBS[verb], " ".join(denied), STATES[pick(states.split())]


@frame(4)
def because():
    """Mary is crying because she is sad."""
    subject, verb, negation, adjective = reason()
    same, tense = again(subject), pick(["present", "progressive", "past"])
    why = be(same, predicate(adjective, same), "past" if tense == "past" else "present")
    deed = clause(subject, verb, tense, negation=negation)
    return said(both("$d because:b $w|$d parce:b que:b $w", d=deed, w=why))


@frame(5)
def when_or_if():
    """When the boys are tired, they sleep. If she is happy, she will sing."""
    subject, verb, negation, adjective = reason()
    same = again(subject)
    condition = be(subject, predicate(adjective, subject, ["very très"]))
    if verb.base in lex.INVOLUNTARY or chance(0.5):
        deed = clause(same, verb, "present", negation=negation)
        return said(both("when:w $a ,:c $b|quand:w $a ,:c $b", a=condition, b=deed))
    deed = clause(same, verb, "will", negation=negation)
    return said(both("if:w $a ,:c $b|si:w $a ,:c $b", a=condition, b=deed))


@frame(4)
def contrast():
    """Peter is tired but he is working."""
    state_, verbs = pick(lex.CONTRASTS.split(";")).split("|")
    subject, adjective, verb = someone(), STATES[state_.strip()], VERBS[pick(verbs.split())]
    same = again(subject)
    tense = "progressive" if verb.base in lex.INVOLUNTARY else pick(["progressive", "must", "want"])
    feeling_ = be(subject, predicate(adjective, subject, ["very très"]))
    return said(both("$a but:b $b|$a mais:b $b", a=feeling_, b=clause(same, verb, tense)))


@frame(5)
def two_people():
    """Paul is reading a book while Mary is sleeping."""
    first = third_person()
    second = subject_pronoun(pick(["I", "we", "you"])) if chance(0.5) else third_person(first)
    verb = VERBS[pick(["read", "write", "eat", "drink", "wash", "look_at", "buy", "open", "close"])]
    deed = clause(first, verb, "progressive", object_of(verb, first))
    second_deed = clause(second, pick(INTRANSITIVES.values()), "progressive")
    return said(
        both(
            pick(["$a and:j $b|$a et:j $b", "$a while:j $b|$a pendant:j que:j $b"]),
            a=deed,
            b=second_deed,
        )
    )


@frame(5)
def thing_again():
    """The car is old but it is beautiful."""
    noun = pick(nouns("things text tale place home"))
    qualities = [
        {word.english: word for word in fitting(noun.meaning) if word.english in side}
        for side in (lex.PRAISE, lex.BLAME)
    ]
    first, second = RANDOM.sample([pick(side.values()) for side in qualities], 2)
    kinds = ["the", "this"] + [pick(lex.OWNERS)] * 2 * owned(noun)
    thing = noun_phrase(noun, pick(kinds), plural_of(noun, 0.4))
    same = again(thing)
    return said(
        both(
            "$a but:b $b|$a mais:b $b",
            a=be(thing, predicate(first, thing, ["very très"])),
            b=be(same, predicate(second, same, ["very très"])),
        )
    )


@frame(6)
def object_again():
    """I bought a dress but I do not like it."""
    verb, sequels = pick(lex.SEQUELS.split(";")).split("|")
    first, second = VERBS[verb.strip()], VERBS[pick(sequels.split())]
    subject, noun = someone(), pick(nouns("small clothes"))
    plural = chance(0.4)
    kind = pick([some_number(), "the"] if plural else ["a", "a", "this", "the"])
    thing = noun_phrase(noun, kind, plural)
    clitic = object_pronoun(thing.pronoun)
    tense = {"lose": "past", "sell": pick(["going", "want", "past"])}.get(second.base, "present")
    negation = {"like": "not", "sell": maybe_not()}.get(second.base, "")
    began = clause(subject, first, "present" if first.base == "have" else "past", thing)
    ended = clause(again(subject), second, tense, clitic=clitic, direct=clitic, negation=negation)
    return said(both("$a but:b $b|$a mais:b $b", a=began, b=ended))
