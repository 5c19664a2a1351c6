"""Which settings of the model exclude each other."""

from kseq.settings.own_parts import OwnPart


def has_transformer(config):
    """Returns whether the encoder or the decoder is that of a Transformer."""
    return not (config.has_recurrent_encoder and config.has_recurrent_decoder)


def _kind_of_attention(config):
    """One of the kinds that kseq has, or an empty string."""
    return config.attention if isinstance(config.attention, str) else ""


def _has_text_only(config):
    return not config.source_features and not config.target_features


def _attends_to_features(config):
    return config.features == "tokens"


# Kinds of attention to positions in any order, of which some can be features.
_UNORDERED = ("bahdanau", "coverage", "trained_query", "multi_head", "luong")

_ENCODER_SETTINGS = ("bidirectional", "merge", "reverse_source", "pyramid", "source_deviation")
_DECODER_SETTINGS = (
    *("attention_layer", "input_feeding", "context", "bridge", "readout", "target_deviation"),
)


def _attends_after_cell(config):
    """Whether the query is the state after the step, as in Luong et al. 2015."""
    return _kind_of_attention(config).startswith(("luong", "local_")) or config.attention in (
        *("location", "trained_query"),
    )


def _has_readout(config):
    return not _attends_after_cell(config) or (
        config.attention_layer == "bottom" and config.decoder_layers > 1
    )


def _may_hand_over_states(config):
    """Whether both cells have as many states; those of a user's cells are compared later."""
    cells = config.cell, config.decoder_cell
    is_own = any(isinstance(cell, OwnPart) for cell in cells)
    return is_own or cells[1] == "same" or (cells[0] == "lstm") == (cells[1] == "lstm")


_OF_SOURCES = (
    *_ENCODER_SETTINGS,
    *("context", "context_every_step", "decoder_cell", "share_embeddings", "copy"),
    *("source_features", "features"),
)


# A setting, the condition under which it may differ from its default, and the rest of the message
# if the condition is not met.
CONDITIONS = (
    *(
        (
            "encoder_layers",
            lambda config, is_met=is_met: config.encoder_layers or is_met(config),
            text,
        )
        for is_met, text in (
            (
                lambda config: not has_transformer(config),
                "is a language model, a decoder alone, which has to be recurrent; use "
                "{architecture}=recurrent",
            ),
            (
                lambda config: config.attention == "none",
                "is a language model, a decoder alone, which has nothing to attend to; use "
                "{attention}=none",
            ),
            (
                lambda config: not config.target_features,
                "is a language model, which writes text; for real values use at least 1",
            ),
        )
    ),
    *(
        (
            name,
            lambda config: not config.is_language_model,
            "needs a source, and a language model ({encoder_layers}=0) has none; leave it out",
        )
        for name in _OF_SOURCES
    ),
    (
        "bridge",
        lambda config: config.bridge != "none" or not config.is_language_model,
        "hands over the states of an encoder, and a language model ({encoder_layers}=0) has none; "
        "use {bridge}=tanh",
    ),
    (
        "attention",
        lambda config: (config.attention == "multi_head") != config.has_recurrent_decoder,
        "does not fit the architecture; a transformer has {attention}=multi_head, for the other "
        "kinds use a recurrent decoder: {architecture}=recurrent or "
        "{decoder_architecture}=recurrent",
    ),
    *(
        (
            name,
            is_met,
            "has no effect with {architecture}=transformer; use {architecture}=recurrent",
        )
        for name, is_met in (
            ("cell", lambda config: config.has_recurrent_encoder or config.has_recurrent_decoder),
            *((name, lambda config: config.has_recurrent_encoder) for name in _ENCODER_SETTINGS),
        )
    ),
    *(
        (
            name,
            lambda config: config.has_recurrent_decoder,
            "has no effect on the decoder of a Transformer; use {decoder_architecture}=recurrent",
        )
        for name in _DECODER_SETTINGS
    ),
    (
        "decoder_cell",
        lambda config: not has_transformer(config),
        "needs a recurrent encoder and a recurrent decoder; with one of them, use {cell}",
    ),
    ("heads", has_transformer, "needs {architecture}=transformer"),
    (
        "merge",
        lambda config: config.bidirectional,
        "needs {bidirectional}=true; a single direction has nothing to merge with",
    ),
    (
        "residual",
        lambda config: (
            (config.has_recurrent_encoder and config.encoder_layers > 1)
            or (config.has_recurrent_decoder and config.decoder_layers > 1)
        ),
        "needs {encoder_layers} or {decoder_layers} of at least 2, of recurrent layers",
    ),
    (
        "residual",
        lambda config: not config.pyramid,
        "does not fit {pyramid}=true, where the input of a layer is longer than its output; leave "
        "one of them out",
    ),
    (
        "reverse_source",
        lambda config: not config.bidirectional,
        "needs {bidirectional}=false; with both directions it would change nothing",
    ),
    ("pyramid", lambda config: config.encoder_layers > 1, "needs {encoder_layers} of at least 2"),
    (
        "attention_layer",
        lambda config: config.attention != "none",
        "needs {attention}; use {attention}=luong_general, for instance",
    ),
    (
        "attention_layer",
        lambda config: config.attention != "hard",
        "has no effect with {attention}=hard, which reads the top layer; leave it out",
    ),
    (
        "attention_layer",
        lambda config: config.decoder_layers > 1,
        "needs {decoder_layers} of at least 2; a single layer is both bottom and top",
    ),
    (
        "input_feeding",
        lambda config: isinstance(config.attention, OwnPart) or _attends_after_cell(config),
        "needs one of the kinds of Luong et al., such as {attention}=luong_general; the others "
        "have no input feeding",
    ),
    (
        "window",
        lambda config: _kind_of_attention(config).startswith("local_") or config.alignment_order,
        "needs {attention}=local_m or {attention}=local_p, or {alignment_order}=1 with "
        "{attention}=hard",
    ),
    (
        "local_score",
        lambda config: _kind_of_attention(config).startswith("local_"),
        "needs {attention}=local_m or {attention}=local_p",
    ),
    *(
        (name, lambda config: config.attention == "hard", "needs {attention}=hard")
        for name in ("alignment_order", "monotonic")
    ),
    (
        "attention",
        lambda config: config.attention != "hard" or not config.target_features,
        "needs a text target; for real values use {attention}=local_m, for instance",
    ),
    (
        "positions",
        lambda config: config.attention == "location",
        "needs {attention}=location; the other kinds read all positions",
    ),
    *(
        (
            name,
            lambda config: config.attention == "location_aware",
            "needs {attention}=location_aware",
        )
        for name in ("filters", "filter_width")
    ),
    (
        "filter_width",
        lambda config: config.filter_width % 2,
        "must be odd, so that a filter has a middle",
    ),
    ("coverage_loss", lambda config: config.attention == "coverage", "needs {attention}=coverage"),
    ("coverage_loss", lambda config: not config.target_features, "needs a text target"),
    *(
        (
            "bridge",
            lambda config, is_met=is_met: config.bridge != "none" or is_met(config),
            reason,
        )
        for is_met, reason in (
            (
                lambda config: config.has_recurrent_encoder,
                "needs {architecture}=recurrent; the encoder of a Transformer has no states",
            ),
            (
                lambda config: config.context == "last",
                "hands over the last states as they are, so it needs {context}=last",
            ),
            (
                lambda config: config.encoder_layers == config.decoder_layers,
                "hands over the states of each layer to the same layer of the decoder, so it needs "
                "as many {encoder_layers} as {decoder_layers}",
            ),
            (
                _may_hand_over_states,
                "hands over the states as they are, but an LSTM has two and the other cells have "
                "one; use {decoder_cell}=same",
            ),
        )
    ),
    (
        "readout",
        lambda config: config.attention != "hard",
        "has no effect with {attention}=hard, which has a tanh layer of its own; leave it out",
    ),
    (
        "readout",
        _has_readout,
        "has no effect with this {attention}: the attentional state takes its place; use "
        "{attention}=bahdanau, or {decoder_layers}=2 with {attention_layer}=bottom",
    ),
    (
        "context",
        lambda config: (
            config.context != "backward" or (config.has_recurrent_encoder and config.bidirectional)
        ),
        "needs a recurrent encoder with {bidirectional}=true; use {context}=last",
    ),
    (
        "context",
        lambda config: config.context != "backward" or config.attention != "none",
        "needs {attention}, because without it nothing would read the forward direction; use "
        "{bidirectional}=false with {reverse_source}=true",
    ),
    (
        "copy",
        lambda config: config.attention not in ("none", "local_p"),
        "needs attention whose weights sum to 1; use {attention}=bahdanau, for instance",
    ),
    (
        "copy",
        lambda config: config.attention != "hard",
        "does not fit {attention}=hard, which has no context; leave one of them out",
    ),
    ("copy", _has_text_only, "needs text on both sides"),
    (
        "context_every_step",
        lambda config: config.attention == "none",
        "needs {attention}=none; with attention every step has its own context",
    ),
    ("share_embeddings", _has_text_only, "needs text on both sides"),
    ("features", _has_text_only, "needs text on both sides"),
    (
        "features",
        lambda config: (
            not _attends_to_features(config) or _kind_of_attention(config).startswith(_UNORDERED)
        ),
        "needs attention to all positions, such as {attention}=bahdanau; or use "
        "{features}=embedding",
    ),
    ("feature_attention", _attends_to_features, "needs {features}=tokens"),
    (
        "coverage_loss",
        lambda config: not _attends_to_features(config),
        "does not fit {features}=tokens, which are read again in many steps; use "
        "{features}=embedding",
    ),
    ("tie_output", lambda config: not config.target_features, "needs a text target"),
    ("source_deviation", lambda config: not config.source_features, "needs a text source"),
    (
        "source_deviation",
        lambda config: not (config.share_embeddings and config.tie_output),
        "has no effect if the embeddings also make logits ({share_embeddings}=true and "
        "{tie_output}=true)",
    ),
    ("target_deviation", lambda config: not config.target_features, "needs a text target"),
    (
        "target_deviation",
        lambda config: not (config.share_embeddings or config.tie_output),
        "is for target embeddings of their own, without {share_embeddings} and {tie_output}",
    ),
)
