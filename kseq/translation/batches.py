"""Batches of rows of similar length, run two at a time; results in the order of the rows."""

import threading

import numpy as np
import tensorflow as tf

from kseq.kernels.processor import AT_ONCE, usable_cores

MIN_SENTENCES = 16  # in a batch that is made only so that two batches run at a time
BATCH_SENTENCES = 256
BATCH_TOKENS = 4096  # source tokens of a batch, padding included; or steps of real values
LOGITS_AT_ONCE = 2**24  # in all batches that run at the same time, 64 MiB


def run_by_length(run, lengths, sentence_logits=1, token_logits=1):
    """Runs a function on batches of rows of similar length; returns the results in order.

    Args:
        run: Function from an array of row numbers `[B]` to an iterable of B results. On a CPU two
            threads call it at the same time.
        lengths: Length of each row, `[N]`.
        sentence_logits: Logits that are in RAM at the same time for each row.
        token_logits: The same for each unit of its length.

    Returns:
        A list of N results.
    """
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    at_once = 1 if has_gpu else min(AT_ONCE, usable_cores())
    min_batches = -(-len(lengths) // BATCH_SENTENCES)
    if len(lengths) >= at_once * MIN_SENTENCES:
        min_batches = max(min_batches, at_once)
    share = -(-len(lengths) // max(1, min_batches))
    logits = LOGITS_AT_ONCE // at_once
    sentences = max(1, min(share, logits // sentence_logits))
    tokens = max(1, min(BATCH_TOKENS, logits // token_logits))
    batches = list(_batches(np.asarray(lengths), sentences, tokens))
    results = [None] * len(lengths)
    for rows, batch_results in zip(batches, _run_all(run, batches, at_once)):
        for row, result in zip(rows, batch_results):
            results[row] = result
    return results


def _batches(lengths, sentences, tokens):
    """Cuts rows, longest first, into batches of limited size; yields arrays of row numbers."""
    batch = []
    for row in np.argsort(-lengths, kind="stable"):
        if batch and (len(batch) == sentences or lengths[batch[0]] * (len(batch) + 1) > tokens):
            yield np.array(batch)
            batch = []
        batch.append(row)
    if batch:
        yield np.array(batch)


def _run_all(run, batches, at_once):
    """Runs the batches in this thread and others; returns a list of results for each batch.

    After an error no further batch is started. Executors cannot be used: once the main thread has
    ended, they reject work even if other threads are still running.
    """
    results, errors = [None] * len(batches), []
    numbers = iter(range(len(batches)))

    def work():
        try:
            for number in numbers:
                if errors:
                    break
                results[number] = list(run(batches[number]))
        except BaseException as error:
            errors.append(error)

    helpers = _start_threads(work, min(at_once, len(batches)) - 1)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return results


def _start_threads(work, count):
    """Starts up to `count` threads: none can be started while the interpreter shuts down."""
    threads = []
    for _ in range(count):
        thread = threading.Thread(target=work)
        try:
            thread.start()
        except RuntimeError:
            break
        threads.append(thread)
    return threads
