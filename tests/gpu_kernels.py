"""What TensorFlow would do on a GPU, read from graphs: needs a build with CUDA, but no GPU."""

import collections
import contextlib

import tensorflow as tf
from tensorflow.python.framework import kernels

KNOWS_GPUS = tf.sysconfig.get_build_info()["is_cuda_build"]

# Calls of functions are replaced by the functions; inputs and constants are wherever they are used.
_NOT_KERNELS = {
    *("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "StatelessIf"),
    *("NoOp", "Const", "Placeholder"),
}


@contextlib.contextmanager
def pretended_gpu(monkeypatch):
    """A context in which layers believe that there is a GPU; graphs can be made, but not run."""
    list_devices = tf.config.list_logical_devices
    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    with monkeypatch.context() as patch:
        patch.setattr(
            tf.config,
            "list_logical_devices",
            lambda kind=None: [gpu] if kind == "GPU" else list_devices(kind),
        )
        yield


def graph_of(function, *arguments):
    """The graph of a function, a `GraphDef`; arguments may be `tf.TensorSpec`s."""
    function = tf.function(function, autograph=False)
    return function.get_concrete_function(*arguments).graph.as_graph_def()


def nodes_of(graph):
    """All operations of a graph, including those of the functions that it calls."""
    nodes = list(graph.node)
    for called in graph.library.function:
        nodes += called.node_def
    return nodes


def operation_types(graph):
    """The types of all operations of a graph."""
    return {node.op for node in nodes_of(graph)}


def without_gpu_kernel(graph):
    """The operations of a graph that could only run on the processor: types, and types of data."""
    registered = collections.defaultdict(list)
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type in ("GPU", "DEFAULT") and not kernel.label:
            registered[kernel.op].append(kernel)
    functions = {called.signature.name for called in graph.library.function}
    return {
        (node.op, *(tf.as_dtype(value.type).name for value in node.attr.values() if value.type))
        for node in nodes_of(graph)
        if node.op not in _NOT_KERNELS | functions
        and not any(_fits(node, kernel) for kernel in registered[node.op])
    }


def _fits(node, kernel):
    for constraint in kernel.constraint:
        value = node.attr[constraint.name]
        types = list(value.list.type) or [value.type]
        if not set(types) <= set(constraint.allowed_values.list.type):
            return False
    return True
