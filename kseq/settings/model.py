"""Settings of the model."""

import dataclasses
import json
from typing import Literal

from kseq.errors import SettingError
from kseq.fields import Section, choice, number
from kseq.settings.conditions import CONDITIONS, has_transformer
from kseq.settings.own_parts import describe_part


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
        encoder_layers: Number of encoder layers. With 0, the model is a decoder alone: a language
            model, which has no source and no attention.
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
            `"luong_concat"`, `"local_m"`, `"local_p"`, `"location"`, `"trained_query"`,
            `"coverage"`, `"location_aware"`, `"hard"` (each token from one position, summed over
            all positions; Wu et al. 2018). The decoder of a Transformer has `"multi_head"`, which
            replaces the default `"bahdanau"`. It may also be a `kseq.Attention` of one's own, an
            object or the name that its class is registered by; the config holds a description of
            it, and each model has its own copy.
        attention_layer: The decoder layer whose state is the query: `"bottom"` (the layers above
            it run outside the loop) or `"top"`.
        input_feeding: Whether the attentional state of a step is an input of the next step
            (Luong et al. 2015). Without it, attention is computed for all steps of a target at
            once.
        window: Half width of the window of local attention, in source positions; for `"hard"`
            with `alignment_order` 1, the farthest move from one step to the next.
        local_score: Score of local attention: that of `"luong_general"`, `"luong_dot"`,
            `"luong_scaled_dot"` or `"luong_concat"`.
        positions: Number of source positions that `"location"` can read; it never reads the
            words after them.
        filters: Number of filters of `"location_aware"` (Chorowski et al. 2015).
        filter_width: Width of these filters, in source positions.
        alignment_order: With `"hard"`, whether a source position depends on that of the step
            before (1) or not (0) (Wu and Cotterell 2019).
        monotonic: With `"hard"`, whether the source position never moves back.
        coverage_loss: Weight of the coverage loss (See et al. 2017), with `"coverage"`. A weight
            of 1 from the first step on prevents a model from learning, as section 5 of the paper
            also reports.
        copy: Whether the decoder can copy tokens of the source, even unknown ones
            (pointer-generator, See et al. 2017); both sides then have one vocabulary. With
            `"bahdanau"`, `"coverage"` and `"location_aware"`, attention is in their order: the
            query is the state after the step, whose context the next step reads.
        context: The fixed-length vector, from which the initial state of the decoder is made:
            the `"last"` state of the encoder (of a Transformer, the output at the last
            position), only that of the `"backward"` direction, as in Bahdanau et al. 2015,
            or the `"sum"` or `"mean"` of the outputs of the encoder.
        bridge: How the states of the decoder are made from that vector: by a `"tanh"` or
            `"linear"` layer each. With `"none"`, each layer of the decoder takes over the last
            states of the same layer of the encoder as they are.
        readout: The layer before the output layer, which reads state, context and embedding:
            `"tanh"`, `"maxout"` (Bahdanau et al. 2015), or `"none"`: the output layer reads the
            state alone. Most kinds of Luong et al. have their attentional state in its place.
        context_every_step: Whether that vector is an input of every decoder step too (Cho et al.
            2014), with `attention="none"`.
        heads: Number of attention heads of a Transformer.
        source_deviation: Standard deviation of the initial source embeddings of a recurrent
            encoder. With 0, the vocabulary decides: 0.5 for at most 256 ids, as letters and phones
            have, which are learnt faster from large values; otherwise 0.03, because small values
            keep the attention on the word itself.
        target_deviation: The same for the target embeddings of a recurrent decoder that are its
            own, neither shared nor tied; with 0, 0.5 for at most 256 ids and otherwise 0.2.
        share_embeddings: Whether source and target share one vocabulary and its embeddings.
        tie_output: Whether the output projection is the target embedding (Press and Wolf 2017).
        source_features: Width F of a real-valued source; 0 for text, or to take the width from
            the data.
        target_features: Width F of a real-valued target; 0 for text, or to take the width from
            the data.
        target_covariates: Width C of the known inputs of each step of a real-valued target, such as
            the day of the week, which the decoder reads with the value before it; 0 for none, or to
            take the width from the data.
        target_activation: Output layer for a real-valued target: `"linear"`, trained with the
            mean squared error, or `"sigmoid"`, trained with the binary cross-entropy.
        features: How a model reads the features of a source, such as tags or a language:
            `"tokens"` (the decoder attends to them as to the source) or `"embedding"` (the sum of
            their embeddings is added to the embedding of each source token); `"none"` for sources
            without features. `kseq.train` takes `"tokens"` if the corpus has features.
        feature_attention: With `"tokens"`, whether source and features share one softmax
            (`"joint"`), or each has its own and the two contexts are added (`"separate"`).
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
    encoder_layers: int = number(1, minimum=0, maximum=100)
    decoder_layers: int = number(1, minimum=1, maximum=100)
    bidirectional: bool = True
    merge: Literal["concat", "sum"] = "concat"
    residual: bool = False
    reverse_source: bool = False
    pyramid: bool = False
    attention: Literal[
        *("none", "bahdanau", "coverage", "location_aware", "hard", "multi_head"),
        *("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat", "local_m", "local_p"),
        *("location", "trained_query"),
    ] = choice("bahdanau", describe_part)
    attention_layer: Literal["bottom", "top"] = "bottom"
    input_feeding: bool = True
    window: int = number(10, minimum=1, maximum=1_000_000)
    local_score: Literal["general", "dot", "scaled_dot", "concat"] = "general"
    positions: int = number(100, minimum=1, maximum=100_000)
    filters: int = number(10, minimum=1, maximum=10_000)
    filter_width: int = number(201, minimum=1, maximum=100_001)
    alignment_order: int = number(0, minimum=0, maximum=1)
    monotonic: bool = False
    coverage_loss: float = number(0.0, minimum=0.0, maximum=1000.0)
    copy: bool = False
    context: Literal["last", "backward", "sum", "mean"] = "last"
    bridge: Literal["tanh", "linear", "none"] = "tanh"
    readout: Literal["tanh", "maxout", "none"] = "tanh"
    context_every_step: bool = False
    heads: int = number(8, minimum=1, maximum=1000)
    source_deviation: float = number(0.0, minimum=0.0, maximum=10.0)
    target_deviation: float = number(0.0, minimum=0.0, maximum=10.0)
    share_embeddings: bool = False
    tie_output: bool = False
    source_features: int = number(0, minimum=0, maximum=1_000_000)
    target_features: int = number(0, minimum=0, maximum=1_000_000)
    target_covariates: int = number(0, minimum=0, maximum=1_000_000)
    target_activation: Literal["linear", "sigmoid"] = "linear"
    features: Literal["none", "tokens", "embedding"] = "none"
    feature_attention: Literal["joint", "separate"] = "joint"
    dropout: float = number(0.2, minimum=0.0, maximum=0.95)

    def __post_init__(self):
        super().__post_init__()
        if not self.has_recurrent_decoder and self.attention == "bahdanau":
            # The default, which a Transformer does not have.
            object.__setattr__(self, "attention", "multi_head")
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, is_met, reason in CONDITIONS:
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

    @property
    def is_language_model(self):
        """Whether the model is a decoder alone, which writes text without a source."""
        return not self.encoder_layers

    @property
    def mixes_distributions(self):
        """Whether the output is a mixture of distributions, not the softmax of one layer.

        The decoder's `logits` are then log-probabilities.
        """
        return self.copy or self.attention == "hard"

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
        for name, default in (("target_activation", "linear"), ("target_covariates", 0)):
            value = getattr(self, name)
            if value != default and not self.target_features:
                raise SettingError(
                    "{name}={0} needs real-valued targets ({target_features})", value, name=name
                )

    def _check_widths(self):
        if has_transformer(self) and self.units % self.heads:
            raise SettingError(
                "{units} must be a multiple of {heads} ({0}); received {1}. Use {2}.",
                *(self.heads, self.units, -(-self.units // self.heads) * self.heads),
            )
        has_layers = self.has_recurrent_encoder and not self.is_language_model
        joins_halves = has_layers and self.bidirectional and self.merge == "concat"
        if joins_halves and self.units % 2:
            raise SettingError(
                "{units} must be even, because each direction of the encoder has half of them; "
                "received {0}. Use {1}.",
                *(self.units, self.units + 1),
            )
