"""The outputs of the Open Inference Protocol: padded tensors made of the results of sources."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """An output tensor.

    Args:
        datatype: Its type in the protocol.
        key: Entry of a result that it holds.
        padding: Value behind the end of shorter rows.
        rank: Number of its dimensions, for one translation of each source.
        needs_attention: Whether results have the entry only with attention.
        is_of_source: Whether all translations of a source share it.
    """

    datatype: str
    key: str
    padding: object
    rank: int = 1
    needs_attention: bool = False
    is_of_source: bool = False


OUTPUTS = {
    "translation": Output(datatype="BYTES", key="text", padding=""),
    "score": Output(datatype="FP32", key="score", padding=0.0),
    "is_cut": Output(datatype="BOOL", key="is_cut", padding=False),
    "values": Output(datatype="FP32", key="values", padding=0.0, rank=3),
    "source_tokens": Output(
        datatype="BYTES",
        key="source_tokens",
        padding="",
        rank=2,
        needs_attention=True,
        is_of_source=True,
    ),
    "output_tokens": Output(
        datatype="BYTES", key="tokens", padding="", rank=2, needs_attention=True
    ),
    "attention": Output(
        datatype="FP32", key="attention", padding=0.0, rank=3, needs_attention=True
    ),
}


def output_names(description):
    """Returns the names of the outputs of a model, from its `Description`, a list."""
    is_text = description.target_width is None
    names = ["translation", "score", "is_cut"] if is_text else ["values"]
    if description.has_attention:
        names += ["source_tokens"] if description.source_width is None else []
        names += ["output_tokens", "attention"] if is_text else ["attention"]
    return names


def make_outputs(names, results, has_axis):
    """Makes the output tensors.

    Args:
        names: Names of the outputs.
        results: The result of each source, as from `Engine.answer`.
        has_axis: Whether each source can have several translations, on an axis of their own.

    Returns:
        A list of dicts of `name`, `datatype`, `shape` and `data`.
    """
    outputs = []
    for name in names:
        output = OUTPUTS[name]
        nested = [_values_of(result, output, has_axis) for result in results]
        rank = output.rank + (has_axis and not output.is_of_source)
        shape = _shape(nested, rank)
        data = []
        _flatten(nested, shape, output.padding, data)
        outputs.append({"name": name, "datatype": output.datatype, "shape": shape, "data": data})
    return outputs


def _values_of(result, output, has_axis):
    if isinstance(result, dict):
        return result[output.key]
    if has_axis and not output.is_of_source:
        return [translation[output.key] for translation in result]
    return result[0][output.key]


def _shape(nested, rank):
    """The shape of nested lists with the longest list at each depth."""
    shape, level = [], [nested]
    for _ in range(rank):
        shape.append(max(map(len, level), default=0))
        level = [item for row in level for item in row]
        if not level or not isinstance(level[0], list):
            break
    return shape + [0] * (rank - len(shape))


def _flatten(nested, shape, padding, data):
    """Adds the values of nested lists to `data`, row by row, padded to a shape."""
    size, *rest = shape
    if not rest:
        data.extend(nested)
        data.extend([padding] * (size - len(nested)))
        return
    for index in range(size):
        _flatten(nested[index] if index < len(nested) else [], rest, padding, data)
