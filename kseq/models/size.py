"""The size of a model, estimated before it is built."""


def least_parameters(
    config,
    source_vocabulary_size=None,
    target_vocabulary_size=None,
    feature_vocabulary_size=None,
):
    """Returns a number of parameters that a model of `build_seq2seq` has at least.

    It has less than 30 times as many. Nothing is built, so that a model too large for the RAM can
    be refused.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: As for `build_seq2seq`.
        target_vocabulary_size: As for `build_seq2seq`.
        feature_vocabulary_size: As for `build_seq2seq`.
    """
    units, source, target = config.units, source_vocabulary_size or 0, target_vocabulary_size or 0
    embedded = target if config.share_embeddings else source + target
    embedded += feature_vocabulary_size or 0
    features = config.source_features, config.target_features
    inputs = [width or config.embedding_dim for width in features]
    inputs[1] += config.target_covariates
    # With both directions concatenated, a layer of the encoder has two matrices of half the units.
    return (
        embedded * config.embedding_dim
        + sum(inputs) * units
        + units**2 * config.encoder_layers // 2
        + units**2 * config.decoder_layers
        + (0 if config.tie_output else target * units)
    )
