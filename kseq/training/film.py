"""`AttentionFilm`: the attention to one sentence while a model learns, as an animation."""

import base64
import itertools
import reprlib
import time

import keras
import numpy as np

from kseq.analysis.film import Film
from kseq.errors import SettingError
from kseq.runs.directory import FILM

_TRAINING_PER_DRAWING = 20  # seconds of training between writings, for each second of writing


class AttentionFilm(keras.callbacks.Callback):
    """Writes an animation of the attention to one sentence, a frame for each validation.

    Pass it to `kseq.train(..., callbacks=[kseq.AttentionFilm("I eat.")])`. It writes
    `attention.gif` to the run. By teacher forcing, the model always reads the same target, so that
    the frames differ in nothing but the model. While epochs are short, the file is written less
    often, and once more at the end. A training that goes on goes on with the film.

    Args:
        source: A sentence.
        target: Its translation; by default that of the first pair of the corpus with this source,
            validation pairs first.

    Raises:
        TypeError: A sentence is not a string.
        ValueError: It is empty.
    """

    def __init__(self, source: str, target: str | None = None) -> None:
        super().__init__()
        for sentence in (source, *([] if target is None else [target])):
            if not isinstance(sentence, str):
                raise TypeError(f"expected a sentence; received {reprlib.repr(sentence)}")
            if not sentence.strip():
                raise SettingError("{film}: expected a sentence; received an empty one")
        self._given = source, target
        self._pair = None
        self._run = self._translator = self._film = None
        self._frames = []
        self._next_writing = 0.0

    def connect(self, run, translator, corpus):
        """Connects the callback with a training, before it begins.

        Args:
            run: `NewRun`, open.
            translator: `Translator` of the model that is trained.
            corpus: `Corpus`.

        Raises:
            SettingError: The model has no attention or does not read and write text, or no target
                is known.
        """
        if not translator.codecs.are_text:
            raise SettingError("{film} is for sentences; a side of this model is real-valued")
        if not translator.has_attention:
            raise SettingError("{film} shows attention, and this model has none (attention=none)")
        self._pair = find_pair(*self._given, corpus)
        self._run, self._translator, self._film = run, translator, None
        self._frames, self._next_writing = [], 0.0

    def on_validation(self, row):
        """Adds a frame.

        Args:
            row: Figures by name, as the history of the run has them.
        """
        (result,) = self._translator.score([self._pair])
        title = f"epoch {row['epoch']:g}, validation loss {row['val_cross_entropy']:.3f}"
        self._frames.append((np.asarray(result.attention, np.float16), title))
        if self._film is None:
            self._film = Film(result)
        if time.monotonic() >= self._next_writing:
            self._write()

    def on_train_end(self, logs=None):
        """Writes the frames that are not written yet."""
        if self._film is not None and len(self._film) < len(self._frames):
            self._write()

    def _write(self):
        start = time.monotonic()
        for weights, title in self._frames[len(self._film) :]:
            self._film.add(weights, title)
        with self._run.replaced_file(self._run.folder / FILM) as path:
            self._film.save(path)
        end = time.monotonic()
        self._next_writing = end + _TRAINING_PER_DRAWING * (end - start)

    def get_state(self):
        """Returns what `set_state` needs in another process, for JSON."""
        frames = [(_encode(weights), weights.shape, title) for weights, title in self._frames]
        return {"pair": list(map(str, self._pair)), "frames": frames}

    def set_state(self, state):
        """Goes on with the film of another process, if it was about the same pair."""
        if state["pair"] == list(map(str, self._pair)):
            self._frames = [
                (np.frombuffer(base64.b64decode(data), np.float16).reshape(shape), title)
                for data, shape, title in state["frames"]
            ]


def find_pair(source, target, corpus):
    """Returns a source and its target, which a corpus may have.

    Args:
        source: A sentence.
        target: Its translation, or None.
        corpus: `Corpus`.

    Raises:
        SettingError: The target is not given, and the corpus does not have the source.
    """
    if target is not None:
        return source, target
    wanted = source.strip()
    for pair in itertools.chain(corpus.valid, corpus.train):
        if str(pair[0]).strip() == wanted:
            return pair
    raise SettingError(
        "{film}: no pair of the corpus has the source {0!r}; give its target, too, as a second "
        "sentence",
        source,
    )


def _encode(weights):
    return base64.b64encode(weights.tobytes()).decode()
