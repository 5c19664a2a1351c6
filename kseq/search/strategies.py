"""How outputs are searched for: beam search or sampling, and what an output may hold."""

import dataclasses
import pathlib
import reprlib
from typing import Literal

from kseq.errors import SettingError, SettingTypeError
from kseq.fields import Section, check_names, number

LONGEST_OUTPUT = 10_000  # tokens that may be asked for
_ANY_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules(Section):
    """What an output may hold, whatever searches for it. Lengths do not count END.

    Args:
        minimum_length: Least tokens of an output.
        maximum_length: Most tokens of an output; None for twice what the training split would
            let one expect, and ten more. An output that reaches it ends there.
        minimum_ratio: Least tokens of an output per source token (or step of real values).
        maximum_ratio: Most tokens per source token. Where both an absolute and a relative
            bound are given, the stricter one holds, and of a least and a most that contradict
            each other for some source, the most; but a required prefix is written in full.
        no_repeat_ngram: n such that no n tokens in a row come twice in an output; 0 for no
            such rule. The END and the required prefix are exempt.
        repetition_penalty: What the log-probability of a token that was already written is
            multiplied by (Keskar et al. 2019, arXiv 1909.05858, section 4.1, on
            log-probabilities, which are never positive); 1 for no penalty.
        forbid: Tokens that are never written, `"<unk>"` perhaps among them.
        replace_unknown: Whether a target word that the model knows not, `<unk>`, is replaced by
            the source word that it attended to most (Jean et al. 2015, arXiv 1412.2007).
        dictionary: File with a source word, a tab and its translation on each line, in which
            that word is looked up; one that is not there is copied. It sets `replace_unknown`.

    Raises:
        ValueError: A value is out of range, or contradicts another.
        TypeError: A value has another type than its field.
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

    def __post_init__(self):
        object.__setattr__(self, "forbid", _tokens(self.forbid))
        if isinstance(self.dictionary, pathlib.PurePath):
            object.__setattr__(self, "dictionary", str(self.dictionary))
        super().__post_init__()
        self._check_order("minimum_length", "maximum_length")
        self._check_order("minimum_ratio", "maximum_ratio")
        if self.dictionary is not None:
            object.__setattr__(self, "replace_unknown", True)

    def _check_order(self, least, most):
        minimum, maximum = getattr(self, least), getattr(self, most)
        if maximum is not None and minimum > maximum:
            raise SettingError(
                "{least} ({0:g}) must not be over {most} ({1:g})",
                *(minimum, maximum),
                least=least,
                most=most,
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamSearch(Rules):
    """Beam search: K hypotheses of each source are followed, the most probable ones.

    Args:
        beam_size: Hypotheses K; 1 is greedy search.
        n_best: How many of them to return, at most `beam_size`.
        length_penalty: What log-probabilities are divided by before they are compared:
            `"wu"`, `((5 + |Y|) / 6)^alpha` (Wu et al. 2016, arXiv 1609.08144, equation 14), or
            `"average"`, the number of tokens |Y|. |Y| counts END.
        alpha: Exponent of `"wu"`; 0 for none.
        beta: Weight of the coverage penalty that is added then: `beta Σ log(min(Σ p, 1))`, for
            every source position the sum of what all output tokens attended to there (Wu et
            al. 2016, equation 14).
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
        """Hypotheses of each source that are followed."""
        return self.beam_size

    @property
    def returned(self):
        """Hypotheses of each source that are returned."""
        return self.n_best


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(Rules):
    """Sampling: every token is drawn from what the model holds probable, at random.

    Args:
        samples: Outputs to draw for each source.
        seed: The same seed gives the same outputs, whatever else is in the batch.
        temperature: What log-probabilities are divided by; under 1 probable tokens become more
            probable.
        top_k: Draws from the k most probable tokens only (Fan et al. 2018, arXiv 1805.04833);
            0 for all.
        top_p: Draws from the fewest tokens whose probabilities sum to p (Holtzman et al. 2020,
            arXiv 1904.09751); 1 for all.
        **rules: Arguments of `Rules`.
    """

    samples: int = number(1, minimum=1, maximum=1000)
    seed: int = number(0, minimum=0, maximum=_ANY_SEED)
    temperature: float = number(1.0, minimum=0.01, maximum=100.0)
    top_k: int = number(0, minimum=0, maximum=10_000_000)
    top_p: float = number(1.0, minimum=0.0, maximum=1.0)

    def __post_init__(self):
        super().__post_init__()
        if self.top_p == 0.0:
            raise SettingError(
                "{top_p} must be over 0 and at most 1; received 0.0 ({top_k}=1 is greedy)"
            )

    @property
    def width(self):
        """Hypotheses of each source that are followed."""
        return self.samples

    @property
    def returned(self):
        """Hypotheses of each source that are returned."""
        return self.samples


def make_strategy(kind, **options):
    """Makes a `BeamSearch` or a `Sampling`.

    Raises:
        ValueError: There is no such option, or its value is wrong.
        TypeError: A value has another type than its option.
    """
    check_names(options, kind, "option")
    return kind(**options)


def _tokens(forbid):
    tokens = tuple(forbid) if isinstance(forbid, (list, tuple, set)) else (forbid,)
    for token in tokens:
        if not isinstance(token, str) or not token:
            raise SettingTypeError(
                "{forbid} must hold tokens as strings; received {0}", reprlib.repr(token)
            )
    return tokens
