"""Write a small English-French teaching corpus with gold word alignments.

A paired grammar (`lexicon`, `grammar` and `frames` next to this file) derives each English
sentence together with its French translation and the word alignment.  The French sentence is a
function of the English one: "you" is always "vous" and counts as one man; "I" and "we" are
masculine; "they" and "it" are masculine unless the same sentence names what they refer to; a
question inverts a pronoun but takes "est-ce que" before a noun.

Run:  python generate.py [OUT_DIR]      (default: the folder of this file)

This writes train, valid and test, each as NAME.tsv (English, tab, French) and NAME.align (the
links of the same line as "source-target" pairs of 0-based indices into `tokens`).  The output
depends only on these four files.  No English sentence occurs twice.
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
RAREST = 22  # sentences with words that occur less often in the corpus are left out
LONGEST = 16  # tokens in a sentence

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
        drops_vowel = word.text in ELIDED and vowel_initial(following.text)
        if drops_vowel or (word.text == "si" and following.text in ("il", "ils")):
            word = word._replace(text=word.text[:-1] + "'")
        spelt.append(word)
    return spelt


def contract(words):
    """Turn "à le" into "au"; the new word has the links of both words."""
    spelt = []
    for word in words:
        if spelt and (spelt[-1].text, word.text) in CONTRACTED:
            previous = spelt.pop()
            word = Word(CONTRACTED[previous.text, word.text], previous.links | word.links)
        spelt.append(word)
    return spelt


def spell(words, glued):
    """Returns the sentence, and for each token the links of its word.

    There is no space before a word that starts with one of the characters in `glued`.
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
    """A sentence in both languages, with its links."""

    english: str
    french: str
    sources: list  # the links of each English token
    targets: list  # the links of each French token
    words: list  # the tokens of both sides, each with its language

    def alignment(self):
        """The links as pairs of token indices, in Pharaoh format."""
        return " ".join(
            f"{i}-{j}"
            for i, source in enumerate(self.sources)
            for j, target in enumerate(self.targets)
            if source & target
        )


def realise(derived):
    """Spells a derived phrase out in both languages."""
    english, sources = spell(derived.english, glued="'.,?")
    french, targets = spell(contract(elide(derived.french)), glued="-.,")
    words = [("en", word) for word in tokens(english)] + [("fr", word) for word in tokens(french)]
    return Sentence(english, french, sources, targets, words)


def draw(number, seen, counts):
    """Draws new sentences from random frames; `seen` collects their English sides.

    Of three candidates, the one with the least frequent word is chosen, so that rare forms of verbs
    and adjectives occur often enough to be learnt; `counts` collects the words.
    """
    functions, weights = zip(*FRAMES)
    drawn = []
    while len(drawn) < number:
        candidates = [realise(function()) for function in RANDOM.choices(functions, weights, k=3)]
        sentence = min(
            candidates, key=lambda candidate: min(counts[word] for word in candidate.words)
        )
        if sentence.english not in seen and len(sentence.sources) <= LONGEST:
            seen.add(sentence.english)
            counts.update(sentence.words)
            drawn.append(sentence)
    return drawn


def drop_rare_words(sentences):
    """Leaves out sentences until every word form is frequent in the rest."""
    counts = Counter(word for sentence in sentences for word in sentence.words)
    remaining = [
        sentence for sentence in sentences if all(counts[word] >= RAREST for word in sentence.words)
    ]
    return remaining if len(remaining) == len(sentences) else drop_rare_words(remaining)


def draw_corpus(size):
    """Draws distinct sentences without rare words, in random order."""
    seen, counts, drawn, sentences = set(), Counter(), [], []
    while len(sentences) < size:
        drawn += draw(size - len(sentences) + size // 20, seen, counts)
        sentences = drop_rare_words(drawn)
    RANDOM.shuffle(sentences)
    return sentences[:size]


def write_lines(path, lines):
    """Writes lines with the same line endings on every system."""
    path.write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))


def main(folder):
    """Write the six files of the corpus."""
    RANDOM.seed(SEED)
    sentences = draw_corpus(sum(SIZES.values()))
    for name, size in SIZES.items():
        split, sentences = sentences[:size], sentences[size:]
        pairs = [f"{sentence.english}\t{sentence.french}" for sentence in split]
        write_lines(folder / f"{name}.tsv", pairs)
        write_lines(folder / f"{name}.align", [sentence.alignment() for sentence in split])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
