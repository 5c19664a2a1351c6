"""How figures are taken: ways in turn, several rounds, medians and spread, and on what machine."""

import json
import os
import pathlib
import platform
import statistics
import time


def in_turn(ways, rounds):
    """Measures each way once in every round.

    Whatever slows a machine for a while then slows all of them.

    Args:
        ways: Functions without arguments by name; each returns a figure.
        rounds: How often.

    Returns:
        A list of figures for each name.
    """
    figures = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            figures[name].append(way())
    return figures


def table(figures, unit, against=None, digits=1):
    """Figures as Markdown: median, spread, and the ratio to one of them.

    Args:
        figures: What `in_turn` returned.
        unit: Of the figures, the head of the column.
        against: Name of the way that the others are divided by.
        digits: Decimals of medians.

    Returns:
        A string.
    """
    medians = {name: statistics.median(values) for name, values in figures.items()}
    head = ["", unit, "least to most"] + ([f"times {against}"] if against else [])
    lines = [row(head), row(["---"] * len(head))]
    for name, values in figures.items():
        cells = [name, f"{medians[name]:,.{digits}f}"]
        cells.append(f"{min(values):,.{digits}f} to {max(values):,.{digits}f}")
        if against:
            cells.append(f"{medians[name] / medians[against]:.2f}")
        lines.append(row(cells))
    return "\n".join(lines)


def row(cells):
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def publish(results, text, out=None):
    """Prints a text under the machine that it was measured on, and writes both where asked to.

    Args:
        results: Everything that was measured, ready for JSON.
        text: What to show of it, Markdown.
        out: A folder, which gets results.json and table.md; or None.
    """
    described = machine()
    lines = ", ".join(f"{name} {value}" for name, value in described.items())
    text = f"{lines}\n\n{text}\n"
    print(text)
    if out is not None:
        out = pathlib.Path(out)
        out.mkdir(parents=True, exist_ok=True)
        results = {"machine": described, **results}
        (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        (out / "table.md").write_text(text)


def machine():
    """Returns processor, cores, versions and date, a dict."""
    import keras
    import numpy as np
    import tensorflow as tf

    import kseq

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "GPUs": len(tf.config.list_physical_devices("GPU")),
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "kseq": kseq.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor():
    """The name that Linux gives it; platform.processor() is often empty there."""
    lines = pathlib.Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def product_rate(dtype, size=2048, products=10):
    """Floating-point operations per second of large matrix products, the floor of all layers."""
    import tensorflow as tf

    from kseq.kernels.processor import AT_ONCE, cores_are_shared

    at_once = AT_ONCE if cores_are_shared() else 1
    matrices = [tf.cast(tf.random.normal((size, size)), dtype) for _ in range(at_once)]
    multiply = tf.function(
        lambda: tf.add_n([tf.reduce_sum(tf.matmul(matrix, matrix)) for matrix in matrices])
    )
    multiply()
    started = time.perf_counter()
    for _ in range(products):
        multiply().numpy()
    seconds = time.perf_counter() - started
    return products * at_once * 2 * size**3 / seconds
