"""Schedules of scheduled sampling: how often a decoder reads its own outputs, step by step."""

import math

import tensorflow as tf

_REMAINDER = 0.01  # of the share, which is still missing after the steps of a curved schedule


def sampling_schedule(kind, share, steps):
    """Makes a schedule of Bengio et al. 2015 (arXiv 1506.03099), section 2.4.

    There, `ε_i` is the probability of reading the correct target at training step i. It falls by
    `k - c i` (linear), `k^i` (exponential) or `k / (k + exp(i / k))` (inverse sigmoid). Here, the
    probability of reading an output of the model is `share · (1 - ε_i)`, where `k` and `c` are
    chosen so that `ε_i` reaches 0 after the given number of steps, or 0.01 if it never reaches 0.

    Args:
        kind: `"constant"` (`ε_i = 0`), `"linear"`, `"exponential"` or `"inverse_sigmoid"`.
        share: Largest probability of reading an output of the model.
        steps: Number of steps of the schedule, at least 1.

    Returns:
        A function from the number of the training step, from 0, to that probability, float32.
    """
    decay = _DECAYS[kind](steps)
    return lambda step: share * (1.0 - decay(tf.cast(step, tf.float32)))


def _constant(steps):
    return lambda step: tf.zeros([])


def _linear(steps):
    return lambda step: tf.maximum(0.0, 1.0 - step / steps)


def _exponential(steps):
    rate = math.log(_REMAINDER) / steps  # log k
    return lambda step: tf.exp(rate * step)


def _inverse_sigmoid(steps):
    k = _sigmoid_constant(steps)
    # The same as k / (k + exp(i / k)), but exp(i / k) could overflow.
    return lambda step: tf.sigmoid(math.log(k) - step / k)


def _sigmoid_constant(steps):
    """Finds the k, at least 1, with `k / (k + exp(steps / k)) = _REMAINDER`, by bisection."""
    low, high = 1.0, max(1.0, float(steps))
    for _ in range(100):
        k = (low + high) / 2
        needed = k * math.log(k * (1 / _REMAINDER - 1))
        low, high = (k, high) if needed < steps else (low, k)
    return low


_DECAYS = {
    "constant": _constant,
    "linear": _linear,
    "exponential": _exponential,
    "inverse_sigmoid": _inverse_sigmoid,
}
