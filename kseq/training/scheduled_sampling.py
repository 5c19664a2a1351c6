"""Scheduled sampling: while it is trained, a decoder reads some of its own outputs."""

import numpy as np
import tensorflow as tf

from kseq.kernels.cross_entropy import output_logits
from kseq.kernels.drawing import draw
from kseq.models.factory import split_for_inference
from kseq.models.heads import output_layer
from kseq.search.hypotheses import varying_shape
from kseq.special_tokens import END, PAD, START

READS_OWN, RANDOM_NUMBERS = "reads_own", "random_numbers"


class ScheduledSampling:
    """Replaces inputs of a decoder by its own outputs (Bengio et al. 2015, arXiv 1506.03099).

    Section 2.4: for each position separately, the decoder reads the correct target, or an output of
    its own for the position before, which it has computed from inputs that were mixed in the same
    way. The paper leaves open whether a word is drawn from the model's distribution or is the most
    probable one; here it is drawn. Real values are the model's predictions, as in a free run.

    The outputs are computed step by step before the usual pass over the whole target, and without
    dropout in the decoder. As in the paper, no gradient passes through them.

    Args:
        model: Model of `build_seq2seq`.
    """

    def __init__(self, model):
        self._model, self._side = model, model.target_side
        _, self._step = split_for_inference(model)

    def mix(self, encoded, inputs):
        """Mixes targets and outputs of the decoder.

        Args:
            encoded: Outputs of the encoder.
            inputs: Inputs of the model by name, and two more:

                - `READS_OWN`: which positions of the target are replaced, boolean `[B, T]`; false
                  at the first position, for which there is no output, and on padding,
                - `RANDOM_NUMBERS`: numbers from 0 to 1 that words are drawn with, float32 `[B, T]`.

        Returns:
            The inputs with another target.
        """
        names = self._side.target_name, READS_OWN, RANDOM_NUMBERS
        mixed = self._mix(encoded, *(inputs[name] for name in names))
        return {**inputs, self._side.target_name: mixed}

    def _mix(self, encoded, targets, reads_own, random_numbers):
        encoded = tf.nest.map_structure(tf.stop_gradient, encoded)
        constants = {name: tensors for name, tensors in encoded.items() if name != "state"}
        targets, reads_own, random_numbers = map(_time_first, (targets, reads_own, random_numbers))
        # Nothing is computed after the last position that is replaced.
        times = tf.range(tf.shape(targets)[0])
        last = tf.reduce_max(tf.where(tf.reduce_any(reads_own, axis=1), times, 0))

        def body(time, current, state, mixed):
            outputs = self._run_step(current, state, constants)
            following = tf.ensure_shape(
                self._choose(
                    outputs, *(rows[time + 1] for rows in (targets, reads_own, random_numbers))
                ),
                targets.shape[1:],
            )
            return time + 1, following, outputs["state"], mixed.write(time + 1, following)

        mixed = tf.TensorArray(targets.dtype, last + 1, element_shape=targets.shape[1:])
        *_, mixed = tf.while_loop(
            lambda time, *_: time < last,
            body,
            (0, targets[0], encoded["state"], mixed.write(0, targets[0])),
            shape_invariants=(
                tf.TensorShape([]),
                targets.shape[1:],
                varying_shape(encoded["state"]),
                tf.TensorShape(None),
            ),
        )
        mixed = tf.concat([mixed.stack(), targets[last + 1 :]], axis=0)
        return tf.stop_gradient(_time_first(mixed))

    def _run_step(self, current, state, constants):
        # The loop does not know the static shapes of a state, as a state may grow.
        state = tf.nest.map_structure(
            lambda tensor, spec: tf.ensure_shape(tensor, spec.shape),
            *(state, self._step.input["state"]),
        )
        inputs = {self._side.step_name: current, **constants, "state": state}
        return self._step(inputs, training=False)

    def _choose(self, outputs, targets, reads_own, random_numbers):
        """Returns the next inputs `[N]` or `[N, F + C]`: the targets, or outputs of the step."""
        if not self._side.is_text:
            own = self._side.next_input(outputs[self._side.output_name], targets)
            return tf.where(reads_own[:, None], own, targets)
        rows = tf.where(reads_own)
        words = draw(self._probabilities(outputs, rows), tf.gather_nd(random_numbers, rows))
        return tf.tensor_scatter_nd_update(targets, rows, words)

    def _probabilities(self, outputs, rows):
        """Returns the distributions `[N', V]` that some rows of a step are drawn from."""
        # A sentence has neither PAD nor START inside, and a step that follows has no END before it.
        impossible = np.zeros(self._side.vocabulary_size, np.float32)
        impossible[[PAD, START, END]] = float("-inf")
        if self._model.config.mixes_distributions:
            logits = tf.gather_nd(outputs[self._side.output_name], rows)
            added = tf.shape(logits)[1] - self._side.vocabulary_size
            return tf.nn.softmax(logits + tf.pad(impossible, [[0, added]]))
        hidden = tf.gather_nd(outputs["hidden"], rows)
        logits = output_logits(hidden, *_parameters(*output_layer(self._model)))
        return tf.nn.softmax(logits + impossible)


def _parameters(kernel, bias, transposed):
    return kernel.value, None if bias is None else bias.value, transposed


def _time_first(tensor):
    """Exchanges the first two axes of a tensor `[B, T, ...]`."""
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
