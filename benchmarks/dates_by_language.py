"""Exact match of a run on the dates corpus, by the language of the date.

Usage: python benchmarks/dates_by_language.py RUN
"""

import collections
import sys

from kseq import Translator, load_corpus
from kseq.corpora.lines import read_lines


def main(run):
    """Translates the test split and prints a line for each language, worst first."""
    (path,) = load_corpus("dates").test.files
    sources, dates, languages = zip(*(line.split("\t") for _, line in read_lines(path)))
    correct, total = collections.Counter(), collections.Counter(languages)
    for result, date, language in zip(Translator.load(run).translate(sources), dates, languages):
        correct[language] += result.text == date
    for language in sorted(total, key=lambda language: correct[language] / total[language]):
        share = 100 * correct[language] / total[language]
        print(f"{language}  {share:6.2f}%  {correct[language]} of {total[language]}")
    print(f"all {100 * correct.total() / total.total():6.2f}%")


if __name__ == "__main__":
    main(*sys.argv[1:])
