"""The run that a training starts from: its settings, its codecs and its weights."""

import dataclasses
import os
import pathlib
import reprlib

import keras

from kseq.config import Config, ModelConfig
from kseq.corpora.opening import (
    describe_features,
    frame_widths,
    require_same_covariates,
    require_same_features,
)
from kseq.models.growth import copy_weights
from kseq.models.parts import check_frozen, freeze_parts
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.known_codecs import COLUMNS, KnownCodecs
from kseq.runs import directory as run_directory
from kseq.runs.fine_tuning import check_fine_tuning, fine_tuning_config, refuse_fine_tuning
from kseq.runs.hub import pinned_name
from kseq.runs.reading import require_run
from kseq.runs.record import RunRecord
from kseq.runs.weights import load_model
from kseq.text.vectorization import VectorizationCodec
from kseq.training.state import has_readable_state


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """A run that training starts from.

    Args:
        run: Run directory.
        model: Its model, in float32.
        codecs: Its `CodecPair`.
        config: Its `Config`.
        description: The `start` of a `RunRecord`.
    """

    run: object
    model: keras.Model
    codecs: CodecPair
    config: Config
    description: dict

    @classmethod
    def load(cls, run, out):
        """Reads a run, which is checked as `Translator.load` checks it.

        Args:
            run: Run directory.
            out: Directory of the new run.

        Raises:
            FileNotFoundError: The directory is missing.
            ValueError: It is not a run, is damaged, or is the directory of the new run.
            TypeError: `run` is not the name of a directory.

        Warns:
            UnfinishedRunWarning: The training of the run has not ended.
        """
        if not isinstance(run, (str, os.PathLike)):
            raise TypeError(f"start must be a run directory; received {reprlib.repr(run)}")
        place = pathlib.Path(run).resolve()
        if place == pathlib.Path(out).resolve():
            raise ValueError(
                f"out must not be the directory of the run that training starts from: {run}"
            )
        model, codecs, config, record = load_model(run)
        if any(isinstance(codec, VectorizationCodec) for codec in codecs.sides):
            raise ValueError(
                f"{run}: training cannot start from a model with a TextVectorization, whose "
                "standardization kseq train does not have"
            )
        record.warn_if_unfinished(run)
        checksum = run_directory.weights_checksum(require_run(run))
        name = pinned_name(run) or place.name
        return cls(run, model, codecs, config, {"name": name, "checksum": checksum})

    def complete_config(self, config, corpus):
        """Returns the settings of a training that starts here.

        Args:
            config: `Config`, `ModelConfig`, or None for `fine_tuning_config`.
            corpus: `Corpus` to train on.

        Raises:
            ValueError: The settings or the corpus do not fit the run.
            TypeError: `config` has the wrong type.
        """
        if config is None or isinstance(config, ModelConfig):
            default = fine_tuning_config(self.run)
            config = dataclasses.replace(default, model=config or default.model)
        if not isinstance(config, Config):
            raise TypeError(f"expected a Config or a ModelConfig; received {config!r}")
        model = self.config.model
        if model.is_language_model == corpus.train.has_sources:
            kinds = ("texts", "pairs") if corpus.train.has_sources else ("pairs", "texts")
            raise ValueError(
                f"{corpus.train}: expected {kinds[0]}, as in the training of {self.run}; received "
                f"{kinds[1]}"
            )
        trained = model.source_features, model.target_features
        features = frame_widths(corpus.train.features, self.config.text)
        if features != trained:
            expected, received = map(describe_features, (trained, features))
            raise ValueError(
                f"{corpus.train}: expected {expected}, as in the training of {self.run}; received "
                f"{received}"
            )
        require_same_features(corpus.train, self.codecs.features is not None, self.run)
        require_same_covariates(corpus.train, model.target_covariates, self.run)
        # Widths of 0 are taken from the data.
        names = "source_features", "target_features", "target_covariates"
        widths = {name: getattr(model, name) for name in names}
        given = {name: getattr(config.model, name) or width for name, width in widths.items()}
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, **given))
        check_fine_tuning(config, self.config, self.run)
        check_frozen(self.model, config.training.freeze)
        return config


@dataclasses.dataclass(frozen=True, eq=False)
class Beginning:
    """What a training begins with: nothing, another run, or the state in which it was stopped.

    Args:
        known: `KnownCodecs`; None if the codecs are learnt.
        description: The `start` of its `RunRecord`.
        start: `Start`, or None.
    """

    known: KnownCodecs | None = None
    description: dict | None = None
    start: Start | None = None

    @classmethod
    def of(cls, start, training):
        """The beginning of a training with a `TrainingConfig`, from a `Start` or from nothing.

        Raises:
            ValueError: It begins with nothing, and a setting is for one that does not.
        """
        if start is None:
            refuse_fine_tuning(training)
            return cls()
        return cls(KnownCodecs(start.codecs, training.grow_vocabulary), start.description, start)

    @classmethod
    def of_stopped(cls, folder, name):
        """The beginning of a training that goes on, and whose start is not known any more.

        Its vocabularies have grown already, and its state has all weights.

        Args:
            folder: Folder in which the run is now; that training started from another run.
            name: The run, for messages.

        Raises:
            ValueError: The run is damaged, or its state cannot be read.
        """
        record = RunRecord.load(folder / run_directory.RECORD)
        run_directory.check_codecs(folder, record)
        if run_directory.has_state(folder) and not has_readable_state(folder):
            raise ValueError(
                f"no state of the training of {name} can be read; repeat the command that began "
                f"it, with the run that it started from: {record.start['name']}"
            )
        codecs = CodecPair.load(folder, run_directory.load_config(folder))
        return cls(KnownCodecs(codecs), record.start)

    def describe_start(self, training, optimizer=None):
        """Yields a line of text if the training starts from a run.

        Args:
            training: `TrainingConfig`.
            optimizer: The user's own optimizer, which has its own learning rate, or None.
        """
        if self.start is not None:
            text = f"starting from {self.start.run}"
            if optimizer is None:
                old_rate = self.start.config.training.learning_rate
                text += f", learning rate {training.learning_rate:g} instead of {old_rate:g}"
            if training.freeze:
                text += f"; frozen: {', '.join(training.freeze)}"
            yield text

    def describe_codecs(self, prepared):
        """Yields a line of text about each vocabulary that is used for other data than its own.

        Args:
            prepared: `Prepared`.
        """
        if self.start is not None:
            for side, coverage in zip(COLUMNS, prepared.coverage):
                if coverage is not None:
                    yield f"{side}: {coverage.describe()}"

    def apply(self, model, training):
        """Gives a new model its first weights, and freezes parts of it.

        Args:
            model: Model of `build_seq2seq`, whose vocabularies may be larger than those of the
                start.
            training: `TrainingConfig`.
        """
        if self.start is not None:
            copy_weights(self.start.model, model, training.seed)
        freeze_parts(model, training.freeze)
