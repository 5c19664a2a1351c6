"""Dialogue: a model that replies to a line of a conversation.

`python examples/dialogue.py [--corpus NAME] [--out FOLDER]` reads conversations that a Python
package ships, trains on each line and its reply, and prints ten replies to lines of conversations
that are not in training, and how varied the replies are. The corpora:

    chatterbot    pip install chatterbot-corpus: small, in English, questions and answers (BSD)
    chitchat      pip install chitchat-dataset: 7,168 conversations of two people (MIT)

A model of this size knows nothing and remembers nothing but the last line. Searching for the
likeliest reply gives the same few replies to everything, so replies are sampled from the likeliest
words (`top_p`).
"""

import argparse
import collections
import importlib.util
import json
import pathlib
import re
import sys
import zlib

LONGEST = 20  # words of a line
SHARE = 20  # one conversation in twenty for validation, one in twenty for testing
SETTINGS = {
    "chatterbot": (
        *("case=lower", "minimum_frequency=1", "units=256", "embedding_dim=128", "dropout=0.3"),
        *("batch_size=32", "learning_rate=0.002", "warmup_steps=100", "epochs=20", "patience=5"),
    ),
    "chitchat": (
        *("case=lower", "minimum_frequency=5", "units=512", "embedding_dim=256", "dropout=0.3"),
        *("tie_output=true", "learning_rate=0.002", "warmup_steps=200", "epochs=6"),
    ),
}
PACKAGES = {"chatterbot": "chatterbot-corpus", "chitchat": "chitchat-dataset"}


def main():
    """Makes the corpus, trains on it, and prints replies and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=PACKAGES, default="chitchat")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/dialogue"),
        metavar="FOLDER",
        help="folder for the corpus and the model (default: %(default)s)",
    )
    parser.add_argument("--top-p", type=float, default=0.9, help="as for kseq.Sampling")
    parser.add_argument("--temperature", type=float, default=0.8, help="as for kseq.Sampling")
    parser.add_argument("--seed", type=int, default=1, help="seed of training and sampling")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="settings to change"
    )
    arguments = parser.parse_args()
    read = {"chatterbot": read_chatterbot, "chitchat": read_chitchat}[arguments.corpus]
    package = PACKAGES[arguments.corpus].replace("-", "_")
    place = importlib.util.find_spec(package)
    if place is None:
        sys.exit(f"this corpus is in a package: pip install {PACKAGES[arguments.corpus]}")
    folder = arguments.out / "corpus"
    write_corpus(read(pathlib.Path(place.origin).parent), folder)
    changes = [f"seed={arguments.seed}", *arguments.set]
    translator = train(folder, arguments.out / "run", [*SETTINGS[arguments.corpus], *changes])
    rows = (folder / "test.tsv").read_text(encoding="utf-8").splitlines()
    lines, references = zip(*(row.split("\t") for row in rows))
    drawn = translator.sample(
        list(lines),
        top_p=arguments.top_p,
        temperature=arguments.temperature,
        seed=arguments.seed,
    )
    replies = [results[0].text for results in drawn]
    searched = [result.text for result in translator.translate(list(lines))]
    step = max(1, len(lines) // 10)
    for line, reply in list(zip(lines, replies))[::step][:10]:
        print(f"{line}\n    {reply}")
    for name, texts in (("sampled", replies), ("greedy", searched), ("people", references)):
        print(f"{name:8} {describe(texts)}")


def read_chatterbot(package):
    """Yields the English conversations of chatterbot-corpus, lists of lines."""
    import yaml

    for path in sorted((package / "data" / "english").glob("*.yml")):
        for conversation in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            yield [tidy(str(line)) for line in conversation]


def read_chitchat(package):
    """Yields the conversations of chitchat-dataset; messages in a row make one line."""
    conversations = json.loads((package / "dataset.json").read_text(encoding="utf-8"))
    for conversation in conversations.values():
        yield [tidy(" ".join(m["text"] for m in turn)) for turn in conversation["messages"]]


def tidy(line):
    """A line without tabs, line breaks and repeated spaces."""
    return " ".join(line.split())


def write_corpus(conversations, folder):
    """Writes lines and replies to three files; a conversation is in one of them.

    Lines without words, and those of more than twenty words, are left out; and so are pairs
    of an earlier conversation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, written = {"train": [], "valid": [], "test": []}, set()
    for conversation in conversations:
        share = zlib.crc32("\n".join(conversation).encode()) % SHARE
        split = {0: "valid", 1: "test"}.get(share, "train")
        for pair in zip(conversation, conversation[1:]):
            if pair not in written and all(1 <= len(words(text)) <= LONGEST for text in pair):
                rows[split].append("\t".join(pair) + "\n")
                written.add(pair)
    for split, lines in rows.items():
        (folder / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")


def train(folder, out, settings):
    """Trains a model on the corpus; returns a `Translator`."""
    import kseq

    corpus = kseq.load_corpus(
        folder / "train.tsv", valid=folder / "valid.tsv", test=folder / "test.tsv"
    )
    return kseq.train(corpus, kseq.Config().with_settings(settings), out=out, overwrite=True)


def describe(replies):
    """How varied replies are, as text."""
    figures = [f"distinct-{n} {distinct(replies, n):.3f}" for n in (1, 2)]
    text, count = collections.Counter(reply.lower() for reply in replies).most_common(1)[0]
    empty = sum(not words(reply) for reply in replies) / len(replies)
    figures.append(f"empty {empty:.1%}")
    figures.append(f"most frequent {count / len(replies):.1%} ({text})")
    return ", ".join(figures)


def distinct(replies, n):
    """Number of different n-grams, divided by the number of all (Li et al. 2016, 1510.03055)."""
    grams = [gram for reply in replies for gram in ngrams(words(reply), n)]
    return len(set(grams)) / max(1, len(grams))


def ngrams(tokens, n):
    """All runs of n tokens."""
    return zip(*(tokens[start:] for start in range(n)))


def words(text):
    """The words of a text in lower case."""
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


if __name__ == "__main__":
    main()
