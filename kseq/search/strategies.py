"""The options of beam search and sampling, and the rules that outputs follow."""

import dataclasses
import pathlib
import reprlib
from typing import Literal

from kseq.errors import SettingError, SettingTypeError
from kseq.fields import Section, check_names, field_names, number

LONGEST_OUTPUT = 10_000  # upper bound of the options for lengths, in tokens
_LARGEST_SEED = 2**31 - 1
_SOME_TOP_P = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules(Section):
    """Rules for outputs, in beam search and in sampling. Lengths do not include END.

    Args:
        minimum_length: Minimum number of tokens in an output.
        maximum_length: Maximum number of tokens in an output; without any maximum, twice the
            expected length plus ten, but not more than 1,000. An output that the model would have
            continued is cut there: a warning names the first such sources, and
            `Translation.is_cut` is true.
        minimum_ratio: Minimum number of tokens per source token (or step of real values).
        maximum_ratio: Maximum number of tokens per source token (or step of real values). If
            both an absolute and a relative bound are set, the stricter one applies. If a minimum
            and a maximum contradict each other for some source, the maximum applies. A required
            prefix is always written in full.
        no_repeat_ngram: Number of consecutive tokens that must not occur twice in an output; 0
            turns the rule off. END and the required prefix are exempt.
        repetition_penalty: Factor for the log-probabilities of tokens that the output already
            contains; 1 for no penalty. (Keskar et al. 2019, arXiv 1909.05858, section 4.1, applied
            to log-probabilities, which are never positive.)
        forbid: Tokens that are never written, such as `<unk>`.
        replace_unknown: Whether to replace `<unk>` in an output with the source word that it
            attended to most. (Jean et al. 2015, arXiv 1412.2007.)
        dictionary: File of translations for `replace_unknown`, with a source word, a tab and
            its translation on each line. A word that is not in it is copied. Naming a
            dictionary turns on `replace_unknown`.

    Raises:
        ValueError: A value is out of range, or contradicts another.
        TypeError: A value has the wrong type.
    """

    minimum_length: int = number(0, minimum=0, maximum=LONGEST_OUTPUT)
    maximum_length: int | None = number(None, minimum=1, maximum=LONGEST_OUTPUT)
    minimum_ratio: float = number(0.0, minimum=0.0, maximum=1000.0)
    maximum_ratio: float | None = number(None, minimum=0.0, maximum=1000.0)
    no_repeat_ngram: int = number(0, minimum=0, maximum=LONGEST_OUTPUT)
    repetition_penalty: float = number(1.0, minimum=1.0, maximum=1000.0)
    forbid: tuple = ()
    replace_unknown: bool = False
    dictionary: str | None = None

    @property
    def numbers(self):
        """Options that may be tensors in a graph, a dict by name."""
        return {}

    def without_numbers(self):
        """Returns the strategy that all those share which differ in `numbers` only."""
        return self

    def __post_init__(self):
        object.__setattr__(self, "forbid", _check_tokens(self.forbid))
        if isinstance(self.dictionary, pathlib.PurePath):
            object.__setattr__(self, "dictionary", str(self.dictionary))
        super().__post_init__()
        self._check_order("minimum_length", "maximum_length")
        self._check_order("minimum_ratio", "maximum_ratio")
        if self.dictionary is not None:
            object.__setattr__(self, "replace_unknown", True)

    def _check_order(self, lower, upper):
        """Raises SettingError if the field `lower`, a minimum, exceeds `upper`, a maximum."""
        minimum, maximum = getattr(self, lower), getattr(self, upper)
        if maximum is not None and minimum > maximum:
            raise SettingError(
                "{lower} ({0:g}) must be at most {upper} ({1:g})",
                *(minimum, maximum),
                lower=lower,
                upper=upper,
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamSearch(Rules):
    """Beam search: the K most probable hypotheses of each source are extended at every step.

    Args:
        beam_size: Number of hypotheses K to follow for each source; 1 is greedy search.
        n_best: Number of hypotheses to return for each source, at most `beam_size`.
        length_penalty: The divisor of log-probabilities when hypotheses are compared.
            `"wu"`: `((5 + |Y|) / 6)^alpha` (Wu et al. 2016, arXiv 1609.08144, equation 14).
            `"average"`: the number of tokens |Y|. |Y| counts END.
        alpha: Exponent of the length penalty `"wu"`; 0 for no penalty.
        beta: Weight of the coverage penalty of Wu et al. 2016 (equation 14); 0 for no penalty.
            `beta Σ log(min(Σ p, 1))` is added to the normalised log-probability: the outer sum is
            over source positions, the inner one over the attention of all output tokens to a
            position.
        **rules: Arguments of `Rules`.
    """

    beam_size: int = number(1, minimum=1, maximum=1000)
    n_best: int = number(1, minimum=1, maximum=1000)
    length_penalty: Literal["wu", "average"] = "wu"
    alpha: float = number(1.0, minimum=0.0, maximum=100.0)
    beta: float = number(0.0, minimum=0.0, maximum=100.0)

    def __post_init__(self):
        super().__post_init__()
        if self.n_best > self.beam_size:
            raise SettingError(
                "{n_best} must be at most {beam_size} ({0}); received {1}",
                *(self.beam_size, self.n_best),
            )
        if self.length_penalty == "average" and self.alpha != 1.0:
            raise SettingError(
                "{alpha} is for {length_penalty}=wu; received {0:g} with {length_penalty}={1}",
                *(self.alpha, self.length_penalty),
            )

    @property
    def width(self):
        """Number of hypotheses of each source during the search, K."""
        return self.beam_size

    @property
    def returned(self):
        """Number of hypotheses of each source that are returned, N."""
        return self.n_best


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(Rules):
    """Sampling: every token is drawn at random from the distribution of the model.

    Args:
        samples: Number of outputs to draw for each source.
        seed: Random seed; the same seed gives the same outputs, whatever else is in the batch.
        temperature: Divisor of the log-probabilities; below 1, probable tokens become more
            probable.
        top_k: Number of most probable tokens to draw from; 0 for all. (Fan et al. 2018, arXiv
            1805.04833.)
        top_p: Probability mass of the most probable tokens to draw from; 1 for all. The smallest
            set of tokens with at least this mass is used (Holtzman et al. 2020, arXiv
            1904.09751).
        **rules: Arguments of `Rules`.
    """

    samples: int = number(1, minimum=1, maximum=1000)
    seed: int = number(0, minimum=0, maximum=_LARGEST_SEED)
    temperature: float = number(1.0, minimum=0.01, maximum=100.0)
    top_k: int = number(0, minimum=0, maximum=10_000_000)
    top_p: float = number(1.0, minimum=0, maximum=1, excludes_minimum=True)

    @property
    def width(self):
        """Number of outputs of each source during the search, K."""
        return self.samples

    @property
    def returned(self):
        """Number of outputs of each source that are returned, N."""
        return self.samples

    @property
    def numbers(self):
        """Options that may be tensors in a graph, a dict by name."""
        return {"seed": self.seed, "temperature": self.temperature, "top_p": self.top_p}

    def without_numbers(self):
        """Returns the strategy that all those share which differ in `numbers` only.

        Without `top_p`, tokens need not be sorted; so it remains either 1, or below 1.
        """
        top_p = 1.0 if self.top_p == 1.0 else _SOME_TOP_P
        return dataclasses.replace(self, seed=0, temperature=1.0, top_p=top_p)


_PURPOSES = {BeamSearch: "beam search", Sampling: "sampling"}


def make_strategy(kind, **options):
    """Makes a `BeamSearch` or a `Sampling` from options by name.

    Args:
        kind: `BeamSearch` or `Sampling`.
        **options: Its fields.

    Raises:
        ValueError: There is no such option, or its value is out of range.
        TypeError: A value has the wrong type.
    """
    names = field_names(kind)
    (other,) = set(_PURPOSES) - {kind}
    for name in options:
        if name not in names and name in field_names(other):
            raise ValueError(
                f"unknown option: {name!r}, which is for {_PURPOSES[other]}, not for "
                f"{_PURPOSES[kind]}"
            )
    check_names(options, names, "option")
    return kind(**options)


def _check_tokens(forbid):
    """Returns forbidden tokens as a tuple of strings."""
    tokens = tuple(forbid) if isinstance(forbid, (list, tuple, set)) else (forbid,)
    for token in tokens:
        if not isinstance(token, str) or not token:
            raise SettingTypeError(
                "{forbid} must hold tokens as strings; received {0}", reprlib.repr(token)
            )
    return tokens
