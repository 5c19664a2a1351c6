"""The operations that `export` writes, and a check that a SavedModel of others has no further ones.

A SavedModel is a program: some operations of TensorFlow read and write any file, or run code of
Python. None of those below does.
"""

import pathlib

from kseq.runs.directory import CODECS

_NAMES = """
Abs AddV2 All Any ArgMax Assert AssignVariableOp BatchMatMulV2 BiasAdd BroadcastTo Cast Ceil
ConcatV2 Const Conv2D Cos Cumsum DenseBincount DisableCopyOnRead Einsum EnsureShape Equal Exp
ExpandDims Fill FloorDiv FloorMod GatherV2 Greater GreaterEqual HashTableV2 Identity If Imag
IsFinite Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr LookupTableFindV2
LookupTableImportV2 MatMul Max Maximum Mean Minimum Mul Neg NoOp NormalizeUTF8 NotEqual OneHot
OnesLike Pack Pad PadV2 PartitionedCall Placeholder Pow Prod RFFT RaggedGather RaggedTensorToTensor
Range ReadVariableOp Real RealDiv Relu Reshape ReverseV2 Rsqrt ScatterNd Select SelectV2
SentencepieceDetokenizeOp SentencepieceOp SentencepieceTokenizeOp Shape Sigmoid Sin Size Softmax
Softplus Split SplitV Square SquaredDifference Squeeze StatefulPartitionedCall StatelessIf
StatelessWhile StaticRegexFullMatch StaticRegexReplace StopGradient StridedSlice StringJoin
StringLower StringSplitV2 StringStrip StringToHashBucketFast StringUpper Sub Sum Tanh
TensorListGetItem TensorListReserve TensorListSetItem TensorListStack TensorScatterUpdate Tile
TopKV2 Transpose UnicodeDecode UnicodeEncode UnicodeTranscode Unpack UnsortedSegmentJoin
UnsortedSegmentSum VarHandleOp VarIsInitializedOp Where While ZerosLike
"""
OPERATIONS = frozenset(_NAMES.split())

# They read and write files; in a SavedModel, for loading and saving its variables only.
_FILE_OPERATIONS = frozenset(["MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"])

# How TensorFlow makes the paths of variables from the path that it is given.
_PATH_OPERATIONS = frozenset(
    ["ShardedFilename", "StringJoin", "Select", "StaticRegexFullMatch", "Pack"]
)
_SUFFIXES = frozenset([b".part", b"_temp/part"])

_LARGEST_GRAPH = 2**28  # bytes of `saved_model.pb`
_NAMED = 5  # unexpected operations in a message


def check_saved_model(folder):
    """Checks that a SavedModel consists of operations that `kseq export` writes; runs nothing.

    This rules out that the model reads or writes files or runs code of its author, as far as
    TensorFlow's operations do what they promise. It does not rule out that the model needs any
    amount of time or RAM, makes use of an error in TensorFlow, or writes nonsense.

    Args:
        folder: Folder of the SavedModel.

    Raises:
        FileNotFoundError: There is no SavedModel.
        ValueError: It is damaged, or has other operations; links to other files; or files that are
            not its own among its assets.
    """
    folder = pathlib.Path(folder)
    for path in [folder, *sorted(folder.rglob("*"))]:
        if path.is_symlink() and path != folder:
            raise ValueError(f"{path}: a SavedModel of others must not contain links")
    graphs = _read(folder / "saved_model.pb").meta_graphs
    # Without its objects, TensorFlow loads it in another way, which runs the restoring node.
    if len(graphs) != 1 or not graphs[0].object_graph_def.nodes:
        raise ValueError(f"{folder}: damaged: a SavedModel of kseq is a single graph with objects")
    (graph,) = graphs
    _check_operations(graph, folder)
    _check_file_operations(graph, folder)
    for asset in graph.asset_file_def:
        if asset.filename not in CODECS:
            raise ValueError(f"{folder}: unexpected asset {asset.filename!r}")


def _read(path):
    """Parses the graphs of a SavedModel."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if not path.is_file():
        raise FileNotFoundError(f"file not found: {path}, the graph of a SavedModel")
    if path.stat().st_size > _LARGEST_GRAPH:
        raise ValueError(f"{path}: larger than {_LARGEST_GRAPH >> 20} MiB, unlike those of kseq")
    try:
        return SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: damaged: not a SavedModel") from error


def _check_operations(graph, folder):
    import tensorflow as tf

    library = graph.graph_def.library
    nodes = [*graph.graph_def.node, *(node for each in library.function for node in each.node_def)]
    functions = {each.signature.name for each in library.function}
    expected = OPERATIONS | _FILE_OPERATIONS | functions
    # A function could have the name of an operation that would be run in its place.
    disguised = {name for name in functions if hasattr(tf.raw_ops, name)}
    others = sorted(({node.op for node in nodes} - expected) | disguised)
    if others:
        rest = len(others) - _NAMED
        raise ValueError(
            f"{folder}: has operations that kseq export does not write: "
            f"{', '.join(others[:_NAMED])}{f' and {rest} more' if rest > 0 else ''}. A SavedModel "
            "is a program: load it only if you trust its author"
        )


def _check_file_operations(graph, folder):
    """Checks that only the saver of a graph can reach operations on files."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    holders = {
        name
        for name, body in functions.items()
        if any(node.op in _FILE_OPERATIONS for node in body)
    }
    saver = graph.saver_def
    saver_nodes = {_node_name(saver.save_tensor_name), _node_name(saver.restore_op_name)}
    callers = [node for body in functions.values() for node in body if _called(node) & holders]
    callers += [
        node
        for node in nodes.values()
        if node.op in _FILE_OPERATIONS or (_called(node) & holders and node.name not in saver_nodes)
    ]
    outputs = [
        _node_name(tensor.name)
        for signature in graph.signature_def.values()
        for tensor in signature.outputs.values()
    ]
    # What is run when the model is loaded.
    for collection in graph.collection_def.values():
        outputs += [_node_name(name) for name in collection.node_list.value]
    is_reached = saver_nodes & _ancestors(outputs, nodes)
    is_foreign = not all(_uses_the_given_path(functions[name]) for name in holders)
    has_file_function = holders & set(graph.object_graph_def.concrete_functions)
    if callers or is_reached or is_foreign or has_file_function:
        raise ValueError(
            f"{folder}: has operations on files outside the functions that load and save its "
            "variables. A SavedModel is a program: load it only if you trust its author"
        )


def _uses_the_given_path(body):
    """Whether the operations on files in a function use paths made of its argument only."""
    nodes = {node.name: node for node in body}
    for node in body:
        if node.op in _FILE_OPERATIONS:
            paths = node.input[:2] if node.op == "MergeV2Checkpoints" else node.input[:1]
            names = _ancestors(map(_node_name, paths), nodes, with_control=False)
            found = [nodes[name] for name in names & set(nodes)]
            if not all(each.op in _PATH_OPERATIONS or _is_suffix(each) for each in found):
                return False
    return True


def _is_suffix(node):
    """Whether a node is a constant that TensorFlow adds to the path of variables, or a number."""
    is_constant = node.op == "Const" and len(node.attr["value"].tensor.string_val) < 2
    return is_constant and {*node.attr["value"].tensor.string_val} <= _SUFFIXES


def _called(node):
    """Names of the functions that a node calls."""
    names = {node.op}
    for value in node.attr.values():
        names |= {value.func.name, *(each.name for each in value.list.func)}
    return names


def _ancestors(names, nodes, with_control=True):
    """Names of all nodes that some nodes depend on, themselves included.

    Args:
        names: Names of nodes.
        nodes: Nodes by name.
        with_control: Whether a node also depends on those that must only run before it.
    """
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            inputs = nodes[name].input if name in nodes else []
            waiting += [_node_name(e) for e in inputs if with_control or not e.startswith("^")]
    return found


def _node_name(tensor):
    """Name of the node of a tensor such as `name:0`, or of an input such as `^name`."""
    return tensor.lstrip("^").partition(":")[0]
