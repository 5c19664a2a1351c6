"""From the last hidden layer to the loss: logits, cross-entropy and gradients made together."""

import tensorflow as tf

LARGEST = 2**26  # logits that are held at once


def output_losses(
    hidden, kernel, bias, labels, weights, label_smoothing=0.0, transposed=False, training=False
):
    """Cross-entropy of labels under `softmax(hidden · kernel + bias)`.

    Some rows at a time: logits are made, used and forgotten. While training their gradients are
    made on the way, so that nothing of their size is kept, and nothing is computed twice. All
    but the products is float32.

    With label smoothing ε the label distribution gives `1 - ε` to the label and spreads ε
    evenly over all V ids (Szegedy et al. 2016, arXiv 1512.00567, section 7).

    Args:
        hidden: `[N, H]`, of the type that products are to be made in.
        kernel: `[H, V]`, or transposed `[V, H]`, float32.
        bias: `[V]`, float32, or None.
        labels: Ids, int32 `[N]`.
        weights: Of the rows, float32 `[N]`; 0 for padding.
        label_smoothing: The ε, from 0 to 1.
        transposed: Whether the kernel is.
        training: Whether gradients will be asked for.

    Returns:
        The smoothed cross-entropy averaged by weight, a scalar; and by row, float32 `[N]`, the
        cross-entropy in nats without smoothing, and 1 where the label has the highest logit.
    """
    parameters = [kernel] if bias is None else [kernel, bias]
    shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))

    @tf.custom_gradient
    def losses(hidden, *parameters):
        cast = [tf.cast(each, hidden.dtype) for each in parameters]

        def some(start, end):
            rows = slice(start, end)
            values = hidden[rows], labels[rows], shares[rows]
            return _some_losses(*values, cast, label_smoothing, transposed, training)

        count = tf.shape(hidden)[0]
        size = tf.minimum(count, LARGEST // kernel.shape[0 if transposed else 1])
        found = _all_rows(some, count, size)

        def gradient(upstream, *_):
            gradients = [found["hidden"], *found["parameters"]]
            return [tf.cast(upstream, each.dtype) * each for each in gradients]

        return (found["loss"], found["entropies"], found["correct"]), gradient

    return losses(hidden, *parameters)


def output_logits(hidden, kernel, bias, transposed=False):
    """Logits, float32 `[N, V]`; arguments as in `output_losses`."""
    products = tf.matmul(hidden, tf.cast(kernel, hidden.dtype), transpose_b=transposed)
    logits = tf.cast(products, tf.float32)
    return logits if bias is None else tf.nn.bias_add(logits, tf.cast(bias, tf.float32))


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


def _some_losses(hidden, labels, shares, parameters, label_smoothing, transposed, training):
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
        smoothed += label_smoothing * (normalizers - tf.reduce_mean(logits, axis=-1))
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
    spread = label_smoothing / tf.cast(tf.shape(logits)[-1], tf.float32)
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
