"""A Keras model that several devices train together: what a step of each of them adds up.

Keras' own `fit` runs as on one device: it reads an ordinary dataset and calls the training function
of the model. That function hands each replica its rows of the batch and runs the step on all of
them with `tf.distribute.Strategy.run`. In the step, gradients and metrics are added up over the
replicas. From then on all replicas compute the same, so that weights, variables of the optimizer
and metrics are the same on all of them, and can be read on any of them without asking the others.
"""

import types
import typing

import keras
import tensorflow as tf

# In Keras' optimizers for TensorFlow, these methods add up gradients and leave the replica. Those
# that all backends share stay in it, so they also work in a branch of a condition.
_UPDATES = (
    "_backend_update_step",
    "_backend_increment_gradient_accumulators",
    "_apply_weight_decay",
    "_overwrite_model_variables_with_average_value",
)


class ReplicatedModel(keras.Model):
    """A Keras model whose steps run on all replicas of a strategy.

    It is made outside the scope of the strategy, or Keras would distribute the data itself; its
    layers, its metrics and its optimizer are made inside.

    Args:
        strategy: `tf.distribute.Strategy`; the default one is that of a single device.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, strategy=None, **kwargs):
        super().__init__(**kwargs)
        self.strategy = strategy or tf.distribute.get_strategy()

    @property
    def has_replicas(self):
        """Whether there is more than one replica."""
        return self.strategy.num_replicas_in_sync > 1

    def compile(self, optimizer="rmsprop", **kwargs):
        """Configures `fit`; arguments as those of `keras.Model.compile`."""
        super().compile(optimizer, **kwargs)
        if self.has_replicas:
            _update_each_replica(self.optimizer)
            if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
                _update_each_replica(self.optimizer.inner_optimizer)

    def make_train_function(self, force=False):
        """Makes the function that Keras calls with an iterator for every step of training."""
        if not self.has_replicas:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = _run_on_replicas(self.strategy, self.train_step)
        return self.train_function

    def make_test_function(self, force=False):
        """Makes the function that Keras calls with an iterator for every step of validation."""
        if not self.has_replicas:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = _run_on_replicas(self.strategy, self.test_step)
        return self.test_function


class ReplicatedMean(keras.metrics.Mean):
    """A mean that every replica updates with the same numbers, and that each holds completely."""

    def add_variable(self, shape, initializer, dtype=None, aggregation="none", name=None):
        """Adds a variable whose copies are not added up; arguments as in Keras."""
        with keras.name_scope(self.name):
            variable = keras.Variable(
                keras.initializers.get(initializer),
                shape,
                dtype,
                trainable=False,
                aggregation="none",
                name=name,
            )
        self._tracker.add_to_store("variables", variable)
        return variable


class Measurement(typing.NamedTuple):
    """Values of a metric and their weights in its mean, `[N]` or scalars."""

    metric: str
    values: tf.Tensor
    weights: tf.Tensor


def add_up(loss, measurements, gradients=()):
    """Adds up what the replicas found in their rows of a batch, in one exchange.

    Args:
        loss: The share of these rows in the loss of the batch, a scalar.
        measurements: A list of `Measurement` about these rows.
        gradients: Gradients of that share; None where there is none.

    Returns:
        The same three for the whole batch, the same on all replicas. A metric has one measurement.
        On a single replica, everything is returned unchanged.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return loss, measurements, gradients
    names = list(dict.fromkeys(measurement.metric for measurement in measurements))
    totals, weights = (dict.fromkeys(names, 0.0) for _ in range(2))
    for name, *measurement in measurements:
        values, value_weights = (tf.cast(tensor, loss.dtype) for tensor in measurement)
        totals[name] += tf.reduce_sum(values * value_weights)
        weights[name] += tf.reduce_sum(value_weights)
    figures = tf.stack([loss, *totals.values(), *weights.values()])
    # The gradient of an embedding is a list of rows, and each replica has other ones.
    tensors = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
    figures, *sums = context.all_reduce(tf.distribute.ReduceOp.SUM, [figures, *tensors])
    sums = iter(sums)
    gradients = [None if gradient is None else next(sums) for gradient in gradients]
    loss, totals, weights = tf.split(figures, [1, len(names), len(names)])
    means = tf.math.divide_no_nan(totals, weights)
    pairs = (tf.unstack(tensor, len(names)) for tensor in (means, weights))
    return loss[0], [Measurement(*figure) for figure in zip(names, *pairs)], gradients


def _run_on_replicas(strategy, step):
    """Makes a function that runs a step on the next element of an iterator.

    An element is a tuple with the data of each replica of this process. The results of a step are
    the same on all replicas.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def run(iterator):
        pieces = iter(iterator.get_next())
        data = strategy.experimental_distribute_values_from_function(lambda _: next(pieces))
        results = strategy.run(step, args=(data,))
        return tf.nest.map_structure(
            lambda result: strategy.experimental_local_results(result)[0], results
        )

    return run


def _update_each_replica(optimizer):
    """Makes an optimizer update variables within each replica, by gradients already added up."""
    shared = [kind for kind in type(optimizer).__mro__ if _UPDATES[0] in vars(kind)][-1]
    for name in _UPDATES:
        setattr(optimizer, name, types.MethodType(getattr(shared, name), optimizer))
