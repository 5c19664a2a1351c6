"""Counts the operations that a SavedModel executes for one sentence, by part and by kind.

    kseq export runs/en-fr exported/en-fr
    python benchmarks/operations.py exported/en-fr --text "The red car is old."

Each operation costs a fraction of a microsecond beside its work, so that a small model spends more
time on their number than on its products. The time includes waiting for a busy machine: compare
counts. The model runs in a session, as in TensorFlow Serving.
"""

import argparse
import collections
import re
import statistics
import time

import tensorflow as tf
import tensorflow_text  # noqa: F401 (the operations of the model)

v1 = tf.compat.v1
CALLS = 50
PARTS = (
    ("encoder, forward loop", r"forward_\w+/.*while"),
    ("encoder, backward loop", r"backward_\w+/.*while"),
    ("encoder, other", r"encoder"),
    ("decoder loop, model", r"while/body.*(step|decoder)_\d"),
    ("decoder loop, search", r"while"),
    ("strings, tables, lengths, reading outputs", r""),
)
CONTROL = {"Switch", "Merge", "NextIteration", "Enter", "Exit", "LoopCond", "NoOp", "Identity"}


def kind_of(node):
    """Returns the name of the operation that a node has executed."""
    return node.timeline_label.rpartition(" = ")[2].partition("(")[0]


def part_of(node):
    """Returns the part of the model that a node belongs to."""
    return next(name for name, pattern in PARTS if re.search(pattern, node.node_name))


def main():
    """Runs a model and prints its operations."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--text", default="The red car is old.")
    parser.add_argument("--signature", default="serving_default")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    with v1.Session(graph=tf.Graph()) as session:
        model = v1.saved_model.load(session, ["serve"], options.folder)
        signature = model.signature_def[options.signature]
        fetches = {name: tensor.name for name, tensor in signature.outputs.items()}
        feeds = {signature.inputs["text"].name: [options.text]}
        seconds = []
        for _ in range(CALLS):
            start = time.perf_counter()
            session.run(fetches, feeds)
            seconds.append(time.perf_counter() - start)
        trace, metadata = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE), v1.RunMetadata()
        session.run(fetches, feeds, options=trace, run_metadata=metadata)
    nodes = [node for device in metadata.step_stats.dev_stats for node in device.node_stats]
    print(f"{len(nodes):,} operations, median {1e3 * statistics.median(seconds[5:]):.2f} ms")
    parts, control = collections.Counter(), collections.Counter()
    for node in nodes:
        parts[part_of(node)] += 1
        control[part_of(node)] += kind_of(node) in CONTROL
    print(f"\n{'operations':>12}{'control flow':>14}  part")
    for name, _ in PARTS:
        print(f"{parts[name]:12,}{control[name]:14,}  {name}")
    print(f"\n{'operations':>12}{'':14}  kind")
    for name, count in collections.Counter(map(kind_of, nodes)).most_common(12):
        print(f"{count:12,}{'':14}  {name}")


if __name__ == "__main__":
    main()
