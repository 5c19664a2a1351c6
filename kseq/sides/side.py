"""The interface that text and real values share, as source and as target of a model."""

import abc

import tensorflow as tf


class Side(abc.ABC):
    """One side of a model, source or target: its tensors, and the layers at its end of the model.

    A small description without data; `str(side)` describes it to a user. The *numbers* of a side
    are its encoded sequences: ids, int32, or standardised values, float32. A batch of them is
    ragged, `[B, (T)]` or `[B, (T), F]`, until it is padded.

    Attributes:
        is_text: Whether sequences are text.
        vocabulary_size: Number of ids V; None for real values.
        source_name: Name of the encoder's input.
        target_name: Name of the decoder's input.
        step_name: Name of the input of a single decoder step.
        output_name: Name of the decoder's output.
        measure: Name of the loss among the metrics.
        is_absent: Whether there is no such side, as a language model has no source: all its
            sequences are empty.
        shortest: The least tokens (END excluded) or steps that a sequence must have: 1, or 0 if
            there is no such side.
        pairs_per_chunk: Pairs that are read together. Sentences are small, sequences of real
            values are not.
        pairs_per_pool: Pairs that are in RAM together to be shuffled and sorted by length.
    """

    is_text: bool
    vocabulary_size: int | None
    source_name: str
    target_name: str
    step_name: str
    output_name: str
    measure: str
    shortest: int = 1
    is_absent: bool = False
    pairs_per_chunk: int
    pairs_per_pool: int

    # === Sequences and their lengths ===

    @property
    @abc.abstractmethod
    def packed_specs(self):
        """`tf.TensorSpec`s of the arrays that `pack` returns."""

    @abc.abstractmethod
    def pack(self, sequences):
        """Returns N sequences as a tuple of arrays, which a `tf.data` generator can yield."""

    @abc.abstractmethod
    def unpack(self, *arrays):
        """Returns packed sequences as strings `[N]` or ragged values `[N, (T), F]`."""

    @abc.abstractmethod
    def limit(self, training):
        """Returns the maximum length of a sequence that a `TrainingConfig` sets, END excluded."""

    @abc.abstractmethod
    def content_lengths(self, lengths):
        """Returns lengths, of any shape, without the END that they include."""

    @abc.abstractmethod
    def is_empty(self, lengths):
        """Returns whether sources of these lengths `[B]` have nothing to translate, `[B]`."""

    # === As a source ===

    @property
    @abc.abstractmethod
    def source_specs(self):
        """`tf.TensorSpec` of each input of the encoder, by name: their only declaration."""

    @property
    @abc.abstractmethod
    def serving_specs(self):
        """`tf.TensorSpec` of each input of a SavedModel, by name."""

    @abc.abstractmethod
    def source_inputs(self, numbers):
        """Returns ragged numbers as the padded inputs of the encoder, by name."""

    @abc.abstractmethod
    def source_mask(self, inputs):
        """Returns whether a position of the encoder's inputs is real, boolean `[B, S]`."""

    def source_lengths(self, inputs):
        """Returns the number of real positions of the encoder's inputs, float32 `[B]`."""
        return tf.reduce_sum(tf.cast(self.source_mask(inputs), tf.float32), axis=1)

    # === As a target ===

    @property
    @abc.abstractmethod
    def target_spec(self):
        """`tf.TensorSpec` of padded targets, `[B, T]` or `[B, T, F]`."""

    @property
    def target_specs(self):
        """`tf.TensorSpec` of the decoder's input, by name."""
        return {self.target_name: self.target_spec}

    @property
    def step_specs(self):
        """`tf.TensorSpec` of the input of a single decoder step, `[N]` or `[N, F]`, by name."""
        batch, _, *features = self.target_spec.shape
        return {self.step_name: tf.TensorSpec([batch, *features], self.target_spec.dtype)}

    @abc.abstractmethod
    def first_step(self, count):
        """Returns the first input of the decoder, for `count` targets: `[N]` or `[N, F]`."""

    def with_first_step(self, targets):
        """Prepends the first step to ragged targets `[B, (T)]`: `[B, (T+1)]`."""
        first = tf.expand_dims(self.first_step(targets.nrows()), 1)
        return tf.concat([tf.RaggedTensor.from_tensor(first), targets], axis=1)

    def pad_targets(self, targets, sources):
        """Pads ragged targets `[B, (T)]` to `[B, T]`, given the ragged numbers of their sources."""
        return targets.to_tensor(tf.zeros([], targets.dtype))  # PAD is 0.

    def shift(self, targets):
        """Splits padded targets into the decoder's input and labels, for teacher forcing.

        Of START y1 ... yn END the decoder reads START y1 ... yn and predicts y1 ... yn END; of
        values, it reads a step of zeros and y1 ... yn-1, and predicts y1 ... yn.

        Args:
            targets: Numbers, the first step included, `[B, T+1]` or `[B, T+1, F]`.

        Returns:
            The decoder's input by name, and labels, `[B, T]` or `[B, T, F]`.
        """
        return {self.target_name: targets[:, :-1]}, targets[:, 1:]

    # === At the ends of the model ===

    @abc.abstractmethod
    def make_embedding(self, name, width, tied=False, deviation=None):
        """Makes the layer or function from numbers `[B, T]` or `[B, T, F]` to vectors `[B, T, E]`.

        Args:
            name: `"source"`, `"target"`, or `"shared"` for one embedding of both.
            width: Width E of an embedding. Real values pass unchanged, so for them E is F.
            tied: Whether the embedding also makes logits.
            deviation: Standard deviation of the initial embeddings; None for those of Keras.
        """

    @abc.abstractmethod
    def make_head(self, config, readout, embedding):
        """Adds the last layers of the decoder.

        Args:
            config: `ModelConfig`.
            readout: The readout of each step, a symbolic tensor `[N, T, H]`.
            embedding: The embedding of the target, from `make_embedding`.

        Returns:
            Logits `[N, T, V]` or values `[N, T, F]`, float32.
        """

    @abc.abstractmethod
    def step_outputs(self, decoder):
        """Returns the outputs of a decoder step that a search or a free run needs, by name."""

    @abc.abstractmethod
    def losses(self, labels, outputs):
        """Returns the training loss of each step.

        Args:
            labels: `[B, T]` or `[B, T, F]`.
            outputs: Outputs of the head.

        Returns:
            float32 `[B, T]`; for real values the mean over features.
        """
