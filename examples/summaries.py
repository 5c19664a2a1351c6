"""Summaries: from the description of a Debian package to its title.

`python examples/summaries.py [--out FOLDER]` reads the descriptions of all packages that apt knows
(`apt update`, on Debian, Ubuntu and their relatives; in a container, which has no descriptions,
`apt -o Acquire::Languages=en update`), trains on them, and prints ROUGE-1, ROUGE-2 and ROUGE-L
(`pip install rouge-score`) of the model and of the lead baseline, the first words of the
description. It writes

    FOLDER/corpus         train.tsv, valid.tsv, test.tsv: a description, a tab, a title
    FOLDER/run            the trained model
    FOLDER/summaries.tsv  description, title and summary of each test description

Packages often share a description, as a library and its documentation do. Of these only one is
kept, so no description is in two splits.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import zlib

LISTS = pathlib.Path("/var/lib/apt/lists")
READER = "/usr/lib/apt/apt-helper"  # It reads lists however apt has compressed them.
SHORTEST, LONGEST = 12, 80  # words of a description
LENGTHS = range(4, 21, 2)  # words of a lead
SHARE = 20  # one description in twenty for validation, one in twenty for testing
SETTINGS = (
    *("source_tokenizer=subword", "target_tokenizer=subword", "subword_vocabulary_size=8000"),
    *("case=lower", "share_embeddings=true", "tie_output=true", "units=256", "dropout=0.3"),
    *("label_smoothing=0.1", "learning_rate=0.002", "warmup_steps=200", "maximum_length=160"),
    "epochs=12",
)


def main():
    """Makes the corpus, trains on it, and prints ROUGE."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/summaries"),
        metavar="FOLDER",
        help="folder for the corpus, the model and its summaries (default: %(default)s)",
    )
    parser.add_argument(
        "--lists",
        type=pathlib.Path,
        default=LISTS,
        metavar="FOLDER",
        help="where apt keeps the descriptions (default: %(default)s)",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="settings to change"
    )
    arguments = parser.parse_args()
    try:
        import rouge_score  # noqa: F401
    except ImportError:
        sys.exit("this example needs ROUGE: pip install rouge-score")
    lists = sorted(arguments.lists.glob("*_Translation-en*"))
    if not lists:
        sys.exit(
            f"this example needs apt's descriptions, but {arguments.lists} has none: "
            "apt -o Acquire::Languages=en update"
        )
    text = "\n\n".join(map(read_list, lists))
    folder = arguments.out / "corpus"
    write_corpus(make_pairs(text), folder)
    evaluate(train(folder, arguments.out / "run", arguments.set), folder, arguments.out)


def read_list(path):
    """Reads one of apt's lists, a string."""
    command = [READER, "cat-file", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()


def make_pairs(text):
    """Makes pairs of a description and a title.

    Args:
        text: Records of apt's list of translations, with empty lines between them.

    Returns:
        A dict from the first paragraph of each description to the shortest title that it has.
    """
    pairs = {}
    for record in text.split("\n\n"):
        match = re.search(r"^Description-en: (.+)((?:\n .*)+)", record, re.MULTILINE)
        if not match:
            continue
        title, paragraphs = match[1].strip(), re.split(r"\n \.\n", match[2] + "\n")
        description = " ".join(paragraphs[0].split())
        is_complete = SHORTEST <= len(description.split()) <= LONGEST
        if is_complete and len(title) < len(pairs.get(description, description)):
            pairs[description] = title
    return pairs


def write_corpus(pairs, folder):
    """Writes pairs to three files; a hash of the description chooses its split."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"train": [], "valid": [], "test": []}
    for description, title in pairs.items():
        share = zlib.crc32(description.encode()) % SHARE
        split = {0: "valid", 1: "test"}.get(share, "train")
        lines[split].append(f"{description}\t{title}\n")
    for split, rows in lines.items():
        (folder / f"{split}.tsv").write_text("".join(rows), encoding="utf-8")


def train(folder, out, changes):
    """Trains a model on the corpus; returns a `Translator`."""
    import kseq

    corpus = kseq.load_corpus(
        folder / "train.tsv", valid=folder / "valid.tsv", test=folder / "test.tsv"
    )
    config = kseq.Config().with_settings([*SETTINGS, *changes])
    return kseq.train(corpus, config, out=out, overwrite=True)


def evaluate(translator, folder, out):
    """Prints ROUGE of the model and of the lead baseline, and writes the summaries."""
    descriptions, titles = zip(*read_pairs(folder / "test.tsv"))
    length = best_length(read_pairs(folder / "valid.tsv"))
    leads = [lead(description, length) for description in descriptions]
    summaries = [result.text for result in translator.translate(list(descriptions), beam_size=5)]
    print(f"{len(titles):,} test descriptions; the lead is their first {length} words")
    print("            ROUGE-1  ROUGE-2  ROUGE-L")
    for name, outputs in (("lead", leads), ("model", summaries)):
        scores = "".join(f"{score:9.1f}" for score in rouge(titles, outputs))
        print(f"{name:10}{scores}")
    rows = ("\t".join(row) + "\n" for row in zip(descriptions, titles, summaries))
    (out / "summaries.tsv").write_text("".join(rows), encoding="utf-8")


def read_pairs(path):
    """Reads pairs from a file, a list of tuples."""
    return [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()]


def best_length(pairs):
    """The number of words with which the lead has the highest ROUGE-L."""
    descriptions, titles = zip(*pairs)
    return max(
        LENGTHS,
        key=lambda length: rouge(titles, [lead(text, length) for text in descriptions])[-1],
    )


def lead(description, length):
    """The first words of a description."""
    return " ".join(description.split()[:length])


def rouge(references, outputs):
    """Mean F-measures of ROUGE-1, ROUGE-2 and ROUGE-L, in percent (Lin 2004), with stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(kinds, use_stemmer=True)
    scores = [scorer.score(*pair) for pair in zip(references, outputs)]
    return [100 * statistics.mean(score[kind].fmeasure for score in scores) for kind in kinds]


if __name__ == "__main__":
    main()
