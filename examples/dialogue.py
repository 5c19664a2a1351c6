"""Dialogue: a model that replies to the last turns of a conversation.

`python examples/dialogue.py [--corpus NAME] [--context N] [--out FOLDER]` reads conversations that
a Python package ships, writes them to a file, trains on each turn and up to N turns before it, and
prints ten replies in conversations that are not in training, and how varied the replies are. The
corpora:

    chatterbot    pip install chatterbot-corpus: small, in English, questions and answers (BSD)
    chitchat      pip install chitchat-dataset: 7,168 conversations of two people (MIT)

`kseq chat FOLDER/run --top-p 0.9` talks with the model. A model of this size knows nothing, and
remembers nothing but the last turns. Searching for the likeliest reply gives the same few replies
to everything, so replies are sampled from the likeliest words (`top_p`).
"""

import argparse
import collections
import importlib.util
import itertools
import json
import pathlib
import re
import sys

LONGEST = 20  # words of a line
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
    parser.add_argument("--context", type=int, default=2, metavar="N", help="turns that it reads")
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
    conversations = list(cut(read(pathlib.Path(place.origin).parent)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    texts = arguments.out / "conversations.txt"
    texts.write_text(
        "\n".join("\n".join([*turns, ""]) for turns in conversations), encoding="utf-8"
    )
    changes = [f"seed={arguments.seed}", *arguments.set]
    settings = [*SETTINGS[arguments.corpus], *changes]
    translator, pairs = train(texts, arguments.context, arguments.out / "run", settings)
    lines, references = zip(*pairs)
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


def cut(conversations):
    """Yields different conversations of at least two turns, each of 1 to 20 words.

    A turn without words, or with more than twenty, ends a conversation; the next turn begins one.
    """
    seen = set()
    for conversation in conversations:
        usable = itertools.groupby(conversation, lambda turn: 1 <= len(words(turn)) <= LONGEST)
        for is_usable, turns in usable:
            turns = tuple(turns)
            if is_usable and len(turns) > 1 and turns not in seen:
                seen.add(turns)
                yield turns


def train(texts, context, out, settings):
    """Trains a model on a file of conversations; returns a `Translator` and the test pairs."""
    import kseq

    corpus = kseq.load_corpus(texts, context=context)
    config = corpus.config.with_settings(settings)
    return kseq.train(corpus, config, out=out, overwrite=True), list(corpus.test)


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
