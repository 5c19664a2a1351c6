"""kseq beside JoeyNMT and OpenNMT-tf: the same data, tokens, sizes and batches, in turn.

Usage: python benchmarks/peers.py [--data FOLDER] [--work FOLDER] [--steps N] [--epochs N]
           [--rounds N] [--out FOLDER]

Training: target tokens per second, padding not counted, of the steps after the first; every
system in a process of its own in every round. Decoding: sentences per second, start-up excluded
(of two passes, one with so many more sentences that they take seconds, the difference counts),
each with a model that it has trained itself for `--epochs` epochs; the loop of TensorFlow's
tutorial, greedy, takes that of kseq. Words of Multi30k German-English where FOLDER holds it
(`kseq fetch multi30k FOLDER`), else the embedded English-French corpus.

The peers are installed from the registry, each in a virtual environment below the work folder,
by the Python that runs this (3.11; theirs are no newer). One that cannot be installed, or does
not start, is left out with a message. What is there already is used again: delete the work folder
when settings have changed.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import venv

from measuring import in_turn, publish, table

UNITS, EMBEDDING, DROPOUT, BATCH = 512, 256, 0.2, 128
LOGGED = 10  # steps between two lines of a log
SKIPPED = 3  # lines at the start of a log
LONGER = (3, 11)  # times as many sentences in the longer of two passes

PROGRAMS = {"JoeyNMT": "joeynmt", "OpenNMT-tf": "opennmt.bin.main"}
PACKAGES = {
    # JoeyNMT pins versions of what it needs that do not run with this PyTorch.
    "JoeyNMT": [
        ["torch==2.13.0", "numpy"],
        ["--no-deps", "joeynmt==2.3.0"],
        [
            *("sacrebleu", "sacremoses", "sentencepiece", "subword-nmt", "matplotlib"),
            *("seaborn", "pyyaml", "datasets", "packaging", "plotly", "pandas", "tensorboard"),
            *("importlib_metadata", "wrapt"),
        ],
    ],
    "OpenNMT-tf": [["OpenNMT-tf==2.32.0", "tensorflow==2.13.1", "numpy<1.25"]],
}


def main():
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", help="folder with Multi30k")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs/peers"))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    work = options.work.resolve()
    data = write_data(options.data, work / "data")
    systems = [Kseq(data, work, "float32"), Kseq(data, work, "bfloat16")]
    systems += [kind(data, work) for kind in (OpenNMT, JoeyNMT) if kind.is_ready(work)]
    training = in_turn(
        {each.name: functools.partial(each.training_rate, options.steps) for each in systems},
        options.rounds,
    )
    for system in systems:
        system.train(options.epochs)
    decoding, lengths = {}, {}
    for beam, searching in ((5, systems), (1, [TutorialLoop(systems[0]), *systems])):
        ways = {each.name: functools.partial(each.decoding_rate, beam) for each in searching}
        decoding[beam] = in_turn(ways, options.rounds)
        lengths[beam] = {each.name: each.mean_length for each in searching}
    against = systems[-1].name
    parts = [
        f"Vocabularies {' and '.join(f'{size:,}' for size in data.sizes)}, embeddings {EMBEDDING}, "
        f"units {UNITS}, batches of {BATCH}, dropout {DROPOUT}. Training:",
        table(training, "target tokens per second", against, digits=0),
    ]
    for beam, title in ((5, "Beam 5"), (1, "Greedy search")):
        words = {
            name: [length * rate for rate in decoding[beam][name]]
            for name, length in lengths[beam].items()
        }
        said = ", ".join(f"{name} {length:.1f}" for name, length in lengths[beam].items())
        parts += [
            f"{title}, {data.sentences:,} sentences:",
            table(decoding[beam], "sentences per second", against),
            f"Words of a translation: {said}. So much for their number:",
            table(words, "words per second", against, digits=0),
        ]
    results = {"training": training, "decoding": decoding, "words of a translation": lengths}
    publish(results, "\n\n".join(parts), options.out)


@dataclasses.dataclass(frozen=True)
class Data:
    """Files of tokens with spaces between them, the same for all systems.

    Args:
        folder: Where train, valid, test and test-3 (the test sentences three times) and so on
            are, each with `.source` and `.target`, and `source.words` and `target.words`, the
            vocabularies without special tokens.
        sizes: Sizes of the vocabularies.
        sentences: Number of test sentences.
    """

    folder: pathlib.Path
    sizes: tuple
    sentences: int

    def path(self, name):
        return str(self.folder / name)


def write_data(source, folder):
    """Tokenises a corpus as kseq does, once."""
    from train import open_corpus

    import kseq
    from kseq.corpora.lines import chunks
    from kseq.pipeline.survey import as_bytes, build_codecs
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


class System:
    """A system that is measured: it trains and translates in processes of its own.

    Args:
        data: `Data`.
        work: Where its files go.
    """

    name = None
    longer = LONGER[-1]

    def __init__(self, data, work):
        self.data = data
        self.folder = work / self.name.replace(" ", "-").replace(",", "")

    def training_rate(self, steps):
        """Target tokens per second, the median of what the log says."""
        folder = self.folder / "measured"
        shutil.rmtree(folder, ignore_errors=True)
        rates = self.rates(self.run_training(folder, steps=steps))[SKIPPED:]
        return statistics.median(rates)

    def train(self, epochs):
        """Trains a model to decode with, unless there is one."""
        folder = self.folder / f"trained-{epochs}"
        self.trained = folder
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            self.run_training(folder, epochs=epochs)
            (folder / "done").touch()

    def decoding_rate(self, beam):
        """Sentences per second, start-up excluded; `mean_length` is then that of a translation."""
        short, long = (self.seconds(name, beam) for name in ("test", f"test-{self.longer}"))
        lines = (self.trained / "translations").read_text(encoding="utf-8").splitlines()
        self.mean_length = statistics.mean(len(line.split()) for line in lines)
        return (self.longer - 1) * self.data.sentences / (long - short)


class Kseq(System):
    """kseq; in bfloat16 it trains in mixed precision, and decodes with weights of that type."""

    def __init__(self, data, work, precision):
        self.name = f"kseq, {precision}"
        self.precision = precision
        super().__init__(data, work)

    def rates(self, log):
        return [float(rate) for rate in re.findall(r"tokens per second: ([\d.]+)", log)]

    def run_training(self, folder, steps=0, epochs=0):
        precision = {"bfloat16": "mixed_bfloat16"}.get(self.precision, self.precision)
        return _output(self._program("train", folder, precision, steps, epochs))

    def seconds(self, name, beam):
        return self._translation_seconds("translate", name, beam, self.precision)

    def _translation_seconds(self, verb, *arguments):
        log = _output(self._program(verb, self.trained, *arguments))
        return float(re.search(r"seconds: ([\d.]+)", log)[1])

    def _program(self, *arguments):
        here = pathlib.Path(__file__).parent / "peers_kseq.py"
        return [sys.executable, here, self.data.folder, *map(str, arguments)]


class TutorialLoop(Kseq):
    """A model of kseq, searched greedily as TensorFlow's tutorial does it; see tutorial_loop.py.

    Args:
        trained: A `Kseq` that has trained.
    """

    def __init__(self, trained):
        super().__init__(trained.data, trained.folder.parent, trained.precision)
        self.name, self.trained = "loop of the tutorial, float32", trained.trained

    def seconds(self, name, beam):
        return self._translation_seconds("loop", name, BATCH)


class _Peer(System):
    @classmethod
    def is_ready(cls, work):
        """Installs it, unless it is there; says so where that fails."""
        place = work / "environments" / cls.name
        if (place / "done").exists():
            return True
        print(f"installing {cls.name} in {place}", flush=True)
        venv.create(place, with_pip=True, clear=True)
        commands = [["pip", "install", "--quiet", *packages] for packages in PACKAGES[cls.name]]
        for command in [*commands, [PROGRAMS[cls.name], "--help"]]:
            program = [place / "bin/python", "-m", *command]
            if subprocess.run(program, stdout=subprocess.DEVNULL, check=False).returncode:
                print(f"{cls.name} could not be installed, and is left out", flush=True)
                return False
        (place / "done").touch()
        return True

    def python(self):
        return self.folder.parent / "environments" / self.name / "bin/python"

    def write(self, path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        path.write_text(text, encoding="utf-8")
        return path


class JoeyNMT(_Peer):
    """JoeyNMT 2.3 on PyTorch."""

    name = "JoeyNMT"
    longer = LONGER[0]

    def rates(self, log):
        return [float(rate) for rate in re.findall(r"Tokens per Sec:\s+(\d+)", log)]

    def run_training(self, folder, steps=None, epochs=1000):
        config = self.write(folder.with_suffix(".yaml"), self._config(folder, steps, epochs))
        return _output([self.python(), "-m", PROGRAMS[self.name], "train", config, "--skip-test"])

    def seconds(self, name, beam):
        settings = self._config(self.trained, None, 1, name, beam)
        config = self.write(self.folder / f"{name}-{beam}.yaml", settings)
        command = [self.python(), "-m", PROGRAMS[self.name], "test", config]
        log = _output([*command, "--output-path", self.folder / "hypotheses"])
        shutil.move(self.folder / "hypotheses.test", self.trained / "translations")
        # Of the validation sentences, and then of those asked for.
        return float(re.findall(r"Generation took ([\d.]+)", log)[-1])

    def _config(self, folder, steps, epochs, test="test", beam=5):
        embeddings = {"embedding_dim": EMBEDDING, "scale": False, "dropout": DROPOUT}
        sides = {
            part: {"lang": side, "level": "word", "max_length": 100, "voc_min_freq": 2}
            for part, side in (("src", "source"), ("trg", "target"))
        }
        shared = {"rnn_type": "gru", "num_layers": 1, "dropout": DROPOUT}
        encoder = {**shared, "hidden_size": UNITS // 2, "bidirectional": True}
        decoder = {**shared, "hidden_size": UNITS, "attention": "bahdanau", "input_feeding": True}
        training = {
            "optimizer": "adamw",
            "learning_rate": 0.001,
            "clip_grad_norm": 1.0,
            "batch_size": BATCH,
            "batch_type": "sentence",
            "normalization": "tokens",
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": 200,
            "epochs": epochs,
            "validation_freq": 1_000_000,
            "logging_freq": LOGGED,
            "early_stopping_metric": "loss",
            "shuffle": True,
        }
        if steps:
            training["updates"] = steps
        else:
            training["validation_freq"] = 100 * LOGGED
        return {
            "name": "peer",
            "joeynmt_version": "2.3.0",
            "model_dir": str(folder),
            "use_cuda": False,
            "random_seed": 1,
            "data": {
                "train": self.data.path("train"),
                "dev": self.data.path("valid"),
                "test": self.data.path(test),
                "dataset_type": "plain",
                **sides,
            },
            "testing": {
                "beam_size": beam,
                "beam_alpha": 1.0,
                "batch_size": BATCH,
                "batch_type": "sentence",
                "max_output_length": 100,
                "eval_metrics": ["bleu"],
            },
            "training": training,
            "model": {
                "encoder": {"type": "recurrent", "embeddings": embeddings, **encoder},
                "decoder": {
                    "type": "recurrent",
                    "embeddings": embeddings,
                    "init_hidden": "bridge",
                    "hidden_dropout": DROPOUT,
                    **decoder,
                },
            },
        }


_OPENNMT_MODEL = f"""
import opennmt as onmt
import tensorflow as tf
import tensorflow_addons as tfa


def model():
    inputters = [
        onmt.inputters.WordEmbedder(embedding_size={EMBEDDING}, dropout={DROPOUT}) for _ in range(2)
    ]
    encoder = onmt.encoders.RNNEncoder(
        1, {UNITS // 2}, bidirectional=True, dropout={DROPOUT}, cell_class=tf.keras.layers.GRUCell
    )
    decoder = onmt.decoders.AttentionalRNNDecoder(
        1,
        {UNITS},
        bridge_class=onmt.layers.DenseBridge,
        attention_mechanism_class=tfa.seq2seq.BahdanauAttention,
        cell_class=tf.keras.layers.GRUCell,
        dropout={DROPOUT},
    )
    return onmt.models.SequenceToSequence(*inputters, encoder, decoder)
"""


class OpenNMT(_Peer):
    """OpenNMT-tf 2.32 on TensorFlow 2.13."""

    name = "OpenNMT-tf"

    def rates(self, log):
        return [float(rate) for rate in re.findall(r"tokens/s = .*?(\d+) target", log)]

    def run_training(self, folder, steps=None, epochs=0):
        lines = pathlib.Path(self.data.path("train.source")).read_text(encoding="utf-8")
        steps = steps or epochs * (len(lines.splitlines()) // BATCH)
        config = self._write_config(folder, steps, 5)
        return _output(self._command(config, "train"))

    def seconds(self, name, beam):
        config = self._write_config(self.trained, 1, beam)
        files = "--features_file", self.data.path(f"{name}.source")
        files += "--predictions_file", self.trained / "translations"
        log = _output([*self._command(config, "infer"), *files, "--log_prediction_time"])
        return float(re.search(r"Total prediction time \(s\): ([\d.]+)", log)[1])

    def _command(self, config, verb):
        model = self.write(self.folder / "model.py", _OPENNMT_MODEL)
        program = [self.python(), "-m", PROGRAMS[self.name], "--config", config]
        return [*program, "--model", model, verb]

    def _write_config(self, folder, steps, beam):
        for side in ("source", "target"):
            words = pathlib.Path(self.data.path(f"{side}.words")).read_text(encoding="utf-8")
            special = "<blank>\n<s>\n</s>\n"
            self.write(self.folder / f"{side}.vocabulary", special + words)
        settings = {
            "model_dir": str(folder),
            "data": {
                "train_features_file": self.data.path("train.source"),
                "train_labels_file": self.data.path("train.target"),
                "source_vocabulary": str(self.folder / "source.vocabulary"),
                "target_vocabulary": str(self.folder / "target.vocabulary"),
            },
            "params": {
                "optimizer": "Adam",
                "learning_rate": 0.001,
                "optimizer_params": {"clipnorm": 1.0},
                "beam_width": beam,
                "maximum_decoding_length": 100,
            },
            "train": {
                "batch_size": BATCH,
                "batch_type": "examples",
                "effective_batch_size": BATCH,
                "length_bucket_width": 2,
                "max_step": steps,
                "save_summary_steps": LOGGED,
                "save_checkpoints_steps": max(steps, 1),
                "maximum_features_length": 100,
                "maximum_labels_length": 100,
                "average_last_checkpoints": 0,
            },
            "infer": {"batch_size": BATCH, "batch_type": "examples", "length_bucket_width": 2},
        }
        return self.write(folder.with_suffix(".yaml"), settings)


def _output(command):
    """What a command prints; where it fails its last lines are shown."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-30:]), file=sys.stderr)
        done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    main()
