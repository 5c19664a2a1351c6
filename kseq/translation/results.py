"""The result for one source: a `Translation`, or a `Prediction` of real values."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Attended:
    """A source and the attention to it; a notebook displays it as a heatmap.

    Args:
        source: The sentence, unchanged, or real values `[S, F]`, such as the frames of a recording.
        source_tokens: Source tokens, END included; None for real values.
        step_seconds: Seconds from one source step to the next, if the source is a recording.
        attention: Attention weights, float32 `[T, S]`, a row for each step of the output; None if
            the model has no attention. With a pyramid, S is smaller than the length of the source.
        attention_heads: Attention weights of a Transformer by layer and head, `[layers, heads, T,
            S]`; None for other models.
        features: The features of the source, unchanged; None if the model reads none.
        feature_tokens: Its features one by one, END included, or None.
        feature_attention: Attention weights on features, float32 `[T, F]`, the mean over layers and
            heads; None unless the decoder attends to features. With joint attention, a row of it
            and a row of `attention` sum to 1 together; with separate attention, each sums to 1.
        window: With local attention, the first and the last position of the memory that each step
            may read, int `[T, 2]`; None for other mechanisms.
    """

    source: str | np.ndarray = dataclasses.field(repr=False)
    source_tokens: list | None
    step_seconds: float | None = None
    attention: np.ndarray | None = dataclasses.field(default=None, repr=False)
    attention_heads: np.ndarray | None = dataclasses.field(default=None, repr=False)
    features: str | None = None
    feature_tokens: list | None = dataclasses.field(default=None, repr=False)
    feature_attention: np.ndarray | None = dataclasses.field(default=None, repr=False)
    window: np.ndarray | None = dataclasses.field(default=None, repr=False)

    @functools.cached_property
    def _picture(self):
        from kseq.analysis.display import to_png

        return to_png(self)

    def _repr_html_(self):
        from kseq.analysis.display import to_html

        # A notebook asks for HTML and PNG; the heatmap is drawn once.
        return to_html(self, draw=lambda result: result._picture)

    def _repr_png_(self):
        try:
            return self._picture
        except Exception:  # The HTML shows the error.
            return None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Translation(Attended):
    """A source and its translation.

    Args:
        text: The translation.
        score: The score by which the search ranked it: the log-probability divided by the length
            penalty, plus the coverage penalty.
        log_probability: Sum of the log-probabilities of the output tokens, in nats.
        tokens: Output tokens, END included.
        token_log_probabilities: Log-probability of each output token, float32 `[T]`.
        is_cut: Whether the output is incomplete: it was cut at its maximum length.
        generation_probability: For each output token, the probability that the model writes a word
            of its vocabulary instead of copying one of the source, float32 `[T]`; None if the model
            does not copy.
        **attended: Arguments of `Attended`.
    """

    text: str
    score: float
    log_probability: float
    tokens: list
    token_log_probabilities: np.ndarray | None = dataclasses.field(default=None, repr=False)
    is_cut: bool = dataclasses.field(default=False, repr=False)
    generation_probability: np.ndarray | None = dataclasses.field(default=None, repr=False)

    def to_dict(self):
        """Returns the text, its tokens and its scores, ready for JSON.

        Log-probabilities of tokens are rounded to six decimal places, and so are the generation
        probabilities of a model that copies.
        """
        result = {
            "text": self.text,
            "score": self.score,
            "log_probability": self.log_probability,
            "is_cut": self.is_cut,
            "tokens": self.tokens,
            "token_log_probabilities": _rounded(self.token_log_probabilities),
        }
        if self.generation_probability is not None:
            result["generation_probability"] = _rounded(self.generation_probability)
        return result


def _rounded(numbers):
    return [round(float(number), 6) for number in numbers]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Prediction(Attended):
    """A source and the real values that were predicted from it.

    Args:
        values: The predicted values, float32 `[T, F]`.
        error: The training loss of the prediction (mean squared error of standardised values, or
            binary cross-entropy), averaged over steps and features; None without a target.
        **attended: Arguments of `Attended`.
    """

    values: np.ndarray = dataclasses.field(repr=False)
    error: float | None = None
