"""Attention mechanisms of users: described by settings, and checked once on a tiny source."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kseq.attention.contract import Attention, Mechanism
from kseq.errors import SettingError
from kseq.kernels.parameters import PLAIN, UnchangedVariables, precise
from kseq.settings.own_parts import OwnPart, tried_out

_LENGTHS = (3, 1)  # of the two tiny sources, each of which has two queries


@keras.saving.register_keras_serializable("kseq")
@dataclasses.dataclass(frozen=True)
class OwnMechanism(Mechanism):
    """The description of a mechanism that is not in kseq; arguments as in `Mechanism`."""

    @classmethod
    def of(cls, config):
        """Returns the mechanism of a `ModelConfig` whose `attention` is an `OwnPart`.

        Raises:
            SettingError: Its class is not registered, or does not fit other settings.
        """
        part = config.attention
        layer = part.find("attention")
        has_layers_above = config.attention_layer == "bottom" and config.decoder_layers > 1
        if layer.follows_cell and config.readout != "tanh" and not has_layers_above:
            raise SettingError(
                "{readout} has no effect, as {0} has follows_cell = True: the attentional state "
                "takes its place; use {decoder_layers}=2 with {attention_layer}=bottom",
                layer.__name__,
            )
        if not (config.input_feeding or layer.follows_cell):
            raise SettingError(
                "{input_feeding}=false needs an attention whose query is the state after the step; "
                "{0} has follows_cell = False",
                layer.__name__,
            )
        return cls(layer, part.config, layer.projects_keys, layer.follows_cell)

    def make(self, name="attention"):
        """Makes the layer, from its own copy of the config: see `Mechanism.make`."""
        return self.layer.from_config({**self.arguments, "name": name})

    def get_config(self):
        """Returns the arguments of `from_config`, plain data."""
        return {**super().get_config(), "arguments": self.arguments}

    @classmethod
    def from_config(cls, config):
        """Returns the description with the fields of `get_config`."""
        return cls(**{**config, "layer": OwnPart(config["layer"]).find("attention")})

    def build(self, layer, units):
        """Creates the weights, and checks the layer: see `Mechanism.build`.

        Raises:
            ValueError: The layer does not do what `Attention` promises.
        """
        super().build(layer, units)
        name = f"the attention {type(layer).__name__}"
        with tf.init_scope(), tried_out(name, "energies"):
            _check(layer, *_tiny_source(layer, units))


def _tiny_source(layer, units):
    """Queries, keys, memory, mask and attention state of two sources, numbers without meaning."""
    random = np.random.default_rng(0)
    mask = np.arange(max(_LENGTHS)) < np.array(_LENGTHS)[:, None]

    def draw(*shape):
        return tf.constant(random.normal(size=shape), layer.compute_dtype)

    memory = draw(*mask.shape, units) * tf.cast(mask, layer.compute_dtype)[..., None]
    keys = memory + draw(units) if layer.projects_keys else memory
    mask = tf.constant(mask)
    state = [
        tf.repeat(tf.convert_to_tensor(tensor), 2, axis=0)
        for tensor in layer.initial_state(memory, mask)
    ]
    return precise(draw(2 * len(_LENGTHS), 1, units)), keys, memory, mask, state or ()


def _check(layer, query, keys, memory, mask, state):
    """Checks what a layer returns."""
    name = type(layer).__name__
    if type(layer).energies is not Attention.energies:
        with keras.name_scope(layer.name):
            _check_energies(layer, query, keys, mask, state)
    layer(query, keys, memory, mask, state)  # builds the layers inside
    with UnchangedVariables():
        context, weights, new_state = layer(query, keys, memory, mask, state, training=True)
    rows = query.shape[0]
    for what, tensor, shape in (
        ("contexts", context, (rows, 1, memory.shape[-1])),
        ("weights", weights, (rows, 1, memory.shape[1])),
    ):
        _require(name, what, "shape", tuple(tensor.shape), shape)
    _require(name, "weights", "type", weights.dtype.name, "float32")
    specs = [
        [(tuple(tensor.shape), tensor.dtype.name) for tensor in tensors]
        for tensors in (new_state, state)
    ]
    _require(name, "an attention state", "shapes and types", *specs)
    weights = np.asarray(weights)
    if not np.isfinite(weights).all() or np.any(weights[rows // 2 :, :, _LENGTHS[1] :]):
        raise ValueError(
            f"expected the attention {name} to give finite weights that are exactly 0 on padding; "
            f"received {weights[-1, 0]} where only the first position is real: set them to 0 where "
            "the mask is false"
        )


def _check_energies(layer, query, keys, mask, state):
    """Checks the shape of the energies, which the rest might hide."""
    batch, length = mask.shape
    queries = tf.reshape(query, [batch, -1, query.shape[-1]])
    aligned = layer.align_state(state, (batch, queries.shape[1]), 1)
    energies = layer.energies(PLAIN, queries, layer.cast_keys(keys), aligned)
    expected = batch, queries.shape[1], length
    _require(type(layer).__name__, "energies", "shape [B, Q, S]", tuple(energies.shape), expected)


def _require(name, what, aspect, received, expected):
    """Checks one aspect of something that an attention returns."""
    if received != expected:
        raise ValueError(
            f"expected the attention {name} to return {what} of {aspect} {expected}; "
            f"received {received}"
        )
