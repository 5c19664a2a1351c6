"""What an attention mechanism is: the base class of their layers, and their description."""

import dataclasses
from typing import Any

import keras
from keras import ops

from kseq.kernels.masked_softmax import masked_softmax
from kseq.kernels.parameters import PLAIN


class Attention(keras.layers.Layer):
    """Base class of all mechanisms: energies, weights, and the weighted sum of the memory.

    The queries of several hypotheses may share a memory: with B memories and N = B·K rows of
    queries, row `b·K + k` reads memory `b`, and Q = K·T queries read one memory.

    A mechanism may carry an attention state from step to step: a list of tensors `[N, ...]`; most
    have none, `()`. One that has a state defines `initial_state`, `state_inputs`, `align_state`
    and `advance`.

    Masking: the mask is an argument; padding gets a weight of exactly 0.

    A mechanism of one's own is a subclass, registered with Keras, whose constructor passes
    `**kwargs` on (docs/own_parts.md). It defines `energies`; or `weigh`, if it is not a softmax; or
    `call`, if the context is not a weighted sum. It may call layers of Keras, except for those that
    change a variable, such as Dropout. In a loop, `parameters` make products with kernels faster.

    Attributes:
        projects_keys: Of a mechanism of one's own: whether the keys are a projection of the memory,
            not the memory itself.
        follows_cell: Likewise: whether the query is the state after the step, as in Luong et al.
            2015, where the setting `input_feeding` has an effect, or the state before the step, as
            in Bahdanau et al. 2015.
    """

    projects_keys = True
    follows_cell = False

    def __init__(self, **kwargs: Any) -> None:
        # Keras would also cast the attention state, which stays float32.
        super().__init__(autocast=False, **kwargs)

    @classmethod
    def initial_state(cls, memory, mask):
        """Returns the attention state before the first step.

        The encoder calls it, for which no layer exists.

        Args:
            memory: Encoder outputs `[B, S, D]`, a symbolic tensor.
            mask: Whether a source position is real, boolean `[B, S]`, a symbolic tensor.

        Returns:
            A list of symbolic tensors `[B, ...]`, or `()`.
        """
        return ()

    @classmethod
    def state_inputs(cls):
        """Returns a `keras.Input`, with a name, for each tensor of `initial_state`."""
        return ()

    def build(self, query_shape):
        """Creates the weights, for queries `[N, T, H]`; layers that it calls build themselves."""
        self.built = True

    def call(self, query, keys, memory, mask, state=(), parameters=PLAIN):
        """Reads the memory.

        Args:
            query: Decoder states `[N, T, H]`.
            keys: What queries are compared with, `[B, S, A]`: the memory or its projection.
            memory: Encoder outputs `[B, S, D]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            state: The attention state before the first of the T steps.
            parameters: `Parameters` of the step, inside a loop.

        Returns:
            Contexts `[N, T, D]`, weights, float32 `[N, T, S]`, and the new attention state.
        """
        memory, keys = ops.cast(memory, self.compute_dtype), self.cast_keys(keys)
        batch = ops.shape(memory)[0]
        rows, length = ops.shape(query)[0], ops.shape(query)[1]
        # All queries of a source side by side, from every hypothesis and step.
        count = rows // ops.maximum(batch, 1) * length
        queries = ops.reshape(query, (batch, count, query.shape[-1]))
        query_state = self.align_state(state, (batch, count), length)
        weights = self.weigh(parameters, queries, keys, ops.expand_dims(mask, 1), query_state)
        context = parameters.multiply_rows(weights, memory)
        context = ops.reshape(context, (-1, length, memory.shape[-1]))
        weights = ops.reshape(weights, with_last_axis((rows, length), ops.shape(memory)[1]))
        return context, weights, self.advance(state, weights)

    def cast_keys(self, keys):
        """Casts keys `[B, S, A]` to the type that energies are computed in."""
        return ops.cast(keys, self.compute_dtype)

    def weigh(self, parameters, queries, keys, mask, state):
        """Computes attention weights.

        Args:
            parameters: `Parameters`.
            queries: `[B, Q, H]`.
            keys: `[B, S, A]`.
            mask: `[B, 1, S]`.
            state: The attention state of each query, as from `align_state`.

        Returns:
            Weights, float32 `[B, Q, S]`.
        """
        return masked_softmax(self.energies(parameters, queries, keys, state), mask)

    def energies(self, parameters, queries, keys, state):
        """Computes energies `[B, Q, S]`, the arguments of the softmax; arguments as in `weigh`."""
        raise NotImplementedError

    def align_state(self, state, shape, length):
        """Gives each query its attention state.

        Args:
            state: The attention state before the first step, tensors `[N, ...]`.
            shape: B and Q.
            length: Number of steps T.

        Returns:
            A list of tensors `[B, Q, ...]`.
        """
        return ()

    def advance(self, state, weights):
        """Returns the attention state after steps with these weights `[N, T, S]`."""
        return state


def with_last_axis(sizes, last):
    """Returns a shape for a reshape: these sizes, and that of the last axis.

    If all the others are known, and none is 0, the last one is -1: a runtime that plans its memory
    before it runs then knows the shape, too.
    """
    are_known = all(isinstance(size, int) and size for size in sizes)
    return (*sizes, -1 if are_known else last)


@keras.saving.register_keras_serializable("kseq")
@dataclasses.dataclass(frozen=True)
class Mechanism:
    """A description of an attention layer, for an encoder and a decoder that are built apart.

    Args:
        layer: Subclass of `Attention`, or of `HardAttention`.
        arguments: Arguments of its constructor by name.
        projects_keys: Whether the keys are a projection of the memory, not the memory itself.
        follows_cell: Whether the query is the state after the step, whose context goes into the
            attentional state (Luong et al. 2015), or the state before the step, whose context
            goes into the cell (Bahdanau et al. 2015).
    """

    layer: type
    arguments: dict = dataclasses.field(default_factory=dict)
    projects_keys: bool = True
    follows_cell: bool = False

    def make(self, name="attention"):
        """Makes the layer; its name is the one that is given."""
        return self.layer(**self.arguments, name=name)

    def build(self, layer, units):
        """Creates the weights of a layer from `make`, for queries `[N, T, units]`."""
        layer.build((None, None, units))

    def get_config(self):
        """Returns the arguments of `from_config`, for Keras' files."""
        return {
            "layer": keras.saving.get_registered_name(self.layer),
            "arguments": keras.saving.serialize_keras_object(self.arguments),
            "projects_keys": self.projects_keys,
            "follows_cell": self.follows_cell,
        }

    @classmethod
    def from_config(cls, config):
        """Returns the description with the fields of `get_config`."""
        layer = keras.saving.get_registered_object(config["layer"])
        arguments = keras.saving.deserialize_keras_object(config["arguments"])
        return cls(**{**config, "layer": layer, "arguments": arguments})
