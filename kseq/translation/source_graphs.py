"""The graphs of a trained model for one source, in arrays of constant size: for LiteRT."""

import tensorflow as tf

from kseq.search.one_source import OneSourceSearch, free_run_source
from kseq.translation.graphs import Inference


class SourceInference(Inference):
    """The graphs of a model on one source; arguments as for `Inference`."""

    def search_source(self, inputs, strategy, forbidden, positions, minimum):
        """Searches for translations of one source; see `OneSourceSearch.run`.

        Args:
            inputs: Inputs of the encoder of each model, for one source.
            strategy: `BeamSearch`.
            forbidden: Ids that are never written.
            positions, minimum: As in `OneSourceSearch.run`.

        Returns:
            A dict of tensors, as from `OneSourceSearch.run`.
        """
        encoded = self._encode(inputs)
        step, states, constants, specs = self._make_step(self._hidden_names, encoded)
        head, size = self._make_head(pads=False), self._target_side.vocabulary_size
        search = OneSourceSearch(step, head, strategy, forbidden, size)
        first_attention = _first_attention(specs, encoded)
        return search.run(
            states,
            self._state_specs,
            constants,
            first_attention,
            positions=positions,
            minimum=minimum,
        )

    def predict_source(self, inputs, positions):
        """Predicts real values from one source.

        Args:
            inputs: Inputs of the encoder of the model, for one source, in a tuple.
            positions: The numbers from 0 to T - 1, T being the number of steps, int32 `[T]`.

        Returns:
            Values `[1, T, F]`, standardised, and a dict of attention, `[1, T, S]`.
        """
        encoded = self._encode(inputs)
        step, states, constants, specs = self._make_step(["values"], encoded)

        def next_values(*arguments):
            (values,), *rest = step(*arguments)
            return values, *rest

        first, first_attention = self._target_side.first_step(1), _first_attention(specs, encoded)
        return free_run_source(
            *(next_values, states, self._state_specs, constants),
            first=first,
            first_attention=first_attention,
            positions=positions,
        )

    @property
    def _state_specs(self):
        """The state that the step of each model reads."""
        return [step.input["state"] for *_, step in self._members]


def _first_attention(specs, encoded):
    """Zeros in the shape of the attention of one step for one source: a dict of `[1, ...]`.

    Args:
        specs: `tf.TensorSpec` of each attention without its first dimension.
        encoded: Outputs of the encoder of each model.
    """
    masks = {name: mask for outputs in encoded for name, mask in outputs.items() if "mask" in name}
    zeros = {}
    for name, spec in specs.items():
        if not spec.shape.rank:
            zeros[name] = tf.zeros([1])
            continue
        mask = masks["feature_mask" if name == "feature_attention" else "mask"]
        weights = tf.zeros_like(tf.cast(mask, tf.float32))
        outer = spec.shape[:-1].as_list()
        zeros[name] = tf.zeros([1, *outer, 1]) + tf.reshape(weights, [1, *[1] * len(outer), -1])
    return zeros
