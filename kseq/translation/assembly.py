"""Results from padded arrays: a `Translation` or a `Prediction` for each source of a batch."""

import typing

import numpy as np

from kseq.corpora.featured import FeaturedText
from kseq.translation.results import Prediction, Translation


class Reading(typing.NamedTuple):
    """A source as a model reads it.

    Attributes:
        source: The sentence, or real values `[S, F]`.
        tokens: Its tokens, END included; None for real values.
        feature_tokens: Its features, END included; None without features.
    """

    source: typing.Any
    tokens: list | None
    feature_tokens: list | None = None


class Assembler:
    """Makes the results of a model.

    Args:
        source_steps: Number of source positions that one position of the memory stands for.
        step_seconds: Seconds from one source step to the next; None if they are not in time.
        has_window: Whether each step may read only some positions next to each other.
    """

    def __init__(self, source_steps=1, step_seconds=None, has_window=False):
        self._source_steps = source_steps
        self._step_seconds = step_seconds
        self._has_window = has_window

    def attended_fields(self, reading, length, attention):
        """Returns arguments of `Attended`: a source, and the attention without padding.

        Args:
            reading: `Reading`.
            length: Number of steps of the output, T.
            attention: Padded weights by name, `[T', S']`, `[T', layers, heads, S']` and `[T', F']`;
                and `generation_probability`, `[T']`, of a model that copies.
        """
        source, tokens, feature_tokens = reading
        attention = dict(attention)
        generation = attention.pop("generation_probability", None)
        width = len(source) if tokens is None else len(tokens)
        width = -(-width // self._source_steps)
        widths = {"feature_attention": feature_tokens and len(feature_tokens)}
        weights = {
            name: array[:length, ..., : widths.get(name, width)]
            for name, array in attention.items()
        }
        if "attention_heads" in weights:
            weights["attention_heads"] = np.moveaxis(weights["attention_heads"], 0, 2)
        if generation is not None:
            weights["generation_probability"] = generation[:length]
        fields = {"source": source, "source_tokens": tokens, **weights}
        fields["step_seconds"] = self._step_seconds
        if self._has_window:
            fields["window"] = _find_window(weights["attention"])
        if isinstance(source, FeaturedText):
            fields |= {"source": str(source), "features": source.features}
            fields["feature_tokens"] = feature_tokens
        return fields


class TranslationAssembler(Assembler):
    """Makes `Translation`s."""

    def assemble_search(self, reading, result, strings, index):
        """Makes the translations of a source, best first or in the order drawn.

        Args:
            reading: `Reading`.
            result: `SearchResult` of a batch, NumPy arrays.
            strings: Texts and tokens of the batch, nested lists `[B, N]` and `[B, N, T]`.
            index: Index of the source in the batch.

        Returns:
            A list, which may be shorter than N or empty: a score of -inf means no hypothesis.
        """
        ranks = np.flatnonzero(np.isfinite(result.scores[index]))
        texts, output_tokens = (rows[index] for rows in strings)
        translations = []
        for rank in ranks:
            length = result.lengths[index, rank]
            attention = {name: array[index, rank] for name, array in result.attention.items()}
            translation = Translation(
                text=texts[rank],
                score=float(result.scores[index, rank]),
                log_probability=float(result.log_probabilities[index, rank]),
                tokens=output_tokens[rank][:length],
                token_log_probabilities=result.token_log_probabilities[index, rank, :length],
                is_cut=bool(result.is_cut[index, rank]),
                **self.attended_fields(reading, length, attention),
            )
            translations.append(translation)
        return translations

    def assemble_forced(self, target, target_tokens, losses, values, attended):
        """Makes the `Translation` of a given target, read by teacher forcing.

        Args:
            target: The target, a string.
            target_tokens: Its tokens, END included.
            losses: Cross-entropy of each of its tokens, float32 `[T]`.
            values: Ignored.
            attended: Arguments from `attended_fields`.
        """
        log_probabilities = -losses
        return Translation(
            text=target,
            score=float(log_probabilities.mean(dtype=np.float64)),
            log_probability=float(log_probabilities.sum(dtype=np.float64)),
            tokens=target_tokens,
            token_log_probabilities=log_probabilities,
            **attended,
        )


class PredictionAssembler(Assembler):
    """Makes `Prediction`s."""

    def assemble_forced(self, target, target_tokens, losses, values, attended):
        """Makes the `Prediction` of every step of a target from the true earlier steps.

        Args:
            target: The target, float32 `[T, F]`.
            target_tokens: None.
            losses: Error of each step, float32 `[T]`.
            values: The predicted values, padded, `[T', F]`.
            attended: Arguments from `attended_fields`.
        """
        values = values[: len(losses)]
        return Prediction(values=values, error=float(losses.mean(dtype=np.float64)), **attended)


def make_assembler(codecs, config):
    """Makes the `Assembler` of a model's results.

    Args:
        codecs: `CodecPair`.
        config: `ModelConfig`.
    """
    kind = TranslationAssembler if codecs.target.is_text else PredictionAssembler
    log_mel = None if codecs.source.is_text else codecs.source.log_mel
    step_seconds = log_mel and log_mel.hop / log_mel.sample_rate
    has_window = config.attention in ("local_m", "local_p")
    return kind(source_steps(config), step_seconds, has_window)


def _find_window(attention):
    """The first and the last position with a weight in each row of `[T, S]`, int `[T, 2]`.

    Local attention gives every position outside its window a weight of exactly 0.
    """
    is_read = attention > 0
    last = attention.shape[1] - 1 - is_read[:, ::-1].argmax(axis=1)
    return np.stack([is_read.argmax(axis=1), last], axis=1)


def source_steps(config):
    """Returns the number of source positions that one position of the memory stands for."""
    # A pyramid halves the length after every encoder layer except the last.
    return 2 ** (config.encoder_layers - 1) if config.pyramid else 1
