"""Checks on a machine with a GPU, within five minutes, what kseq claims about GPUs.

Usage: python tests/tools/gpu_check.py [--units N] [--vocabulary N] [--rows N] [--length N]
           [--seconds N] [--without-tests]

First runs the tests that need a GPU, then prints figures: the rates of products, a training step in
each precision, one step of a search, and what decisions that were taken without a GPU cost. Every
figure is a median, in milliseconds unless it says otherwise. It also runs on a processor, with
small numbers, to try the script out.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from kseq import BeamSearch, ModelConfig, build_seq2seq
from kseq.kernels.adam import Adam
from kseq.kernels.cross_entropy import output_losses
from kseq.kernels.forks import claim_tensorflow
from kseq.kernels.precision import half_type
from kseq.models.factory import use_dtype_policy
from kseq.training.optimizers import with_loss_scaling
from kseq.training.teacher import make_teacher
from kseq.translation.graphs import Inference

ROOT = pathlib.Path(__file__).parents[2]
KINDS = {
    "gru, bahdanau": {},
    "lstm, none": {"cell": "lstm", "attention": "none"},
    "gru, luong_general, not fed": {"attention": "luong_general", "input_feeding": False},
    "transformer": {"architecture": "transformer"},
}
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
OTHER_PROCESS = "import kseq; kseq.build_seq2seq(kseq.ModelConfig(), 100, 100); print('works')"


def main():
    """Runs the tests and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=16_000)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument("--without-tests", action="store_true")
    options = parser.parse_args()
    if not options.without_tests:
        run_tests()
    claim_tensorflow()
    show_device()
    for show in (show_products, show_training, show_loss, show_search, show_input, show_processes):
        start = time.monotonic()
        show(options)
        print(f"({time.monotonic() - start:.0f} s)", flush=True)


def run_tests():
    """Runs the tests about GPUs in another process, before this one takes memory."""
    files = ("test_gpu.py", "test_gpu_graphs.py", "test_float16.py")
    paths = [str(ROOT / "tests" / name) for name in files]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *paths]
    print(
        "tests:",
        "passed" if subprocess.run(command, cwd=ROOT, check=False).returncode == 0 else "FAILED",
    )


def show_device():
    """Prints what TensorFlow knows of the first GPU."""
    gpus = tf.config.get_visible_devices("GPU")
    build = tf.sysconfig.get_build_info()
    print(
        "TensorFlow", tf.__version__, "CUDA", build.get("cuda_version"), "Keras", keras.__version__
    )
    for gpu in gpus:
        growth = tf.config.experimental.get_memory_growth(gpu)
        print(tf.config.experimental.get_device_details(gpu), "memory grows:", growth)
    print("half precision:", half_type().name)


def show_processes(options):
    """Runs two other processes on the same device, while this one uses it."""
    tf.reduce_sum(tf.ones([1024, 1024])).numpy()
    command = [sys.executable, "-c", OTHER_PROCESS]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in started]
    print("three processes on one device:", all(b"works" in output for output in outputs))


def show_products(options):
    """Prints the rates of large products."""
    size = 8 * options.units
    for name, dtype, is_tf32 in (
        ("float32", "float32", False),
        ("TensorFloat-32", "float32", True),
        ("bfloat16", "bfloat16", True),
        ("float16", "float16", True),
    ):
        tf.config.experimental.enable_tensor_float_32_execution(is_tf32)
        matrix = tf.ones([size, size], dtype)
        milliseconds = measure(lambda matrix=matrix: matrix @ matrix, options)
        print(f"products in {name}: {2e-9 * size**3 / milliseconds:.1f} TFLOP/s")
    tf.config.experimental.enable_tensor_float_32_execution(True)


def show_training(options):
    """Prints the time of a training step, which Keras' `fit` would take."""
    for kind, settings in KINDS.items():
        for policy in POLICIES:
            teacher = make(options, settings, policy)
            step = tf.function(teacher.train_step, autograph=False)
            batch = make_batch(options)
            milliseconds = measure(lambda step=step, batch=batch: step(batch)["loss"], options)
            loss = float(teacher.metrics[0].result())
            print(f"training step, {kind}, {policy}: {milliseconds:.1f} (loss {loss:.3f})")


def show_loss(options):
    """Prints the time of the loss and its gradients, and of two ways to find the best id."""
    rows = options.rows * options.length
    kernel = tf.Variable(tf.zeros([options.units, options.vocabulary]))
    labels, shares = tf.ones([rows], tf.int32), tf.fill([rows], 1 / rows)
    for dtype in ("float32", "bfloat16", "float16"):

        @tf.function(autograph=False)
        def loss(hidden):
            with tf.GradientTape() as tape:
                tape.watch(hidden)
                total, *_ = output_losses(hidden, kernel, None, labels, shares, training=True)
            return tape.gradient(total, [hidden, kernel])[1]

        hidden = tf.ones([rows, options.units], dtype)
        print(f"output loss, {dtype}: {measure(lambda: loss(hidden), options):.2f}")  # noqa: B023
    logits = tf.random.stateless_normal([rows, options.vocabulary], [1, 2])
    for name, find in (("argmax", tf.argmax), ("reduce_max", tf.reduce_max)):
        function = tf.function(lambda find=find: find(logits, axis=-1), autograph=False)
        print(f"{name} over the logits: {measure(function, options):.2f}")


def show_search(options):
    """Prints the time of one step of a search, for all sentences together."""
    for kind, settings in KINDS.items():
        model = make(options, settings, "float32").model
        inference = Inference([model], [_NoCodecs()], 1.0)
        source = make_batch(options)[0]["source_ids"]
        for beam in (1, 5):
            strategy = BeamSearch(
                beam_size=beam, maximum_length=options.length, minimum_length=options.length
            )

            @tf.function(autograph=False)
            def search(ids, inference=inference, strategy=strategy):
                return inference.search(({"source_ids": ids},), strategy).ids

            milliseconds = measure(lambda: search(source), options) / (options.length + 1)  # noqa: B023
            print(f"step of a search, {kind}, beam {beam}: {milliseconds:.2f}")


def show_input(options):
    """Prints the time of a step in Keras' `fit`, with batches that are on the device or not."""
    steps = max(5, int(options.seconds * 5))
    batches = tf.data.Dataset.from_tensors(make_batch(options)).repeat(steps).prefetch(2)
    kinds = {"as they are": batches}
    if tf.config.list_logical_devices("GPU"):
        kinds["on the GPU"] = batches.apply(tf.data.experimental.prefetch_to_device("/gpu:0"))
    for name, dataset in kinds.items():
        teacher = make(options, {}, "float32")
        teacher.fit(dataset, verbose=0)
        start = time.perf_counter()
        teacher.fit(dataset, verbose=0)
        seconds = time.perf_counter() - start
        print(f"step of fit, batches {name}: {1000 * seconds / steps:.1f}")


class _NoCodecs:
    source = target = None


def make(options, settings, policy):
    """Makes a compiled teacher."""
    keras.utils.set_random_seed(1)
    config = ModelConfig(**{"units": options.units, "embedding_dim": options.units, **settings})
    with use_dtype_policy(policy):
        model = build_seq2seq(config, options.vocabulary, options.vocabulary)
    teacher = make_teacher(model)
    optimizer = Adam(1e-3, global_clipnorm=1.0)
    if policy == "mixed_float16":
        optimizer = with_loss_scaling(optimizer)
    optimizer.build(model.trainable_variables)
    teacher.compile(optimizer, jit_compile=False)
    return teacher


def make_batch(options):
    """Makes a batch of random ids, with padding."""
    generator = np.random.default_rng(0)
    shape = options.rows, options.length
    lengths = generator.integers(options.length // 2, options.length + 1, (options.rows, 1))
    is_real = np.arange(options.length) < lengths
    source, target, labels = (
        (generator.integers(4, options.vocabulary, shape) * is_real).astype("int32")
        for _ in range(3)
    )
    return {"source_ids": source, "target_ids": target}, labels, is_real.astype("float32")


def measure(function, options):
    """Returns the median duration of a call in milliseconds, results fetched."""
    for _ in range(2):
        _fetch(function())
    durations, end = [], time.perf_counter() + options.seconds
    while not durations or time.perf_counter() < end:
        start = time.perf_counter()
        _fetch(function())
        durations.append(time.perf_counter() - start)
    return 1000 * statistics.median(durations)


def _fetch(tensor):
    """Waits until a tensor has been computed, by reading one number of it."""
    tf.reshape(tensor, [-1])[0].numpy()


if __name__ == "__main__":
    main()
