"""The state of a recurrent decoder: what it carries from step to step, and where it starts."""

import typing

from keras import ops

from kseq.attention.mechanisms import mechanism_of
from kseq.errors import SettingError
from kseq.kernels.dense import Dense
from kseq.models.cells import cell_class
from kseq.models.inputs import float_input


class DecoderState(typing.NamedTuple):
    """The state of a recurrent decoder, a nest of tensors; a part that a decoder lacks is `()`.

    Fields:
        cells: The state of the cell of each layer, a list of lists of `[N, H]`, the hidden state
            first; an LSTM has a cell state too.
        context: The fixed-length vector `[N, D]` that every step reads.
        fed: What the last step passes to the next one, `[N, H]`: its attentional state with input
            feeding, its context in a pointer-generator.
        attention: The attention state, a list of tensors `[N, ...]`.
    """

    cells: list
    context: typing.Any = ()
    fed: typing.Any = ()
    attention: typing.Any = ()


def initial_state(config, memory, mask, summary):
    """Builds the state before the first step.

    Each state of a cell is `tanh(W c + b)` of a vector c of the summary (Bahdanau et al. 2015,
    arXiv 1409.0473, appendix A.2.2); with a linear bridge `W c + b`; and without a bridge the state
    of the encoder as it is (Sutskever et al. 2014, arXiv 1409.3215).

    Args:
        config: `ModelConfig`.
        memory: Encoder outputs `[B, S, D]`, a symbolic tensor.
        mask: Whether a source position is real, boolean `[B, S]`, a symbolic tensor.
        summary: What each layer of the decoder starts from, as from `summarize`.

    Returns:
        A `DecoderState` of symbolic tensors.

    Raises:
        SettingError: The states cannot be handed over as they are.
    """
    counts = len(summary[0]), len(_parts(config))
    if config.bridge == "none" and counts[0] != counts[1]:
        raise SettingError(
            "{bridge}=none hands over the states as they are, but the cell of the encoder has {0}, "
            "and that of the decoder {1}; use {decoder_cell}=same or {bridge}=linear",
            *counts,
        )
    cells = [
        [
            _bridge(config, f"bridge_{layer}_{part}", vectors[min(part, len(vectors)) - 1])
            for part in _parts(config)
        ]
        for layer, vectors in zip(_layers(config), summary)
    ]
    state = DecoderState(cells)
    if config.context_every_step:
        state = state._replace(context=summary[-1][0])
    if feeds_inputs(config) or feeds_context(config):
        state = state._replace(fed=ops.zeros_like(cells[0][0]))
    mechanism = mechanism_of(config)
    if mechanism is not None:
        state = state._replace(attention=mechanism.layer.initial_state(memory, mask))
    return state


def _bridge(config, name, vector):
    """Makes a state `[B, H]` of the decoder from a vector `[B, D]` of the summary."""
    if config.bridge == "none":
        return vector
    activation = "tanh" if config.bridge == "tanh" else None
    return Dense(config.units, activation=activation, name=name)(vector)


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
    if feeds_inputs(config) or feeds_context(config):
        state = state._replace(fed=float_input((config.units,), "fed"))
    mechanism = mechanism_of(config)
    if mechanism is not None:
        state = state._replace(attention=mechanism.layer.state_inputs())
    return state


def decoder_cell(config):
    """Returns the kind of cell of the decoder, a key of `CELLS` or an `OwnPart`."""
    return config.cell if config.decoder_cell == "same" else config.decoder_cell


def feeds_inputs(config):
    """Returns whether a step reads the attentional state of the previous step."""
    mechanism = mechanism_of(config)
    return config.input_feeding and mechanism is not None and mechanism.follows_cell


def feeds_context(config):
    """Returns whether a step reads the context of the previous step, and attends after its cells.

    See et al. 2017 (arXiv 1704.04368) do so; a mechanism that follows the cell in any case has
    input feeding instead.
    """
    mechanism = mechanism_of(config)
    return config.copy and mechanism is not None and not mechanism.follows_cell


def _layers(config):
    return range(1, config.decoder_layers + 1)


def _parts(config):
    return range(1, cell_class(decoder_cell(config)).state_count + 1)
