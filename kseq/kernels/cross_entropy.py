"""From the last hidden layer to the loss: logits, cross-entropy and gradients computed together."""

import typing

import tensorflow as tf

MAX_LOGITS = 2**25  # held in RAM at once
_MULTIPLE = 16  # ids: products are slow if rows start at unaligned addresses


def output_losses(
    hidden, kernel, bias, labels, shares, *, label_smoothing=0.0, transposed=False, training=False
):
    """Cross-entropy of labels under `softmax(hidden · kernel + bias)`.

    Works on one group of rows at a time: their logits are computed, used and discarded. While
    training, gradients are computed at the same time, so nothing as large as the logits is saved,
    and nothing is computed twice. Everything but the products and the added bias is float32.

    With label smoothing ε the label distribution gives `1 - ε` to the label and spreads ε
    evenly over all V ids (Szegedy et al. 2016, arXiv 1512.00567, section 7).

    Args:
        hidden: `[N, H]`, in the type that products are computed in.
        kernel: `[H, V]`, or transposed `[V, H]`, float32.
        bias: `[V]`, float32, or None.
        labels: Ids, int32 `[N]`.
        shares: The weight of each row in the loss, float32 `[N]`; 0 for padding.
        label_smoothing: The ε, from 0 to 1.
        transposed: Whether the kernel is transposed.
        training: Whether gradients are needed.

    Returns:
        The smoothed cross-entropy, summed with the shares as weights, a scalar; and for each row,
        float32 `[N]`, the cross-entropy in nats without smoothing, and 1 where the label has the
        highest logit. Only the sum has a gradient, and only with `training`.
    """
    # Read here: eagerly, a custom gradient cannot have variables among its arguments.
    parameters = [tf.convert_to_tensor(kernel)]
    if bias is not None:
        parameters.append(tf.convert_to_tensor(bias))
    ids = kernel.shape[0 if transposed else 1]

    @tf.custom_gradient
    def run(hidden, *parameters):
        cast = [tf.cast(parameter, hidden.dtype) for parameter in parameters]
        missing = -ids % _MULTIPLE
        if missing and bias is not None:  # Adding a bias would cost as much as padding saves.
            cast = pad_vocabulary(*cast, missing, transposed)
        layer = _OutputLayer(cast, ids, transposed)

        def compute_losses(start, end):
            rows = _Rows(hidden[start:end], labels[start:end], shares[start:end])
            return _group_losses(layer, rows, label_smoothing, training)

        count = tf.shape(hidden)[0]
        losses = _all_losses(compute_losses, count, tf.minimum(count, MAX_LOGITS // ids))

        def gradient(upstream, *_):
            gradients = [losses.hidden_gradient]
            for parameter, padded_gradient in zip(parameters, losses.parameter_gradients):
                begin = [0] * padded_gradient.shape.rank
                gradients.append(tf.slice(padded_gradient, begin, parameter.shape))
            return [tf.cast(upstream, tensor.dtype) * tensor for tensor in gradients]

        return (losses.loss, losses.entropies, losses.correct), gradient

    loss, *figures = run(hidden, *parameters)
    return loss, *map(tf.stop_gradient, figures)


def distribution_losses(log_probabilities, labels, shares, size, *, label_smoothing=0.0):
    """Cross-entropy of labels under distributions that are given.

    Args:
        log_probabilities: float32 `[N, V']`. Those of the first V ids are finite; more ids may
            follow, which the source of a row adds.
        labels: Ids, int32 `[N]`.
        shares: The weight of each row in the loss, float32 `[N]`; 0 for padding.
        size: Number of ids V over which the label smoothing is spread.
        label_smoothing: As in `output_losses`.

    Returns:
        The same as `output_losses`; the sum has a gradient by TensorFlow.
    """
    entropies = -tf.gather(log_probabilities, labels, batch_dims=1)
    smoothed = entropies
    if label_smoothing:
        spread = -tf.reduce_mean(log_probabilities[:, :size], axis=1)
        smoothed = (1.0 - label_smoothing) * entropies + label_smoothing * spread
    best = tf.argmax(log_probabilities, axis=-1)
    correct = tf.cast(best == tf.cast(labels, best.dtype), tf.float32)
    return tf.reduce_sum(smoothed * shares), tf.stop_gradient(entropies), correct


def output_logits(hidden, kernel, bias, transposed=False):
    """Computes logits, float32 `[N, V]`; arguments as in `output_losses`."""
    logits = tf.matmul(hidden, tf.cast(kernel, hidden.dtype), transpose_b=transposed)
    if bias is not None:
        logits = tf.nn.bias_add(logits, tf.cast(bias, logits.dtype))
    return tf.cast(logits, tf.float32)


def pad_vocabulary(kernel, bias, missing, transposed=False):
    """Pads an output layer with ids whose probability is always 0.

    Args:
        kernel: `[H, V]`, or transposed `[V, H]`.
        bias: `[V]`, or None for zeros.
        missing: Number of ids to add.
        transposed: Whether the kernel is transposed.

    Returns:
        Kernel and bias with `V + missing` ids.
    """
    if bias is None:
        bias = tf.zeros([kernel.shape[0 if transposed else 1]], kernel.dtype)
    axis = 0 if transposed else 1
    sizes = [missing if number == axis else size for number, size in enumerate(kernel.shape)]
    impossible = tf.fill([missing], tf.constant(float("-inf"), bias.dtype))
    kernel = tf.concat([kernel, tf.zeros(sizes, kernel.dtype)], axis)
    return kernel, tf.concat([bias, impossible], axis=0)


class _OutputLayer(typing.NamedTuple):
    """The padded kernel, and the bias if there is one, in the type of products; the real ids."""

    parameters: list
    ids: int
    transposed: bool


class _Rows(typing.NamedTuple):
    """A group of rows; fields as the arguments of `output_losses`."""

    hidden: tf.Tensor
    labels: tf.Tensor
    shares: tf.Tensor


class _Losses(typing.NamedTuple):
    """Losses of a group of rows, and gradients of the loss, which are unused unless training."""

    loss: tf.Tensor  # a scalar
    entropies: tf.Tensor  # [N]
    correct: tf.Tensor  # [N]
    hidden_gradient: tf.Tensor  # [N, H]
    parameter_gradients: list  # shaped like the parameters


def _all_losses(compute_losses, count, size):
    """`_Losses` of `count` rows, in groups of `size`; the function takes a start and an end."""
    first = compute_losses(0, size)

    def body(start, losses):
        group = compute_losses(start, start + size)
        return start + size, _Losses(
            losses.loss + group.loss,
            tf.concat([losses.entropies, group.entropies], axis=0),
            tf.concat([losses.correct, group.correct], axis=0),
            tf.concat([losses.hidden_gradient, group.hidden_gradient], axis=0),
            [tf.add(*pair) for pair in zip(losses.parameter_gradients, group.parameter_gradients)],
        )

    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, first)
    by_row = {
        name: tf.TensorShape([None, *getattr(shapes, name)[1:]])
        for name in ("entropies", "correct", "hidden_gradient")
    }
    _, losses = tf.while_loop(
        lambda start, *_: start < count,
        body,
        (size, first),
        (tf.TensorShape([]), shapes._replace(**by_row)),
    )
    return losses


def _group_losses(layer, rows, label_smoothing, training):
    """`_Losses` of a group of `_Rows`."""
    kernel, *bias = layer.parameters
    logits = output_logits(rows.hidden, kernel, bias[0] if bias else None, layer.transposed)
    # Several times faster on a CPU than TensorFlow's sparse cross-entropy.
    probabilities = tf.nn.softmax(logits)
    best = tf.argmax(logits, axis=-1)
    # The largest probability is at least 1/V, so its logarithm is safe; others may underflow.
    highest = tf.gather(logits, best, batch_dims=1)
    normalizers = highest - tf.math.log(tf.gather(probabilities, best, batch_dims=1))
    entropies = normalizers - tf.gather(logits, rows.labels, batch_dims=1)
    smoothed = (1.0 - label_smoothing) * entropies
    if label_smoothing:
        smoothed += label_smoothing * (normalizers - _mean_logits(layer, rows.hidden))
    hidden_gradient, parameter_gradients = rows.hidden, []
    if training:
        hidden_gradient, parameter_gradients = _gradients(
            layer, rows, probabilities, label_smoothing
        )
    return _Losses(
        tf.reduce_sum(smoothed * rows.shares),
        entropies,
        # As int64: TensorFlow compares int32 on the processor, even if the numbers are on a GPU.
        tf.cast(best == tf.cast(rows.labels, best.dtype), tf.float32),
        hidden_gradient,
        parameter_gradients,
    )


def _gradients(layer, rows, probabilities, label_smoothing):
    """Gradients of the loss with respect to the hidden layer, `[N, H]`, and the parameters."""
    kernel, *bias = layer.parameters
    hidden, labels, shares = rows
    spread = label_smoothing / layer.ids
    label_errors = tf.gather(probabilities, labels, batch_dims=1) - spread - (1 - label_smoothing)
    errors = probabilities - spread if label_smoothing else probabilities
    indices = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)
    # In float32: a GPU cannot scatter in half precision, so that the errors would leave it.
    errors = tf.cast(tf.tensor_scatter_nd_update(errors, indices, label_errors), hidden.dtype)

    # The hidden layer is multiplied by the shares, as it is narrower than the errors.
    def weigh(rows):
        return tf.cast(tf.cast(rows, tf.float32) * shares[:, None], hidden.dtype)

    hidden_gradient = weigh(tf.matmul(errors, kernel, transpose_b=not layer.transposed))
    factors = (errors, weigh(hidden)) if layer.transposed else (weigh(hidden), errors)
    parameter_gradients = [tf.cast(tf.matmul(*factors, transpose_a=True), tf.float32)]
    if bias:
        bias_gradient = tf.linalg.matvec(errors, tf.cast(shares, errors.dtype), transpose_a=True)
        parameter_gradients.append(tf.cast(bias_gradient, tf.float32))
    return hidden_gradient, parameter_gradients


def _mean_logits(layer, hidden):
    """The mean of the logits over all ids, float32 `[N]`, computed from the sum of the kernel."""
    hidden, kernel, *bias = (tf.cast(tensor, tf.float32) for tensor in (hidden, *layer.parameters))
    sums = tf.linalg.matvec(hidden, tf.reduce_sum(kernel, axis=0 if layer.transposed else 1))
    return (sums + sum(tf.reduce_sum(vector[: layer.ids]) for vector in bias)) / layer.ids
