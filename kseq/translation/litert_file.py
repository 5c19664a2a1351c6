"""What is in a `.tflite` file: its operations, and whether all shapes follow from its inputs."""

from tensorflow.lite.python import schema_py_generated as schema

_NAMES = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)
}
# The inputs of operations that determine the shape of their output.
_SHAPING = {
    **dict.fromkeys(("RESHAPE", "TILE", "PAD", "PADV2", "BROADCAST_TO", "TOPK_V2", "ONE_HOT"), [1]),
    **dict.fromkeys(("RANGE", "WHERE", "UNIQUE", "FILL"), [0]),
    "SLICE": [1, 2],
    "STRIDED_SLICE": [1, 2, 3],
    "SCATTER_ND": [2],
}


def operations(content):
    """Lists the operations of a `.tflite` file, also of its loops.

    Args:
        content: The file, bytes.

    Returns:
        The set of their names; `CUSTOM` is an operation that LiteRT does not have itself.
    """
    return {name for name, _ in _operations(content)}


def knows_shapes(content):
    """Returns whether all shapes of a `.tflite` file follow from those of its inputs.

    They do not if they depend on numbers that are only known when the model runs.
    """
    return not any(
        not is_constant[number]
        for name, is_constant in _operations(content)
        for number in _SHAPING.get(name, ())
    )


def _operations(content):
    """Yields the name of each operation, and whether each of its inputs is constant."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for graph in model.subgraphs:
        for operation in graph.operators:
            buffers = (
                model.buffers[graph.tensors[number].buffer].data if number >= 0 else b"none"
                for number in operation.inputs
            )
            yield _NAMES[codes[operation.opcodeIndex]], [data is not None for data in buffers]
