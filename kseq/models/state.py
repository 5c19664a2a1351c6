"""The state of a recurrent decoder: what it carries from step to step, and where it starts."""

import typing

import keras
from keras import ops

from kseq.kernels.dense import Dense
from kseq.models.cells import CELLS
from kseq.models.inputs import float_input


class DecoderState(typing.NamedTuple):
    """The state of a recurrent decoder, a nest of tensors; a part that a decoder lacks is `()`.

    Fields:
        cells: The state of the cell of each layer, a list of lists of `[N, H]`, the hidden state
            first; an LSTM has a cell state too.
        context: The fixed-length vector `[N, D]` that every step reads.
        fed: The attentional state `[N, H]` of the last step, which input feeding passes to the
            next step.
        attention: The attention state, a list of tensors: the coverage, float32 `[N, S]`, or the
            number of the step for monotonic attention, int32 `[N]`.
    """

    cells: list
    context: typing.Any = ()
    fed: typing.Any = ()
    attention: typing.Any = ()


def initial_state(config, memory, summary):
    """Builds the state before the first step: cells start from `tanh(W c + b)` of the summary.

    Args:
        config: `ModelConfig`.
        memory: Encoder outputs `[B, S, D]`, a symbolic tensor.
        summary: The encoder's fixed-length summary, a list of `[B, D]`.

    Returns:
        A `DecoderState` of symbolic tensors.
    """
    cells = [
        [
            Dense(config.units, activation="tanh", name=f"bridge_{layer}_{part}")(
                summary[min(part, len(summary)) - 1]
            )
            for part in _parts(config)
        ]
        for layer in _layers(config)
    ]
    state = DecoderState(cells)
    if config.context_every_step:
        state = state._replace(context=summary[0])
    if feeds_inputs(config):
        state = state._replace(fed=ops.zeros_like(cells[0][0]))
    if config.attention == "coverage":
        state = state._replace(attention=[ops.zeros_like(memory[:, :, 0], dtype="float32")])
    if config.attention == "local_m":
        state = state._replace(attention=[ops.zeros_like(memory[:, 0, 0], dtype="int32")])
    return state


def state_inputs(config):
    """Makes the inputs for the state of a decoder.

    Args:
        config: `ModelConfig`.

    Returns:
        A `DecoderState` of `keras.Input`, structured like the one of `initial_state`.
    """
    cells = [
        [float_input((config.units,), f"state_{layer}_{part}") for part in _parts(config)]
        for layer in _layers(config)
    ]
    state = DecoderState(cells)
    if config.context_every_step:
        state = state._replace(context=float_input((config.units,), "context"))
    if feeds_inputs(config):
        state = state._replace(fed=float_input((config.units,), "fed"))
    if config.attention == "coverage":
        coverage = keras.Input((None,), dtype="float32", name="coverage")
        state = state._replace(attention=[coverage])
    if config.attention == "local_m":
        state = state._replace(attention=[keras.Input((), dtype="int32", name="steps")])
    return state


def decoder_cell(config):
    """Returns the kind of cell of the decoder, a key of `CELLS`."""
    return config.cell if config.decoder_cell == "same" else config.decoder_cell


def feeds_inputs(config):
    """Returns whether a step reads the attentional state of the previous step."""
    return config.input_feeding and config.attention.startswith(("luong", "local"))


def _layers(config):
    return range(1, config.decoder_layers + 1)


def _parts(config):
    return range(1, CELLS[decoder_cell(config)].state_count + 1)
