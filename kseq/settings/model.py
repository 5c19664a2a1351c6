"""Settings of the model, and which of them exclude each other."""

import dataclasses
import json
from typing import Literal

from kseq.errors import SettingError
from kseq.fields import Section, choice, number
from kseq.settings.own_parts import OwnPart, describe_part


@dataclasses.dataclass(frozen=True)
class ModelConfig(Section):
    """The architecture: an encoder, an attention mechanism and a decoder.

    A setting that would have no effect together with the others is an error, which names the
    nearest combination that works. `kseq models` lists the mechanisms with their papers.

    The widths of real-valued sides can be left at 0: `kseq.train` takes them from the data.

    Args:
        architecture: `"recurrent"`, or `"transformer"` (Vaswani et al. 2017).
        decoder_architecture: Architecture of the decoder; `"same"` is the one of the encoder. Chen
            et al. 2018 combine the encoder of a Transformer with a recurrent decoder.
        cell: Recurrent cell: `"rnn"` (Elman, tanh), `"gru"` or `"lstm"`; or a `kseq.Cell` of one's
            own.
        decoder_cell: Recurrent cell of the decoder, likewise; `"same"` is the cell of the encoder.
        units: Width D of the encoder output, H of the decoder state and A of the attention.
        embedding_dim: Width E of the source and target embeddings.
        encoder_layers: Number of encoder layers.
        decoder_layers: Number of decoder layers.
        bidirectional: Whether the encoder reads the source in both directions.
        merge: How the outputs of both directions are combined: `"concat"` concatenates two
            outputs of half the units, `"sum"` adds two outputs of all units.
        residual: Whether the input of every layer except the first is added to its output.
        reverse_source: Whether the encoder reads the source from its end (Sutskever et al.
            2014). Attention is still returned in the order of the source.
        pyramid: Whether every encoder layer except the first reads pairs of adjacent outputs,
            and so halves the length (Chan et al. 2016); for real-valued sources.
        attention: What the decoder reads from the encoder: `"none"` (a fixed-length vector
            alone), `"bahdanau"`, `"luong_dot"`, `"luong_scaled_dot"`, `"luong_general"`,
            `"luong_concat"`, `"local_m"`, `"local_p"`, `"coverage"`. The decoder of a Transformer
            has `"multi_head"`, which replaces the default `"bahdanau"`. It may also be a
            `kseq.Attention` of one's own, an object or the name that its class is registered by;
            the config holds a description of it, and each model has its own copy.
        attention_layer: The decoder layer whose state is the query: `"bottom"` (the layers above
            it run outside the loop) or `"top"`.
        input_feeding: Whether the attentional state of a step is an input of the next step
            (Luong et al. 2015). Without it, attention is computed for all steps of a target at
            once.
        window: Half width of the window of local attention, in source positions.
        coverage_loss: Weight of the coverage loss (See et al. 2017), with `"coverage"`. A weight
            of 1 from the first step on prevents a model from learning, as section 5 of the paper
            also reports.
        context: The fixed-length vector, from which the initial state of the decoder is made:
            the `"last"` state of the encoder (of a Transformer, the output at the last
            position), or the `"sum"` or `"mean"` of its outputs.
        context_every_step: Whether that vector is an input of every decoder step too (Cho et al.
            2014), with `attention="none"`.
        heads: Number of attention heads of a Transformer.
        share_embeddings: Whether source and target share one vocabulary and its embeddings.
        tie_output: Whether the output projection is the target embedding (Press and Wolf 2017).
        source_features: Width F of a real-valued source; 0 for text, or to take the width from
            the data.
        target_features: Width F of a real-valued target; 0 for text, or to take the width from
            the data.
        target_activation: Output layer for a real-valued target: `"linear"`, trained with the
            mean squared error, or `"sigmoid"`, trained with the binary cross-entropy.
        dropout: Share of values that are set to 0 while training: in embeddings, between layers
            and before the output layer.

    Raises:
        ValueError: A value is out of range, not among the choices, or contradicts another.
        TypeError: A value has the wrong type.
    """

    architecture: Literal["recurrent", "transformer"] = "recurrent"
    decoder_architecture: Literal["same", "recurrent", "transformer"] = "same"
    cell: Literal["rnn", "gru", "lstm"] = choice("gru", describe_part)
    decoder_cell: Literal["same", "rnn", "gru", "lstm"] = choice("same", describe_part)
    units: int = number(512, minimum=2, maximum=100_000)
    embedding_dim: int = number(256, minimum=1, maximum=100_000)
    encoder_layers: int = number(1, minimum=1, maximum=100)
    decoder_layers: int = number(1, minimum=1, maximum=100)
    bidirectional: bool = True
    merge: Literal["concat", "sum"] = "concat"
    residual: bool = False
    reverse_source: bool = False
    pyramid: bool = False
    attention: Literal[
        *("none", "bahdanau", "coverage", "multi_head"),
        *("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat", "local_m", "local_p"),
    ] = choice("bahdanau", describe_part)
    attention_layer: Literal["bottom", "top"] = "bottom"
    input_feeding: bool = True
    window: int = number(10, minimum=1, maximum=1_000_000)
    coverage_loss: float = number(0.0, minimum=0.0, maximum=1000.0)
    context: Literal["last", "sum", "mean"] = "last"
    context_every_step: bool = False
    heads: int = number(8, minimum=1, maximum=1000)
    share_embeddings: bool = False
    tie_output: bool = False
    source_features: int = number(0, minimum=0, maximum=1_000_000)
    target_features: int = number(0, minimum=0, maximum=1_000_000)
    target_activation: Literal["linear", "sigmoid"] = "linear"
    dropout: float = number(0.2, minimum=0.0, maximum=0.95)

    def __post_init__(self):
        super().__post_init__()
        if not self.has_recurrent_decoder and self.attention == "bahdanau":
            # The default, which a Transformer does not have.
            object.__setattr__(self, "attention", "multi_head")
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, is_met, reason in _CONDITIONS:
            value = getattr(self, name)
            if value != defaults[name] and not is_met(self):
                value = json.dumps(value) if isinstance(value, bool) else value
                raise SettingError("{field}={0} " + reason, value, field=name)
        self._check_widths()

    @property
    def has_recurrent_encoder(self):
        """Whether the encoder is recurrent, rather than that of a Transformer."""
        return self.architecture == "recurrent"

    @property
    def has_recurrent_decoder(self):
        """Whether the decoder is recurrent, rather than that of a Transformer."""
        if self.decoder_architecture == "same":
            return self.has_recurrent_encoder
        return self.decoder_architecture == "recurrent"

    def check_sides(self):
        """Checks the settings for real-valued sides, once the widths are known.

        Raises:
            ValueError: A setting needs a real-valued side, and the side is text.
        """
        if self.pyramid and not self.source_features:
            raise SettingError(
                "{pyramid}=true needs real-valued sources ({source_features}); the attention over "
                "words could not be shown"
            )
        if self.target_activation != "linear" and not self.target_features:
            raise SettingError(
                "{target_activation}={0} needs real-valued targets ({target_features})",
                self.target_activation,
            )

    def _check_widths(self):
        if _has_transformer(self) and self.units % self.heads:
            raise SettingError(
                "{units} must be a multiple of {heads} ({0}); received {1}. Use {2}.",
                *(self.heads, self.units, -(-self.units // self.heads) * self.heads),
            )
        joins_halves = self.has_recurrent_encoder and self.bidirectional and self.merge == "concat"
        if joins_halves and self.units % 2:
            raise SettingError(
                "{units} must be even, because each direction of the encoder has half of them; "
                "received {0}. Use {1}.",
                *(self.units, self.units + 1),
            )


def _has_transformer(config):
    return not (config.has_recurrent_encoder and config.has_recurrent_decoder)


def _kind_of_attention(config):
    """One of the kinds that kseq has, or an empty string."""
    return config.attention if isinstance(config.attention, str) else ""


def _has_text_only(config):
    return not config.source_features and not config.target_features


_ENCODER_SETTINGS = ("bidirectional", "merge", "reverse_source", "pyramid")
_DECODER_SETTINGS = ("attention_layer", "input_feeding", "context")

# A setting, the condition under which it may differ from its default, and the rest of the message
# if the condition is not met.
_CONDITIONS = (
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
        lambda config: not _has_transformer(config),
        "needs a recurrent encoder and a recurrent decoder; with one of them, use {cell}",
    ),
    ("heads", _has_transformer, "needs {architecture}=transformer"),
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
        lambda config: config.decoder_layers > 1,
        "needs {decoder_layers} of at least 2; a single layer is both bottom and top",
    ),
    (
        "input_feeding",
        lambda config: (
            isinstance(config.attention, OwnPart)
            or _kind_of_attention(config).startswith(("luong", "local"))
        ),
        "needs one of the kinds of Luong et al., such as {attention}=luong_general; the others "
        "have no input feeding",
    ),
    (
        "window",
        lambda config: _kind_of_attention(config).startswith("local"),
        "needs {attention}=local_m or {attention}=local_p",
    ),
    ("coverage_loss", lambda config: config.attention == "coverage", "needs {attention}=coverage"),
    ("coverage_loss", lambda config: not config.target_features, "needs a text target"),
    (
        "context_every_step",
        lambda config: config.attention == "none",
        "needs {attention}=none; with attention every step has its own context",
    ),
    ("share_embeddings", _has_text_only, "needs text on both sides"),
    ("tie_output", lambda config: not config.target_features, "needs a text target"),
)
