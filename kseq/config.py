"""Settings as frozen dataclasses that refuse contradictions and travel as JSON or YAML."""

import dataclasses
import json
import pathlib
import reprlib
import typing
from typing import Literal

from kseq.errors import SettingError
from kseq.fields import Section, check_names, number, suggestion

LEAST_SUBWORDS = 300  # special tokens, 256 bytes and some characters
_MANY = 1_000_000


@dataclasses.dataclass(frozen=True)
class ModelConfig(Section):
    """The architecture: an encoder, an attention mechanism and a decoder.

    A setting that would have no effect beside the others is refused, with the nearest
    combination that works. `kseq models` lists the mechanisms with their papers.

    The widths of real-valued sides may be left to `kseq.train`, which finds them in the data.

    Args:
        architecture: `"recurrent"`, or `"transformer"` (Vaswani et al. 2017).
        cell: Recurrent cell of the encoder: `"rnn"` (Elman, tanh), `"gru"` or `"lstm"`.
        decoder_cell: That of the decoder; `"same"` as the encoder's by default.
        units: Width D of the encoder output, H of the decoder state and A of the attention.
        embedding_dim: Width E of the source and target embeddings.
        encoder_layers: Number of encoder layers.
        decoder_layers: Number of decoder layers.
        bidirectional: Whether the encoder reads both ways.
        merge: How both directions become one: `"concat"`, each of half the units side by
            side, or `"sum"` of two of all units.
        residual: Whether the input of a layer, from the second on, is added to its output.
        reverse_source: Whether the encoder reads the source from its end (Sutskever et al.
            2014); attention is given in the order of the source nevertheless.
        pyramid: Whether every encoder layer from the second on reads pairs of neighbouring
            outputs and so halves the length (Chan et al. 2016); for real-valued sources.
        attention: What the decoder is given: `"none"` (the fixed-length context alone),
            `"bahdanau"`, `"luong_dot"`, `"luong_scaled_dot"`, `"luong_general"`,
            `"luong_concat"`, `"local_m"`, `"local_p"`, `"coverage"`. A Transformer has
            `"multi_head"`, which the default, `"bahdanau"`, becomes.
        attention_layer: The decoder layer that attention reads, `"bottom"` (the layers above
            run outside the loop) or `"top"`.
        input_feeding: Whether the attentional state of a step enters the next one (Luong et
            al. 2015); without it attention reads all steps of a target at once.
        window: Half width D of the window of local attention, in source positions.
        coverage_loss: Weight of the coverage loss (See et al. 2017), with `"coverage"`. A weight
            of 1 from the first step on keeps a model from learning, as their section 5 says too.
        context: The fixed-length vector: `"last"` state, or `"sum"` or `"mean"` of the encoder
            outputs. The decoder's initial state is made from it.
        context_every_step: Whether it enters every decoder step too (Cho et al. 2014), with
            `attention="none"`.
        heads: Attention heads of a Transformer.
        share_embeddings: Whether source and target share one vocabulary and its embeddings.
        tie_output: Whether the output projection is the target embedding (Press and Wolf 2017).
        source_features: Width F of a real-valued source; 0 for text, or not known yet.
        target_features: Width F of a real-valued target; 0 for text, or not known yet.
        target_activation: Head of a real-valued target: `"linear"`, learnt by mean squared
            error, or `"sigmoid"`, by binary cross-entropy.
        dropout: Share of values dropped from embeddings, between layers and from the readout
            while training.

    Raises:
        ValueError: A value is out of range, not among the choices, or contradicts another.
        TypeError: A value has another type than its field.
    """

    architecture: Literal["recurrent", "transformer"] = "recurrent"
    cell: Literal["rnn", "gru", "lstm"] = "gru"
    decoder_cell: Literal["same", "rnn", "gru", "lstm"] = "same"
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
    ] = "bahdanau"
    attention_layer: Literal["bottom", "top"] = "bottom"
    input_feeding: bool = True
    window: int = number(10, minimum=1, maximum=_MANY)
    coverage_loss: float = number(0.0, minimum=0.0, maximum=1000.0)
    context: Literal["last", "sum", "mean"] = "last"
    context_every_step: bool = False
    heads: int = number(8, minimum=1, maximum=1000)
    share_embeddings: bool = False
    tie_output: bool = False
    source_features: int = number(0, minimum=0, maximum=_MANY)
    target_features: int = number(0, minimum=0, maximum=_MANY)
    target_activation: Literal["linear", "sigmoid"] = "linear"
    dropout: float = number(0.2, minimum=0.0, maximum=0.95)

    def __post_init__(self):
        super().__post_init__()
        if self.architecture == "transformer" and self.attention == "bahdanau":
            # The default of the recurrent models; a Transformer has one kind only.
            object.__setattr__(self, "attention", "multi_head")
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, applies, reason in _CONDITIONS:
            value = getattr(self, name)
            if value != defaults[name] and not applies(self):
                raise SettingError("{field}={0} {1}", _shown(value), reason, field=name)
        self._check_widths()

    def check_sides(self):
        """Checks the settings that hang on what source and target are, text or real values.

        Raises:
            ValueError: One of them needs the other kind.
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
        if self.architecture == "transformer":
            if self.units % self.heads:
                raise SettingError(
                    "{units} must be a multiple of {heads} ({0}); received {1}. Use {2}.",
                    *(self.heads, self.units, -(-self.units // self.heads) * self.heads),
                )
        elif self.bidirectional and self.merge == "concat" and self.units % 2:
            raise SettingError(
                "{units} must be even, because each direction of the encoder takes half of them; "
                "received {0}. Use {1}.",
                *(self.units, self.units + 1),
            )


def _shown(value):
    return json.dumps(value) if isinstance(value, bool) else value


def _is_recurrent(config):
    return config.architecture == "recurrent"


def _reads_and_writes_text(config):
    return not config.source_features and not config.target_features


_NOT_A_TRANSFORMER = "has no meaning with architecture=transformer; use architecture=recurrent"

# A field may leave its default only where its condition holds; the reason says what to change.
_CONDITIONS = (
    (
        "attention",
        lambda config: (config.attention == "multi_head") != _is_recurrent(config),
        "does not fit the architecture; a transformer has attention=multi_head, for the other "
        "kinds use architecture=recurrent",
    ),
    *(
        (name, _is_recurrent, _NOT_A_TRANSFORMER)
        for name in (
            *("cell", "decoder_cell", "bidirectional", "merge", "residual", "reverse_source"),
            *("pyramid", "attention_layer", "input_feeding", "context"),
        )
    ),
    ("heads", lambda config: not _is_recurrent(config), "needs architecture=transformer"),
    (
        "merge",
        lambda config: config.bidirectional,
        "needs bidirectional=true; there is nothing to merge",
    ),
    (
        "residual",
        lambda config: max(config.encoder_layers, config.decoder_layers) > 1,
        "needs encoder_layers or decoder_layers of at least 2",
    ),
    (
        "residual",
        lambda config: not config.pyramid,
        "does not fit pyramid=true, whose layers have inputs of another length; leave one out",
    ),
    (
        "reverse_source",
        lambda config: not config.bidirectional,
        "needs bidirectional=false; with both directions it would change nothing",
    ),
    ("pyramid", lambda config: config.encoder_layers > 1, "needs encoder_layers of at least 2"),
    (
        "attention_layer",
        lambda config: config.attention != "none",
        "needs attention; use attention=luong_general, for instance",
    ),
    (
        "attention_layer",
        lambda config: config.decoder_layers > 1,
        "needs decoder_layers of at least 2; a single layer is bottom and top",
    ),
    (
        "input_feeding",
        lambda config: config.attention.startswith(("luong", "local")),
        "needs one of the kinds of Luong et al., such as attention=luong_general; the others have "
        "no input feeding to leave out",
    ),
    (
        "window",
        lambda config: config.attention.startswith("local"),
        "needs attention=local_m or attention=local_p",
    ),
    ("coverage_loss", lambda config: config.attention == "coverage", "needs attention=coverage"),
    ("coverage_loss", lambda config: not config.target_features, "needs text as target"),
    (
        "context_every_step",
        lambda config: config.attention == "none",
        "needs attention=none; attention brings a context of its own to every step",
    ),
    ("share_embeddings", _reads_and_writes_text, "needs text on both sides"),
    ("tie_output", lambda config: not config.target_features, "needs text as target"),
)


@dataclasses.dataclass(frozen=True)
class TextConfig(Section):
    """How strings become ids.

    Args:
        source_tokenizer: `"word"`, `"character"` or `"subword"`.
        target_tokenizer: Likewise.
        case: What becomes of capitals: `"keep"`; `"lower"`, translations then come out in lower
            case; or `"mark"`, a token before a word says that it begins with one, so that `The`
            and `the` are one word and translations have their capitals nevertheless.
        minimum_frequency: Words or characters rarer than this in the training split become UNK.
        maximum_vocabulary_size: Most frequent words or characters kept per side, special tokens
            included.
        subword_algorithm: How subwords are learnt: `"unigram"` (Kudo 2018) or `"bpe"` (Sennrich et
            al. 2016).
        subword_vocabulary_size: Subwords per side, special tokens and 256 bytes included; of both
            sides together where they share a vocabulary.
        share_vocabulary: Whether both sides have one vocabulary, learnt from both.

    Raises:
        ValueError: A value is out of range, not among the choices, or has no effect.
        TypeError: A value has another type than its field.
    """

    source_tokenizer: Literal["word", "character", "subword"] = "word"
    target_tokenizer: Literal["word", "character", "subword"] = "word"
    case: Literal["keep", "lower", "mark"] = "keep"
    minimum_frequency: int = number(2, minimum=1, maximum=_MANY)
    maximum_vocabulary_size: int = number(50_000, minimum=5, maximum=10_000_000)
    subword_algorithm: Literal["unigram", "bpe"] = "unigram"
    subword_vocabulary_size: int = number(8000, minimum=LEAST_SUBWORDS, maximum=_MANY)
    share_vocabulary: bool = False

    def __post_init__(self):
        super().__post_init__()
        if "subword" not in self.tokenizers:
            for name in ("subword_algorithm", "subword_vocabulary_size"):
                if getattr(self, name) != getattr(type(self), name):
                    raise SettingError(
                        "{name}={0} needs {source_tokenizer}=subword or {target_tokenizer}=subword",
                        getattr(self, name),
                        name=name,
                    )
        if self.share_vocabulary:
            require_same_tokenizers("share_vocabulary", self)

    @property
    def tokenizers(self):
        """Those of source and target."""
        return self.source_tokenizer, self.target_tokenizer

    @property
    def reads_words(self):
        """Whether the tokens of both sides are words, which gold alignments link."""
        return self.tokenizers == ("word", "word") and self.case != "mark"


def require_same_tokenizers(name, text):
    """Checks that both sides of a `TextConfig` can have one vocabulary, as the setting wants.

    Raises:
        ValueError: They cannot.
    """
    if len(set(text.tokenizers)) > 1:
        raise SettingError(
            "{name}=true needs the same tokenizer on both sides; received {source_tokenizer}={0} "
            "and {target_tokenizer}={1}",
            *text.tokenizers,
            name=name,
        )


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Section):
    """How a model is trained.

    Args:
        epochs: Passes over the training split, at most.
        batch_size: Sentences per batch.
        batch_tokens: Tokens per batch at most, of source or target, whichever has more, padding
            included; in place of `batch_size`. 0 for batches by sentences.
        learning_rate: Highest learning rate of Adam, reached after the warm-up; it then falls
            along a cosine to a twentieth at the end of the last epoch (with `batch_tokens`, of
            which only an estimate of the batches is known, a little before it).
        warmup_steps: Steps over which the learning rate rises from 0 (a tenth of all steps
            where training is shorter than ten times this).
        gradient_clip: Global norm that gradients are clipped to.
        label_smoothing: Share of the probability spread over the whole vocabulary.
        subword_sampling: 0, or how the subwords of every sentence are drawn in every epoch: with
            `subword_algorithm="unigram"` the exponent of their probability (0.1 to 0.5, the
            smaller the more varied), with `"bpe"` the probability of leaving out a merge (0.1).
            Such a draw has no seed.
        precision: `"float32"`, or `"mixed_bfloat16"`: products in bfloat16, which processors
            with AVX512-BF16 or AMX and GPUs do faster; weights, softmax and loss stay in float32,
            and so does all that is done with the trained model. `"auto"` measures which of the
            two multiplies faster here, and says so; the run holds what was taken.
        maximum_length: Pairs with more tokens than this on either side are left out.
        maximum_frames: Pairs with more steps of real values than this are left out.
        patience: Epochs without a better validation loss after which training stops.
        checkpoints: How many of the last epochs' weights are kept beside the best ones, to be
            averaged with `kseq average`.
        source_vectors: File of pretrained source embeddings, in the text format of word2vec or
            GloVe; `""` for none.
        target_vectors: Likewise for the target.
        freeze_vectors: Whether the embeddings of words that have a vector in such a file stay
            as they are; those of other words are learnt all the same.
        seed: Seed of weights, dropout and the order of the batches. What it gives hangs on the
            machine, too: dropout draws others where batches are trained on in halves.

    Raises:
        ValueError: A value is out of range.
        TypeError: A value has another type than its field.
    """

    epochs: int = number(10, minimum=1, maximum=_MANY)
    batch_size: int = number(128, minimum=1, maximum=_MANY)
    batch_tokens: int = number(0, minimum=0, maximum=100 * _MANY)
    learning_rate: float = number(1e-3, minimum=1e-8, maximum=10.0)
    warmup_steps: int = number(400, minimum=0, maximum=_MANY)
    gradient_clip: float = number(1.0, minimum=1e-6, maximum=1e6)
    label_smoothing: float = number(0.0, minimum=0.0, maximum=0.9)
    subword_sampling: float = number(0.0, minimum=0.0, maximum=1.0)
    precision: Literal["float32", "mixed_bfloat16", "auto"] = "float32"
    maximum_length: int = number(100, minimum=1, maximum=_MANY)
    maximum_frames: int = number(3000, minimum=1, maximum=_MANY)
    patience: int = number(3, minimum=1, maximum=_MANY)
    checkpoints: int = number(0, minimum=0, maximum=1000)
    source_vectors: str = ""
    target_vectors: str = ""
    freeze_vectors: bool = False
    seed: int = number(1, minimum=0, maximum=2**32 - 1)

    def __post_init__(self):
        super().__post_init__()
        if self.batch_tokens and self.batch_size != type(self).batch_size:
            raise SettingError(
                "{batch_size}={0} has no effect with {batch_tokens}={1}; leave one out",
                *(self.batch_size, self.batch_tokens),
            )
        if self.freeze_vectors and not (self.source_vectors or self.target_vectors):
            raise SettingError("{freeze_vectors}=true needs {source_vectors} or {target_vectors}")


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, as they stand in its `config.json`.

    Args:
        model: The architecture.
        text: How strings become ids.
        training: How the model is trained.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)

    def __post_init__(self):
        for name, kind in typing.get_type_hints(type(self)).items():
            if not isinstance(getattr(self, name), kind):
                received = reprlib.repr(getattr(self, name))
                raise TypeError(f"{name} must be a {kind.__name__}; received {received}")
        files = self.training.source_vectors, self.training.target_vectors
        if self.model.share_embeddings and all(files):
            raise SettingError(
                "{share_embeddings}=true has one matrix for both sides; name one file of vectors, "
                "not {source_vectors} and {target_vectors}"
            )
        if self.model.share_embeddings:
            require_same_tokenizers("share_embeddings", self.text)
        if self.training.subword_sampling and "subword" not in self.text.tokenizers:
            raise SettingError(
                "{subword_sampling}={0} needs {source_tokenizer}=subword or "
                "{target_tokenizer}=subword",
                self.training.subword_sampling,
            )

    @property
    def shares_vocabulary(self):
        """Whether both sides have one vocabulary."""
        return self.text.share_vocabulary or self.model.share_embeddings

    @classmethod
    def from_dict(cls, values):
        """Returns the config that `values`, a dict of dicts by section, describes.

        Raises:
            ValueError: A section or a field is unknown, or a value out of range.
            TypeError: A value has another type than its field.
        """
        check_names(values, cls, "section")
        sections = {}
        for name, kind in typing.get_type_hints(cls).items():
            fields = values.get(name, {})
            check_names(fields, kind, f"field of {name}")
            sections[name] = kind(**fields)
        return cls(**sections)

    def to_dict(self):
        """Returns the settings as a dict of dicts, ready for JSON or YAML."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, path):
        """Reads a `.json`, `.yaml` or `.yml` file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold a config; the message names the file.
        """
        path = pathlib.Path(path)
        try:
            values = _parse(path.read_text(encoding="utf-8"), path.suffix)
            return cls.from_dict({} if values is None else values)
        except FileNotFoundError:
            raise FileNotFoundError(f"config file not found: {path}") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error
        except RecursionError as error:
            raise ValueError(f"{path}: nested too deeply to be a config") from error

    def dumps(self, suffix=".json"):
        """Returns the settings as text, in JSON or (for `".yaml"`) in YAML."""
        if suffix == ".json":
            return json.dumps(self.to_dict(), indent=2) + "\n"
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def with_settings(self, settings):
        """Returns a copy in which `settings`, strings such as `"units=256"`, are changed.

        A field may be named with its section (`"model.units=256"`) or without.

        Raises:
            ValueError: A setting is not `field=value`, its field is unknown, or its value bad.
        """
        values = self.to_dict()
        for setting in settings:
            name, separator, text = setting.partition("=")
            if not separator or not name.strip():
                raise ValueError(
                    "expected field=value, such as units=256, without spaces around =; received "
                    f"{setting!r}"
                )
            section, field = _locate(name.strip())
            values[section][field] = _scalar(text)
        return Config.from_dict(values)


def _locate(name):
    """The section and the field that `units` or `model.units` mean."""
    fields = {
        field.name: section
        for section, kind in typing.get_type_hints(Config).items()
        for field in dataclasses.fields(kind)
    }
    full_names = {f"{section}.{field}": (section, field) for field, section in fields.items()}
    if name in full_names:
        return full_names[name]
    if name in fields:
        return fields[name], name
    closest = suggestion(name, [*fields, *full_names])
    raise ValueError(f"unknown setting {name!r}{closest} (known: {', '.join(fields)})")


def _parse(text, suffix):
    if suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from error
    if suffix != ".json":
        raise ValueError(f"expected a .json, .yaml or .yml file; received suffix {suffix!r}")
    return json.loads(text)


def _scalar(text):
    """The value that `256`, `0.5`, `true` or `gru` on a command line means."""
    try:
        return json.loads(text.strip())
    except json.JSONDecodeError:
        return text.strip()
