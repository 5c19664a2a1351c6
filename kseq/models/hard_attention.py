"""The graph of a model with hard attention: its keys, its readouts, and the sum over positions."""

from kseq.attention.hard import PositionReadout, move_count
from kseq.attention.mechanisms import mechanism_of
from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.models.decoders import run_layers
from kseq.models.inputs import float_input


def hard_keys(config, memory):
    """Projects the memory `[B, S, D]` for the alignment and for the readouts: a list of two."""
    return [
        Dense(width, use_bias=False, name=name)(memory)
        for name, width in _key_widths(config).items()
    ]


def hard_key_inputs(config):
    """Makes the decoder's inputs for the results of `hard_keys`."""
    return [float_input((None, width), name) for name, width in _key_widths(config).items()]


def decode_hard(config, embedded, inputs):
    """Runs recurrent layers, which do not depend on the attention, and makes all readouts.

    Args:
        config: `ModelConfig`.
        embedded: Embeddings `[N, T, E]`, a symbolic tensor.
        inputs: Inputs of the decoder, a dict.

    Returns:
        A readout for each source position, `[N, T, S, H]`, and outputs for `sum_over_positions`, a
        dict.
    """
    state = inputs["state"]
    query, cells = run_layers(config, 1, embedded, state.cells)
    hidden = Dropout(config.dropout, name="readout_dropout")(query)
    readout = PositionReadout(config.units, name="readout")(hidden, inputs["keys"][1])
    return readout, {"query": query, "state": state._replace(cells=cells)}


def sum_over_positions(config, outputs, inputs):
    """Turns logits at each source position into log-probabilities of the tokens.

    Args:
        config: `ModelConfig`.
        outputs: Outputs of `decode_hard`, and `logits` `[N, T, S, V]`.
        inputs: Inputs of the decoder, a dict.

    Returns:
        The outputs of the decoder, a dict.
    """
    query, state = outputs["query"], outputs["state"]
    logits, weights, attention = mechanism_of(config).make()(
        *(query, inputs["keys"][0], outputs["logits"]),
        *(inputs["target_ids"], inputs["mask"], state.attention),
    )
    return {
        "logits": logits,
        "attention": weights,
        "state": state._replace(attention=attention),
    }


def _key_widths(config):
    """Widths of the keys by the names of their layers."""
    width = config.units
    if config.alignment_order:
        width = move_count(config.window, config.monotonic)
    return {"attention_keys": width, "readout_keys": config.units}
