"""Write a small English-French teaching corpus with gold word alignments.

A paired grammar (`lexicon`, `grammar` and `frames` beside this file) derives each English
sentence together with its French, and carries the word alignment along.  The French is a
function of the English: "you" is always "vous" and counts as one man, "I" and "we" are
masculine, "they" and "it" are masculine unless the same sentence names what they stand for, and
a question inverts a pronoun but takes "est-ce que" before a noun.

Run:  python generate.py [OUT_DIR]      (default: the folder of this file)

It writes train, valid and test, each as NAME.tsv (English, tab, French) and NAME.align (the
links of the same line as "source-target" pairs of 0-based indices into `tokens`).  The output
depends on nothing but these four files; no English sentence occurs twice.
"""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # so that the grammar is found when this file is imported, too

from frames import FRAMES  # noqa: E402
from grammar import RANDOM, Word, vowel_initial  # noqa: E402

SEED = 1729
SIZES = {"train": 20_000, "valid": 1_000, "test": 1_000}
RAREST = 22  # a word seen less often than this in the whole corpus is left out
LONGEST = 16  # tokens of a sentence

ELIDED = ("je", "me", "se", "le", "la", "ne", "de", "que", "ce")
CONTRACTED = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}
LETTER = r"[^\W\d_]"
CLITIC = r"'(?:s|t|re|ve|ll|m|d)(?![^\W_])"
TOKEN = re.compile(
    rf"(?<={LETTER}){CLITIC}|[^\W_]+(?:(?<={LETTER})(?!{CLITIC})'(?={LETTER}))?|[^\w\s]|_",
    re.IGNORECASE,
)


def tokens(sentence):
    """Split a sentence into words, punctuation characters, elided words and English clitics."""
    return TOKEN.findall(sentence)


def elide(words):
    """Turn "le homme" into "l' homme" and "si il" into "s' il"."""
    spelt = []
    for word, following in zip(words, [*words[1:], Word(".", frozenset())]):
        drops = word.text in ELIDED and vowel_initial(following.text)
        if drops or (word.text == "si" and following.text in ("il", "ils")):
            word = word._replace(text=word.text[:-1] + "'")
        spelt.append(word)
    return spelt


def contract(words):
    """Turn "à le" into "au"; the new word keeps the links of both."""
    spelt = []
    for word in words:
        if spelt and (spelt[-1].text, word.text) in CONTRACTED:
            previous = spelt.pop()
            word = Word(CONTRACTED[previous.text, word.text], previous.links | word.links)
        spelt.append(word)
    return spelt


def spell(words, glued):
    """The sentence, and for each of its tokens the links of the word it comes from.

    A word that starts with one of the characters `glued` follows without a space.
    """
    text, owners = "", []
    for word in words:
        if text and not text.endswith("'") and word.text[0] not in glued:
            text += " "
            owners.append(word)
        text += word.text
        owners.extend([word] * len(word.text))
    links = [owners[match.start()].links for match in TOKEN.finditer(text)]
    return text[0].upper() + text[1:], links


class Sentence(NamedTuple):
    english: str
    french: str
    sources: list  # the links of each English token
    targets: list  # the links of each French token
    words: list  # the tokens of both sides, each with the name of its side

    def alignment(self):
        return " ".join(
            f"{i}-{j}"
            for i, source in enumerate(self.sources)
            for j, target in enumerate(self.targets)
            if source & target
        )


def realise(derived):
    english, sources = spell(derived.english, glued="'.,?")
    french, targets = spell(contract(elide(derived.french)), glued="-.,")
    words = [("en", word) for word in tokens(english)] + [("fr", word) for word in tokens(french)]
    return Sentence(english, french, sources, targets, words)


def draw(number, known, counts):
    """New sentences of random frames; `known` collects their English sides.

    Of a few candidates the one with the least frequent word is kept, so that rare forms of verbs
    and adjectives occur often enough to be learnt; `counts` collects the words.
    """
    functions, weights = zip(*FRAMES)
    drawn = []
    while len(drawn) < number:
        candidates = [realise(function()) for function in RANDOM.choices(functions, weights, k=3)]
        sentence = min(candidates, key=lambda one: min(counts[word] for word in one.words))
        if sentence.english not in known and len(sentence.sources) <= LONGEST:
            known.add(sentence.english)
            counts.update(sentence.words)
            drawn.append(sentence)
    return drawn


def without_rare_words(sentences):
    """The sentences whose words, as they are spelt, are all frequent among what is returned."""
    counts = Counter(word for sentence in sentences for word in sentence.words)
    kept = [
        sentence for sentence in sentences if all(counts[word] >= RAREST for word in sentence.words)
    ]
    return kept if len(kept) == len(sentences) else without_rare_words(kept)


def corpus(size):
    """Distinct sentences without rare words, in random order."""
    known, counts, drawn, kept = set(), Counter(), [], []
    while len(kept) < size:
        drawn += draw(size - len(kept) + size // 20, known, counts)
        kept = without_rare_words(drawn)
    RANDOM.shuffle(kept)
    return kept[:size]


def write_lines(path, lines):
    path.write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))


def main(folder):
    RANDOM.seed(SEED)
    sentences = corpus(sum(SIZES.values()))
    for name, size in SIZES.items():
        part, sentences = sentences[:size], sentences[size:]
        write_lines(folder / f"{name}.tsv", [f"{one.english}\t{one.french}" for one in part])
        write_lines(folder / f"{name}.align", [one.alignment() for one in part])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
