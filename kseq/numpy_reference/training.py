"""Training: a batch, its loss, the gradients of all weights, and an update with Adam."""

import numpy as np

from kseq.numpy_reference.cells import GATES
from kseq.numpy_reference.layers import softmax
from kseq.numpy_reference.model import decode, encode
from kseq.special_tokens import END, PAD, START


def initial_weights(
    source_vocabulary_size, target_vocabulary_size, *, units, embedding_dim, cell="gru", seed=0
):
    """Makes the weights of a new model, which are also a list of everything that it consists of.

    The numbers of `kseq.build_seq2seq`: uniform kernels (Glorot and Bengio 2010), orthogonal
    recurrent kernels (Saxe et al. 2014), small normal embeddings, and biases of 0, except for
    that of a forget gate, which starts open (Gers et al. 2000).

    Args:
        source_vocabulary_size: Number of source ids.
        target_vocabulary_size: Number of target ids V.
        units: Width H of the decoder, and of encoder output and attention; even.
        embedding_dim: Width E of the embeddings.
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        seed: Seed of the random numbers.

    Returns:
        Weights by name.
    """
    random, gates, half = np.random.default_rng(seed), GATES[cell], units // 2

    def kernel(rows, columns):
        limit = np.sqrt(6.0 / (rows + columns))
        return random.uniform(-limit, limit, (rows, columns))

    def recurrent_kernel(size):
        return np.linalg.qr(random.normal(size=(gates * size, size)))[0].T

    weights = {}
    vocabularies = {"source": source_vocabulary_size, "target": target_vocabulary_size}
    for (side, size), usual in zip(vocabularies.items(), (0.03, 0.2)):
        deviation = 0.5 if size <= 256 else usual
        weights[f"{side}_embedding/embeddings"] = random.normal(0, deviation, (size, embedding_dim))
    for direction in ("forward", "backward"):
        name = f"encoder_layer_1/{direction}"
        weights[f"{name}/kernel"] = kernel(embedding_dim, gates * half)
        weights[f"{name}/recurrent_kernel"] = recurrent_kernel(half)
        weights[f"{name}/bias"] = np.zeros((2, 3 * half) if cell == "gru" else gates * half)
        if cell == "lstm":
            weights[f"{name}/bias"][half : 2 * half] = 1.0
    layers = {"attention_keys": (units, units, False)}
    for part in range(2 if cell == "lstm" else 1):
        layers[f"bridge_1_{part + 1}"] = (units, units, True)
    layers["attention_decoder/inputs_1"] = (embedding_dim, gates * units, True)
    layers["attention_decoder/context"] = (units, gates * units, False)
    layers["attention_decoder/attention/query"] = (units, units, False)
    layers["readout"] = (2 * units + embedding_dim, units, True)
    layers["logits"] = (units, target_vocabulary_size, True)
    for name, (rows, columns, has_bias) in layers.items():
        weights[f"{name}/kernel"] = kernel(rows, columns)
        if has_bias:
            weights[f"{name}/bias"] = np.zeros(columns)
    weights["attention_decoder/attention/energy"] = kernel(units, 1)
    weights["attention_decoder/cell_1/recurrent_kernel"] = recurrent_kernel(units)
    if cell == "gru":
        weights["attention_decoder/cell_1/recurrent_bias"] = np.zeros(units)
    if cell == "lstm":
        weights["attention_decoder/cell_1/forget_bias"] = np.ones(units)
    return weights


def make_batch(pairs):
    """Makes the arrays of a batch.

    Args:
        pairs: Pairs of a source and a target, lists of ids without special tokens.

    Returns:
        Source ids `[B, S]`, which end with END; target ids `[B, T]`, which begin with START; and
        labels `[B, T]`, the same words one position earlier, with END after the last. PAD follows.
    """
    sources, targets = zip(*pairs)
    return (
        _pad([[*source, END] for source in sources]),
        _pad([[START, *target] for target in targets]),
        _pad([[*target, END] for target in targets]),
    )


def _pad(rows):
    ids = np.full((len(rows), max(map(len, rows))), PAD, np.int32)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    return ids


def cross_entropy(logits, labels):
    """The loss: the mean of `-log p(y_i)` over all words of a batch, `p = softmax(logits)`.

    Cho et al. 2014 (arXiv 1406.1078), equation 4, for each word instead of each sentence. Its
    gradient is `p - 1` at the label and p elsewhere, divided by the number of words.

    Args:
        logits: `[B, T, V]`.
        labels: Ids `[B, T]`; those that are PAD have no weight.

    Returns:
        The loss, and its gradient with respect to the logits, `[B, T, V]`.
    """
    is_word = labels != PAD
    gradient = softmax(logits)
    rows, columns = np.nonzero(is_word)
    at_labels = rows, columns, labels[is_word]
    loss = -np.log(gradient[at_labels]).sum() / is_word.sum()
    gradient[at_labels] -= 1.0
    return loss, gradient * is_word[..., None] / is_word.sum()


def loss_and_gradients(weights, source_ids, target_ids, labels):
    """Runs the model forward and backward.

    Args:
        weights: Weights by name.
        source_ids: Ids `[B, S]`.
        target_ids: Ids `[B, T]`.
        labels: Ids `[B, T]`.

    Returns:
        The loss, and its gradient with respect to each weight, by name.
    """
    gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
    source, state, encoder_backward = encode(weights, source_ids)
    logits, _, decoder_backward = decode(weights, target_ids, state, source)
    loss, logits_gradient = cross_entropy(logits, labels)
    encoder_backward(*decoder_backward(logits_gradient, gradients), gradients)
    return loss, gradients


def clip_by_global_norm(gradients, limit):
    """Shortens gradients whose common norm is larger than a limit (Pascanu et al. 2013).

    Args:
        gradients: Gradients by name.
        limit: The largest norm of all of them as one vector.

    Returns:
        The gradients, times `limit / norm` if the norm is larger.
    """
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
    factor = min(1.0, limit / norm)
    return {name: factor * gradient for name, gradient in gradients.items()}


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980), algorithm 1.

    With the order of computation at the end of their section 2, as in Keras:
    `θ - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`.

    Args:
        learning_rate: α.
        decays: β₁ and β₂.
        epsilon: ε.
    """

    def __init__(self, learning_rate=0.001, decays=(0.9, 0.999), epsilon=1e-7):
        self.learning_rate, self.decays, self.epsilon = learning_rate, decays, epsilon
        self.steps = 0
        self.moments = {}

    def update(self, weights, gradients):
        """Changes the weights in place.

        Args:
            weights: Weights by name.
            gradients: Their gradients, by the same names.
        """
        self.steps += 1
        first_decay, second_decay = self.decays
        correction = np.sqrt(1.0 - second_decay**self.steps) / (1.0 - first_decay**self.steps)
        for name, gradient in gradients.items():
            mean, square = self.moments.get(name, (0.0, 0.0))
            mean = first_decay * mean + (1.0 - first_decay) * gradient
            square = second_decay * square + (1.0 - second_decay) * gradient**2
            self.moments[name] = mean, square
            step = mean / (np.sqrt(square) + self.epsilon)
            weights[name] -= self.learning_rate * correction * step
