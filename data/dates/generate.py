"""Write the dates corpus: dates as people write them in 28 languages, and their ISO 8601 form.

Run `python data/dates/generate.py [OUT_DIR]` (default: the folder of this file) to write
`train.tsv`, `valid.tsv` and `test.tsv`, one pair per line in UTF-8:

    le mardi 3 mars 1987 <TAB> 1987-03-03 <TAB> fr

A written form occurs only once in the corpus, ignoring case.  It is unambiguous even to a reader
who does not know the language: 25/03/1987 is included, 03/04/1987 is not.  Texts are in Unicode
NFKC form with single ordinary spaces, so "1º" is written "1o".  All dates are Gregorian, and
weekdays are correct.

The output is the same every time, byte for byte.  It depends on the month names, weekday names
and date patterns of the Unicode CLDR as shipped with Babel 2.18.0 (Unicode License v3), so no
other version of Babel is accepted.
"""

import argparse
import random
import re
import sys
import unicodedata
from calendar import isleap
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

try:
    import babel
    from babel.dates import format_date
except ImportError:
    babel = None

BABEL_VERSION = "2.18.0"
SEED = 1987
SPLITS = {"train": 30_000, "valid": 1_500, "test": 3_000}
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)
RECASED_SHARE = 0.15

# Language, Babel locale, digits, and the forms that people write, as CLDR date patterns
# (https://unicode.org/reports/tr35/tr35-dates.html#Date_Field_Symbol_Table).  One extension:
# "do" is the day with its ordinal suffix.  full, long and medium are the locale's own patterns.
FORMS = """
ar  ar     latn  full | EEEE d MMMM y | d MMMM yم
ar  ar_EG  arab  full | long | d/M/y
ar  ar_LB  latn  full | long
bg  bg     latn  full | long | d MMMM y | EEE, d MMM y г. | d MMMM y година | dd.MM.y
ca  ca     latn  full | long | medium | d MMMM 'de' y | EEE, d MMMM 'de' y | d/M/y
cs  cs     latn  full | long | EEE d. MMMM y | 'dne' d. MMMM y | d. M. y
da  da     latn  full | long | medium | 'den' d. MMMM y | EEE d. MMM y | dd-MM-y
de  de     latn  full | long | EEEE, 'den' d. MMMM y | d. MMM y | EEE, d. MMM y | dd.MM.y
el  el     latn  full | do MMMM y | medium | EEEE, d MMMM y | EEE d MMM y | d/M/y
en  en_US  latn  full | long | medium | MMMM do, y | M/d/y
en  en_GB  latn  long | EEE d MMM y | do MMMM y | 'the' do 'of' MMMM y
es  es     latn  full | long | medium | 'el' d 'de' MMMM 'de' y | EEE, d MMM y | dd/MM/y
fi  fi     latn  full | long | cccc'na' d. MMMM y | EEE d. MMMM y | d.M.y
fr  fr     latn  EEEE do MMMM y | 'le' EEEE do MMMM y | do MMMM y | 'le' do MMMM y
fr  fr     latn  do MMM y | EEE do MMM y | dd/MM/y
he  he     latn  full | long | medium | EEEE ה-d בMMMM y | EEE, d בMMMM y | d.M.y
hi  hi     latn  full | long | medium | dd/MM/y
hi  hi     deva  full | long | d MMMM, y
hu  hu     latn  full | long | medium | y. MMMM d. (EEEE) | y. MM. dd. | y.MM.dd.
id  id     latn  full | long | medium | EEEE, d MMMM y | 'tanggal' d MMMM y | dd-MM-y
it  it     latn  full | do MMMM y | medium | EEEE, d MMMM y | EEE d MMM y | dd/MM/y
ja  ja     latn  full | long | y年M月d日(EEE) | y/MM/dd | y/M/d(EEE)
ja  ja     hani  long
ko  ko     latn  full | long | y년 M월 d일(EEE) | y년M월d일 | y. M. d. | y. M. d. (EEE)
nl  nl     latn  full | long | medium | 'op' EEEE d MMMM y | EEE d MMM y | dd-MM-y
pl  pl     latn  full | long | medium | d MMMM y 'r.' | 'dnia' d MMMM y 'r.' | dd.MM.y
pt  pt_BR  latn  full | do 'de' MMMM 'de' y | medium | EEE, d 'de' MMM 'de' y
pt  pt_PT  latn  long | EEEE, d 'de' MMMM 'de' y | dd/MM/y
ro  ro     latn  full | long | medium | EEEE d MMMM y | EEE, d MMM y | dd.MM.y
ru  ru     latn  full | long | medium | d MMMM y | EEEE, d MMMM y года | EEE, d MMM y г. | dd.MM.y
sv  sv     latn  full | long | medium | 'den' d MMMM y | EEEE 'den' d MMMM y | EEE d MMM y | y-MM-dd
tr  tr     latn  full | long | medium | d MMMM y, EEEE | d MMM y EEE | dd.MM.y
uk  uk     latn  full | long | medium | d MMMM y року | EEEE, d MMMM y року | dd.MM.y
vi  vi     latn  full | long | 'ngày' d 'tháng' M 'năm' y | 'ngày' dd 'tháng' MM 'năm' y
vi  vi     latn  EEEE, 'ngày' d 'tháng' M 'năm' y | d/M/y
zh  zh     latn  full | long | y年M月d日(EEE) | y/M/d
zh  zh_TW  latn  full | y年M月d日(EEE)
zh  zh     hani  long | full
"""

DIGITS = {
    "latn": "0123456789",
    "arab": "٠١٢٣٤٥٦٧٨٩",
    "deva": "०१२३४५६७८९",
    "hani": "〇一二三四五六七八九",
}
FIRST_OF_MONTH = {"el": "1η", "fr": "1er", "it": "1º", "pt": "1º"}
BIDI_MARKS = dict.fromkeys(map(ord, "\u061c\u200e\u200f"))
NUMERIC_DAY_AND_MONTH = re.compile(r"(\d+)\W+(\d+)\W+\d{4}")


class Form(NamedTuple):
    """One way to write a date in one language."""

    language: str
    locale: "babel.Locale"
    digits: str
    pattern: str


def read_forms(table):
    """Yields the forms of a table like FORMS, in order."""
    for line in table.strip().splitlines():
        language, locale, digits, patterns = line.split(maxsplit=3)
        for pattern in patterns.split(" | "):
            yield Form(language, babel.Locale.parse(locale), digits, pattern)


def ordinal(day, language):
    """The day as an ordinal: every day in English, only the first of the month elsewhere."""
    if language != "en":
        return FIRST_OF_MONTH[language] if day == 1 else str(day)
    if day in (11, 12, 13):
        return f"{day}th"
    return str(day) + {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def convert_number(number, digits):
    """A number in the given digits; Chinese days and months are spelled out, like 二十五."""
    names = DIGITS[digits]
    if digits != "hani" or len(number) == 4:
        return "".join(names[int(digit)] for digit in number)
    tens, ones = divmod(int(number), 10)
    ten = "十" if tens else ""
    return (names[tens] if tens > 1 else "") + ten + (names[ones] if ones else "")


def normalise(text):
    """The text in NFKC form, without direction marks, with single ordinary spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(BIDI_MARKS).split())


def write_date(day, form):
    """The date as written in a form."""
    pattern = form.pattern
    if "do" in pattern:
        pattern = pattern.replace("do", f"'{ordinal(day.day, form.language)}'")
    text = format_date(day, pattern, form.locale)
    if form.digits != "latn":
        text = re.sub(r"\d+", lambda number: convert_number(number[0], form.digits), text)
    return normalise(text)


def recase(written):
    """The text in lower case or, if it already is, with an initial capital."""
    lowered = written.lower()
    return lowered if lowered != written else written[:1].upper() + written[1:]


def mask_year(written, day, form):
    """The text in lower case, with its year masked."""
    return written.lower().replace(convert_number(str(day.year), form.digits), "#")


def calendar_years():
    """14 years that cover all combinations of day of the year and weekday, leap years included."""
    return {(isleap(year), date(year, 1, 1).weekday()): year for year in range(2000, 2028)}.values()


def ambiguous_texts(forms):
    """The texts, with masked years, that represent more than one month and day."""
    # In every form the year is the only number with four digits, so it is never ambiguous.
    dates = defaultdict(set)
    for year in calendar_years():
        first = date(year, 1, 1)
        for day in (first + timedelta(offset) for offset in range(365 + isleap(year))):
            for form in forms:
                text = mask_year(write_date(day, form), day, form)
                dates[text].add((day.month, day.day))
    return {text for text, days in dates.items() if len(days) > 1}


def could_swap_day_and_month(written):
    """Whether day and month are numbers before the year, and swapping them gives another date."""
    # ambiguous_texts misses some of these: 03/04 in one language is 4/3, unpadded, in another.
    match = NUMERIC_DAY_AND_MONTH.search(written)
    return bool(match) and match[1] != match[2] and max(int(match[1]), int(match[2])) <= 12


def draw_pair(rng, forms, ambiguous, seen):
    """Draws a new, unambiguous (written date, ISO date, language) in one of the forms."""
    while True:
        form = rng.choice(forms)
        day = FIRST_DAY + timedelta(rng.randrange((LAST_DAY - FIRST_DAY).days + 1))
        written = write_date(day, form)
        if could_swap_day_and_month(written) or mask_year(written, day, form) in ambiguous:
            continue
        if rng.random() < RECASED_SHARE:
            written = recase(written)
        if written.lower() not in seen:
            seen.add(written.lower())
            return written, day.isoformat(), form.language


def draw_splits(rng, forms):
    """Yields the shuffled pairs of each split; all languages are equally frequent."""
    ambiguous, seen = ambiguous_texts(forms), set()
    by_language = defaultdict(list)
    for form in forms:
        by_language[form.language].append(form)
    languages = list(by_language)
    for split, size in SPLITS.items():
        turns = (languages[turn % len(languages)] for turn in range(size))
        pairs = [draw_pair(rng, by_language[language], ambiguous, seen) for language in turns]
        rng.shuffle(pairs)
        yield split, pairs


def main():
    """Write the three files of the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", nargs="?", type=Path, default=Path(__file__).parent)
    out_dir = parser.parse_args().out_dir
    if babel is None or babel.__version__ != BABEL_VERSION:
        installed = f"Babel {babel.__version__}" if babel else "no Babel"
        print(
            f"The dates corpus needs Babel {BABEL_VERSION}, but {installed} is installed; "
            f"run pip install babel=={BABEL_VERSION}.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    out_dir.mkdir(parents=True, exist_ok=True)
    for split, pairs in draw_splits(random.Random(SEED), list(read_forms(FORMS))):
        lines = "".join("\t".join(pair) + "\n" for pair in pairs)
        (out_dir / f"{split}.tsv").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
