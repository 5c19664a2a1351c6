"""Helpers of the benchmarks: measurements in turn, tables, results, commands, the machine."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time


def measure_in_turn(measurements, rounds):
    """Takes each measurement once per round.

    If the machine is slow for a while, all of them are affected.

    Args:
        measurements: Functions without arguments by name; each returns a value.
        rounds: Number of rounds.

    Returns:
        A list of values for each name.
    """
    results = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            results[name].append(measure())
    return results


def format_table(results, unit, *, baseline=None, digits=1):
    """Formats values as a Markdown table: median, range, and the ratio to a baseline.

    Args:
        results: Lists of values by name, as `measure_in_turn` returns them.
        unit: Unit of the values, for the column header.
        baseline: Name of the measurement that the others are divided by, or None.
        digits: Number of decimals.

    Returns:
        A string.
    """
    medians = {name: statistics.median(values) for name, values in results.items()}
    head = ["", unit, "least to most"] + ([f"times {baseline}"] if baseline else [])
    lines = [table_row(head), table_row(["---"] * len(head))]
    for name, values in results.items():
        cells = [name, f"{medians[name]:,.{digits}f}"]
        cells.append(f"{min(values):,.{digits}f} to {max(values):,.{digits}f}")
        if baseline:
            cells.append(f"{medians[name] / medians[baseline]:.2f}")
        lines.append(table_row(cells))
    return "\n".join(lines)


def table_row(cells):
    """Formats a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def publish(results, text, out=None):
    """Prints a text below a description of the machine, and optionally writes both to a folder.

    Args:
        results: All results, ready for JSON.
        text: The results to show, in Markdown.
        out: Folder for results.json and table.md, or None.
    """
    machine = describe_machine()
    description = ", ".join(f"{name} {value}" for name, value in machine.items())
    text = f"{description}\n\n{text}\n"
    print(text)
    if out is not None:
        out = pathlib.Path(out)
        out.mkdir(parents=True, exist_ok=True)
        results = {"machine": machine, **results}
        (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        (out / "table.md").write_text(text)


def describe_machine():
    """Returns processor, cores, versions and date, a dict."""
    import keras
    import numpy as np
    import tensorflow as tf

    import kseq

    return {
        "processor": _processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "GPUs": len(tf.config.list_physical_devices("GPU")),
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "kseq": kseq.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor_name():
    """The name in /proc/cpuinfo; on Linux, platform.processor() is often empty."""
    path = pathlib.Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure_product_rate(dtype, size=2048, products=10):
    """Floating-point operations per second in large matrix products, the upper bound for layers."""
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


def run_command(command):
    """Runs a command without a GPU; returns its output. If it fails, prints its last lines."""
    process = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    if process.returncode:
        print("\n".join(process.stdout.splitlines()[-30:]), file=sys.stderr)
        process.check_returncode()
    return process.stdout
