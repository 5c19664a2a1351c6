"""From the last hidden layer to the loss: logits, cross-entropy and gradients made together."""

import tensorflow as tf

LARGEST = 2**25  # logits that are held at once
_MULTIPLE = 16  # ids: rows that start at odd places make products and their gradients slow


def output_losses(
    hidden, kernel, bias, labels, shares, label_smoothing=0.0, transposed=False, training=False
):
    """Cross-entropy of labels under `softmax(hidden · kernel + bias)`.

    Some rows at a time: logits are made, used and forgotten. While training their gradients are
    made on the way, so that nothing of their size is kept, and nothing is computed twice. All
    but the products and the bias that is added to them is float32.

    With label smoothing ε the label distribution gives `1 - ε` to the label and spreads ε
    evenly over all V ids (Szegedy et al. 2016, arXiv 1512.00567, section 7).

    Args:
        hidden: `[N, H]`, of the type that products are to be made in.
        kernel: `[H, V]`, or transposed `[V, H]`, float32.
        bias: `[V]`, float32, or None.
        labels: Ids, int32 `[N]`.
        shares: What each row counts in the loss, float32 `[N]`; 0 for padding.
        label_smoothing: The ε, from 0 to 1.
        transposed: Whether the kernel is.
        training: Whether gradients will be asked for.

    Returns:
        The smoothed cross-entropy summed by share, a scalar; and by row, float32 `[N]`, the
        cross-entropy in nats without smoothing, and 1 where the label has the highest logit.
    """
    parameters = [kernel] if bias is None else [kernel, bias]
    ids = kernel.shape[0 if transposed else 1]

    @tf.custom_gradient
    def losses(hidden, *parameters):
        cast = [tf.cast(each, hidden.dtype) for each in parameters]
        added = -ids % _MULTIPLE
        if added and bias is not None:  # Without one, to add one would take as long.
            cast = padded(*cast, added, transposed)

        def some(start, end):
            rows = slice(start, end)
            values = hidden[rows], labels[rows], shares[rows]
            return _some_losses(*values, cast, ids, label_smoothing, transposed, training)

        count = tf.shape(hidden)[0]
        found = _all_rows(some, count, tf.minimum(count, LARGEST // ids))

        def gradient(upstream, *_):
            gradients = [found["hidden"]]
            for parameter, more in zip(parameters, found["parameters"]):
                gradients.append(tf.slice(more, [0] * more.shape.rank, parameter.shape))
            return [tf.cast(upstream, each.dtype) * each for each in gradients]

        return (found["loss"], found["entropies"], found["correct"]), gradient

    return losses(hidden, *parameters)


def output_logits(hidden, kernel, bias, transposed=False):
    """Logits, float32 `[N, V]`; arguments as in `output_losses`."""
    logits = tf.matmul(hidden, tf.cast(kernel, hidden.dtype), transpose_b=transposed)
    if bias is not None:
        logits = tf.nn.bias_add(logits, tf.cast(bias, logits.dtype))
    return tf.cast(logits, tf.float32)


def padded(kernel, bias, added, transposed=False):
    """Kernel and bias with so many more ids, which are never probable."""
    if bias is None:
        bias = tf.zeros([kernel.shape[0 if transposed else 1]], kernel.dtype)
    axis = 0 if transposed else 1
    rows = [added if place == axis else size for place, size in enumerate(kernel.shape)]
    never = tf.fill([added], tf.constant(float("-inf"), bias.dtype))
    kernel = tf.concat([kernel, tf.zeros(rows, kernel.dtype)], axis)
    return kernel, tf.concat([bias, never], axis=0)


def _all_rows(some, count, size):
    """Adds up, or puts behind one another, what is found in groups of rows."""
    found = some(0, size)
    added = {name: found.pop(name) for name in ("loss", "parameters")}

    def body(start, added, found):
        more = some(start, start + size)
        added = tf.nest.map_structure(
            tf.add, added, {name: more.pop(name) for name in ("loss", "parameters")}
        )
        found = {name: tf.concat([found[name], more[name]], axis=0) for name in found}
        return start + size, added, found

    shapes = {name: tf.TensorShape([None, *tensor.shape[1:]]) for name, tensor in found.items()}
    _, added, found = tf.while_loop(
        lambda start, *_: start < count,
        body,
        (size, added, found),
        (tf.TensorShape([]), tf.nest.map_structure(lambda each: each.shape, added), shapes),
    )
    return {**added, **found}


def _some_losses(hidden, labels, shares, parameters, ids, label_smoothing, transposed, training):
    """The losses of some rows, and the gradients of their share in the mean."""
    kernel, *bias = parameters
    logits = output_logits(hidden, kernel, bias[0] if bias else None, transposed)
    # On a CPU several times faster than TensorFlow's sparse cross-entropy.
    probabilities = tf.nn.softmax(logits)
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    # The largest probability is at least 1/V: its logarithm is safe where others underflow.
    highest, largest = (tf.gather(each, best, batch_dims=1) for each in (logits, probabilities))
    normalizers = highest - tf.math.log(largest)
    entropies = normalizers - tf.gather(logits, labels, batch_dims=1)
    smoothed = (1.0 - label_smoothing) * entropies
    if label_smoothing:
        means = _mean_logits(hidden, parameters, ids, transposed)
        smoothed += label_smoothing * (normalizers - means)
    found = {
        "loss": tf.reduce_sum(smoothed * shares),
        "entropies": entropies,
        "correct": tf.cast(best == labels, tf.float32),
        "hidden": hidden,
        "parameters": [],
    }
    if not training:
        return found
    # The shares are put to the hidden layer, which is narrower than the errors.
    spread = label_smoothing / ids
    at_labels = tf.gather(probabilities, labels, batch_dims=1) - spread - (1.0 - label_smoothing)
    errors = tf.cast(probabilities - spread if label_smoothing else probabilities, hidden.dtype)
    places = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)
    errors = tf.tensor_scatter_nd_update(errors, places, tf.cast(at_labels, hidden.dtype))

    def shared(rows):
        return tf.cast(tf.cast(rows, tf.float32) * shares[:, None], hidden.dtype)

    found["hidden"] = shared(tf.matmul(errors, kernel, transpose_b=not transposed))
    sides = (errors, shared(hidden)) if transposed else (shared(hidden), errors)
    found["parameters"] = [tf.cast(tf.matmul(*sides, transpose_a=True), tf.float32)]
    if bias:
        of_bias = tf.linalg.matvec(errors, tf.cast(shares, errors.dtype), transpose_a=True)
        found["parameters"].append(tf.cast(of_bias, tf.float32))
    return found


def _mean_logits(hidden, parameters, ids, transposed):
    """The mean over all ids, float32 `[N]`, by way of the mean of the kernel."""
    hidden, kernel, *bias = (tf.cast(each, tf.float32) for each in (hidden, *parameters))
    sums = tf.linalg.matvec(hidden, tf.reduce_sum(kernel, axis=0 if transposed else 1))
    return (sums + sum(tf.reduce_sum(each[:ids]) for each in bias)) / ids
