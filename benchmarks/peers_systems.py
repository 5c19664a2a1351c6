"""The systems that benchmarks/peers.py compares: how each of them trains and translates."""

import json
import pathlib
import re
import shutil
import statistics
import sys

from measuring import run_command
from peers_environments import PROGRAMS, python_of

UNITS, EMBEDDING, DROPOUT, BATCH = 512, 256, 0.2, 128
LOGGED = 10  # steps between two lines of a log
SKIPPED = 3  # lines at the start of a log
LONGER = (3, 11)  # factors by which the second of two passes has more sentences


class System:
    """A system to measure; it trains and translates in separate processes.

    Args:
        data: `Data` of peers.py.
        work: Folder for its files.
    """

    name = None
    longer = LONGER[-1]

    def __init__(self, data, work):
        self.data = data
        self.folder = work / self.name.replace(" ", "-").replace(",", "")

    def measure_training(self, steps):
        """Target tokens per second, the median of the rates in the log."""
        folder = self.folder / "measured"
        shutil.rmtree(folder, ignore_errors=True)
        rates = self.read_rates(self.run_training(folder, steps=steps))[SKIPPED:]
        return statistics.median(rates)

    def train(self, epochs):
        """Trains the model to decode with, unless it exists."""
        folder = self.folder / f"trained-{epochs}"
        self.trained = folder
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            self.run_training(folder, epochs=epochs)
            (folder / "done").touch()

    def measure_decoding(self, beam):
        """Sentences per second, without start-up; sets `mean_length`, in words."""
        names = "test", f"test-{self.longer}"
        short, long = (self.measure_seconds(name, beam) for name in names)
        lines = (self.trained / "translations").read_text(encoding="utf-8").splitlines()
        self.mean_length = statistics.mean(len(line.split()) for line in lines)
        return (self.longer - 1) * self.data.sentences / (long - short)

    def run_training(self, folder, steps=0, epochs=0):
        """Trains for some steps or epochs in a process; returns its log."""
        raise NotImplementedError

    def read_rates(self, log):
        """Target tokens per second in the lines of a training log."""
        raise NotImplementedError

    def measure_seconds(self, name, beam):
        """Seconds that a process takes to translate a file, as it reports them."""
        raise NotImplementedError


class Kseq(System):
    """kseq; with bfloat16, it trains in mixed precision and decodes with bfloat16 weights."""

    def __init__(self, data, work, precision):
        self.name = f"kseq, {precision}"
        self.precision = precision
        super().__init__(data, work)

    def read_rates(self, log):
        """The rates in a log of this system."""
        return [float(rate) for rate in re.findall(r"tokens per second: ([\d.]+)", log)]

    def run_training(self, folder, steps=0, epochs=0):
        """Trains with this system; returns the log."""
        precision = {"bfloat16": "mixed_bfloat16"}.get(self.precision, self.precision)
        return run_command(self._program("train", folder, precision, steps, epochs))

    def measure_seconds(self, name, beam):
        """Seconds that this system takes to translate a file."""
        return self._measure_translation("translate", name, beam, self.precision)

    def _measure_translation(self, verb, *arguments):
        log = run_command(self._program(verb, self.trained, *arguments))
        return float(re.search(r"seconds: ([\d.]+)", log)[1])

    def _program(self, *arguments):
        script = pathlib.Path(__file__).parent / "peers_kseq.py"
        return [sys.executable, script, self.data.folder, *map(str, arguments)]


class TutorialLoop(Kseq):
    """A model of kseq with the greedy loop of TensorFlow's tutorial; see tutorial_loop.py.

    Args:
        trained: A `Kseq` whose `train` has run.
    """

    def __init__(self, trained):
        super().__init__(trained.data, trained.folder.parent, trained.precision)
        self.name, self.trained = "loop of the tutorial, float32", trained.trained

    def measure_seconds(self, name, beam):
        """Seconds that this system takes to translate a file."""
        return self._measure_translation("loop", name, BATCH)


class _Peer(System):
    """A system in its own virtual environment."""

    def python(self):
        """The path of the Python interpreter of the virtual environment."""
        return python_of(self.name, self.folder.parent)

    def write(self, path, content):
        """Writes a string, or a dict as JSON; returns the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        path.write_text(text, encoding="utf-8")
        return path


class JoeyNMT(_Peer):
    """JoeyNMT 2.3 on PyTorch."""

    name = "JoeyNMT"
    longer = LONGER[0]

    def read_rates(self, log):
        """The rates in a log of this system."""
        return [float(rate) for rate in re.findall(r"Tokens per Sec:\s+(\d+)", log)]

    def run_training(self, folder, steps=None, epochs=1000):
        """Trains with this system; returns the log."""
        config = self.write(folder.with_suffix(".yaml"), self._config(folder, steps, epochs))
        return run_command(
            [self.python(), "-m", PROGRAMS[self.name], "train", config, "--skip-test"]
        )

    def measure_seconds(self, name, beam):
        """Seconds that this system takes to translate a file."""
        settings = self._config(self.trained, None, 1, name, beam)
        config = self.write(self.folder / f"{name}-{beam}.yaml", settings)
        command = [self.python(), "-m", PROGRAMS[self.name], "test", config]
        log = run_command([*command, "--output-path", self.folder / "hypotheses"])
        shutil.move(self.folder / "hypotheses.test", self.trained / "translations")
        # The time for the validation sentences comes first in the log.
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
            "training": self._training_config(steps, epochs),
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

    @staticmethod
    def _training_config(steps, epochs):
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
        return training


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

    def read_rates(self, log):
        """The rates in a log of this system."""
        return [float(rate) for rate in re.findall(r"tokens/s = .*?(\d+) target", log)]

    def run_training(self, folder, steps=None, epochs=0):
        """Trains with this system; returns the log."""
        lines = pathlib.Path(self.data.path("train.source")).read_text(encoding="utf-8")
        steps = steps or epochs * (len(lines.splitlines()) // BATCH)
        config = self._write_config(folder, steps, 5)
        return run_command(self._command(config, "train"))

    def measure_seconds(self, name, beam):
        """Seconds that this system takes to translate a file."""
        config = self._write_config(self.trained, 1, beam)
        files = "--features_file", self.data.path(f"{name}.source")
        files += "--predictions_file", self.trained / "translations"
        log = run_command([*self._command(config, "infer"), *files, "--log_prediction_time"])
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
