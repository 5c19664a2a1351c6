"""The last layer of a model of text: its parameters, from the last hidden layer to logits."""


def output_layer(model):
    """Finds the parameters that turn the last hidden layer `[N, H]` of a text model into logits.

    Models that mix distributions have no such parameters: their decoder makes log-probabilities.

    Returns:
        The kernel `[H, V]`, its bias `[V]` or None, and whether the kernel is transposed,
        `[V, H]`.
    """
    decoder, config = model.get_layer("decoder"), model.config
    if not config.tie_output:
        layer = decoder.get_layer("logits")
        return layer.kernel, layer.bias, False
    name = "shared_embedding" if config.share_embeddings else "target_embedding"
    return decoder.get_layer(name).embeddings, None, True
