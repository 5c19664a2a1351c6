"""kseq compared with its peers: the same data, tokens, sizes and batches, in turn.

Usage: python benchmarks/peers.py [--data FOLDER] [--work FOLDER] [--steps N] [--epochs N]
           [--rounds N] [--out FOLDER]
       python benchmarks/peers.py --words FOLDER [--work FOLDER] [--language NAME] [--epochs N]
           [--rounds N] [--out FOLDER]

The first compares kseq with OpenNMT-tf and JoeyNMT on sentences. The second compares it with
Yoyodyne and a plain PyTorch loop on words and their pronunciations: see peers_words.py.

Training: target tokens per second, not counting padding and the first steps. In every round, each
system runs in a separate process.

Decoding: sentences per second, not counting start-up: two passes differ only in the number of
sentences, and the difference of their times is used. Each system uses a model that it has trained
itself for `--epochs` epochs; the greedy loop of TensorFlow's tutorial uses kseq's model.

The data are the words of Multi30k German-English if FOLDER is given (`kseq fetch multi30k
FOLDER`), otherwise the embedded English-French corpus.

The peers are installed from the package registry, each in a virtual environment in the work folder,
with the Python that runs this script (3.11; the peers do not support newer versions). A peer that
cannot be installed or does not start is skipped with a message. Existing results in the work folder
are reused: delete it after changing settings.
"""

import argparse
import dataclasses
import functools
import pathlib

from measuring import format_table, measure_in_turn, publish
from peers_environments import is_ready
from peers_systems import (
    BATCH,
    DROPOUT,
    EMBEDDING,
    LONGER,
    UNITS,
    JoeyNMT,
    Kseq,
    OpenNMT,
    TutorialLoop,
)
from peers_words import compare_words


def main():
    """Compares kseq with its peers, on sentences or on words."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", help="folder with Multi30k")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs/peers"))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--epochs", type=int, help="default: 4, or 12 for words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    parser.add_argument(
        "--words", type=pathlib.Path, help="folder with SIGMORPHON's words: compare on these"
    )
    parser.add_argument("--language", default="ice", help="language of the words")
    options = parser.parse_args()
    (compare_words if options.words else compare_sentences)(options)


def compare_sentences(options):
    """Measures, prints and writes the results."""
    work = options.work.resolve()
    data = write_data(options.data, work / "data")
    systems = [Kseq(data, work, "float32"), Kseq(data, work, "bfloat16")]
    systems += [kind(data, work) for kind in (OpenNMT, JoeyNMT) if is_ready(kind.name, work)]
    training = measure_in_turn(
        {
            system.name: functools.partial(system.measure_training, options.steps)
            for system in systems
        },
        options.rounds,
    )
    for system in systems:
        system.train(options.epochs or 4)
    decoding, lengths = {}, {}
    for beam, searching in ((5, systems), (1, [TutorialLoop(systems[0]), *systems])):
        measurements = {
            system.name: functools.partial(system.measure_decoding, beam) for system in searching
        }
        decoding[beam] = measure_in_turn(measurements, options.rounds)
        lengths[beam] = {system.name: system.mean_length for system in searching}
    baseline = systems[-1].name
    parts = [
        f"Vocabularies {' and '.join(f'{size:,}' for size in data.sizes)}, embeddings {EMBEDDING}, "
        f"units {UNITS}, batches of {BATCH}, dropout {DROPOUT}. Training:",
        format_table(training, "target tokens per second", baseline=baseline, digits=0),
    ]
    for beam, title in ((5, "Beam 5"), (1, "Greedy search")):
        words = {
            name: [length * rate for rate in decoding[beam][name]]
            for name, length in lengths[beam].items()
        }
        listed = ", ".join(f"{name} {length:.1f}" for name, length in lengths[beam].items())
        parts += [
            f"{title}, {data.sentences:,} sentences:",
            format_table(decoding[beam], "sentences per second", baseline=baseline),
            f"Mean number of words of a translation: {listed}. So in words:",
            format_table(words, "words per second", baseline=baseline, digits=0),
        ]
    results = {"training": training, "decoding": decoding, "words of a translation": lengths}
    publish(results, "\n\n".join(parts), options.out)


@dataclasses.dataclass(frozen=True)
class Data:
    """Files of tokens separated by spaces, the same for all systems.

    Args:
        folder: Folder with train, valid, test, test-3 (the test sentences three times) and so on,
            each as `.source` and `.target`; and with the vocabularies without special tokens,
            `source.words` and `target.words`.
        sizes: Sizes of the two vocabularies.
        sentences: Number of test sentences.
    """

    folder: pathlib.Path
    sizes: tuple
    sentences: int

    def path(self, name):
        """The path of a file, as a string."""
        return str(self.folder / name)


def write_data(source, folder):
    """Tokenises a corpus with kseq and writes it to files; returns `Data`."""
    from train import open_corpus

    import kseq
    from kseq.corpora.lines import chunks
    from kseq.pipeline.survey import build_codecs
    from kseq.sides.text_side import as_bytes
    from kseq.special_tokens import SPECIAL_TOKENS

    corpus = open_corpus(source)
    config = kseq.Config().with_settings(["case=lower", "minimum_frequency=2"])
    codecs, _ = build_codecs(corpus.train, config)
    folder.mkdir(parents=True, exist_ok=True)
    sides = dict(zip(("source", "target"), codecs.sides))
    for split in ("train", "valid", "test"):
        lines = {side: [] for side in sides}
        for chunk in chunks(getattr(corpus, split), 1000):
            for number, (side, codec) in enumerate(sides.items()):
                tokens = codec.tokenize([as_bytes([pair[number]])[0] for pair in chunk])
                lines[side] += [b" ".join(row).decode() for row in tokens.to_list()]
        for side, sentences in lines.items():
            text = "".join(f"{sentence}\n" for sentence in sentences)
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
            for times in LONGER if split == "test" else ():
                (folder / f"test-{times}.{side}").write_text(text * times, encoding="utf-8")
    for side, codec in sides.items():
        words = [word for word in codec.vocabulary if word not in SPECIAL_TOKENS]
        (folder / f"{side}.words").write_text("\n".join(words) + "\n", encoding="utf-8")
    return Data(folder, codecs.vocabulary_sizes, len(lines["source"]))


if __name__ == "__main__":
    main()
