"""A language model of melodies: a decoder alone that writes tunes in ABC notation.

`python examples/melody.py [--out FOLDER]` reads the fiddle tunes of Ryan's Mammoth Collection
(Boston 1883), which `pip install music21` brings with it: 1,059 tunes, of which it takes the first
part of each, simplified to notes and bars. It trains on them, prints tunes at several temperatures,
and says how many of their bars are as long as the metre asks for, next to the tunes of the book;
and it prints the perplexity of held-out tunes next to that of counts of characters.

A line is a tune: `M:6/8 L:1/8 K:G | G2G BAB | ...`. Any player of ABC notation plays it.
"""

import argparse
import fractions
import re

import poems

SETTINGS = ["epochs=20", "units=320", "dropout=0.3", "batch_size=32", "learning_rate=0.003"]
_FIELD = re.compile(r"^([A-Z]): *([^%\n]*)", re.MULTILINE)
# What a melody can do without: chords and bowing in quotes, grace notes, ornaments, slurs.
_DECORATIONS = re.compile(r'"[^"]*"|\{[^}]*\}|![^!]*!|\((?!\d)|[H-Wh-wYy)~.\\`-]|%.*')
_NOTE = re.compile(
    r"(?P<tuplet>\(\d)|[_^=]*[A-Ga-gzx][,']*(?P<length>\d*(?:/\d*)*)(?P<broken>[<>]?)"
)
_METRES = {"C": "4/4", "C|": "2/2"}
SHORTEST = 4  # bars of a part


def main():
    """Makes the corpus, trains on it, and prints tunes and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    poems.add_common(parser, "runs/melody")
    arguments = parser.parse_args()
    folder = poems.find_package("music21", "music21") / "corpus" / "ryansMammoth"
    tunes = list(read_tunes(folder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    texts = arguments.out / "tunes.txt"
    texts.write_text("".join(tune + "\n" for tune in tunes), encoding="utf-8")
    translator, corpus = poems.train(texts, arguments, SETTINGS)
    poems.show(translator, corpus, ["M:6/8 ", "M:2/4 L:1/16 K:D"], arguments.seed)
    for temperature in poems.TEMPERATURES:
        (drawn,) = translator.sample(
            [""], samples=200, temperature=temperature, maximum_length=600, seed=arguments.seed
        )
        share = full_bars([result.text for result in drawn])
        print(f"bars of the right length at temperature {temperature}: {share:.1%}")
    print(f"bars of the right length in the book: {full_bars(tunes):.1%}")


def read_tunes(folder):
    """Yields the first part of each tune in a folder of ABC files, as a line."""
    for path in sorted(folder.glob("*.abc")):
        tune = first_part(path.read_text(encoding="utf-8", errors="replace"))
        if tune is not None:
            yield tune


def first_part(text):
    """Returns the first part of a tune as a line; None for a tune with chords, or without metre.

    Args:
        text: An ABC file that holds one tune.
    """
    fields = dict(reversed(_FIELD.findall(text)))
    lines = [line for line in text.splitlines() if not re.match(r"[A-Za-z]:|%", line)]
    music = re.sub(r" +", " ", _DECORATIONS.sub("", " ".join(lines)))
    # A part begins or ends where it is repeated, or with two bar lines.
    parts = [
        [bar.strip() for bar in part.split("|") if bar.strip()]
        for part in re.split(r":+\|*:*|\|\||\|\]|\[\|", music)
    ]
    bars = next((part for part in parts if len(part) >= SHORTEST), [])
    metre = _METRES.get(fields.get("M", "").strip(), fields.get("M", "").strip())
    has_all = {"L", "K"} <= fields.keys() and re.fullmatch(r"\d+/\d+", metre)
    if not has_all or not bars or "[" in "".join(bars):
        return None
    head = f"M:{metre} L:{fields['L'].strip()} K:{fields['K'].strip()}"
    return f"{head} | {' | '.join(bars)} |"


def full_bars(tunes):
    """Returns the share of inner bars that are as long as their metre asks for.

    The first bar may be an upbeat, and the last one is shorter then.
    """
    full = total = 0
    for tune in tunes:
        head, *bars = (part.strip() for part in tune.split("|"))
        found = re.fullmatch(r"M:(\d+/[1-9]\d*) L:(\d+/[1-9]\d*) .*", head)
        inner = [bar for bar in bars if bar][1:-1]
        if found:
            metre, unit = map(fractions.Fraction, found.groups())
            full += sum(length_of(bar) * unit == metre for bar in inner)
        total += len(inner)
    return full / max(1, total)


def length_of(bar):
    """Returns the length of a bar, in units of the field L."""
    total, triplet = fractions.Fraction(0), 0
    for note in _NOTE.finditer(bar):
        if note["tuplet"]:
            triplet = 3 if note["tuplet"] == "(3" else 0
            continue
        length = note_length(note["length"])
        if triplet:
            length, triplet = length * fractions.Fraction(2, 3), triplet - 1
        total += length  # A broken rhythm (< or >) lengthens one note and shortens the next.
    return total


def note_length(text):
    """Returns the length of a note from the digits after it: `2`, `3/2`, `/`, `//`."""
    digits, slash, rest = text.partition("/")
    length = fractions.Fraction(int(digits or 1))
    if not slash:
        return length
    divisor = (
        2 ** (1 + rest.count("/")) if not rest.strip("/") else int(rest.strip("/").split("/")[0])
    )
    return length / max(1, divisor)


if __name__ == "__main__":
    main()
