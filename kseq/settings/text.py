"""Settings of the text and of speech: tokenizers and vocabularies, frames of recordings."""

import dataclasses
from typing import Literal

from kseq.errors import SettingError
from kseq.fields import Section, number

MIN_SUBWORDS = 300  # special tokens, 256 bytes and some characters
SPEECH = ("sample_rate", "mel_bands", "frame_length", "frame_step")


@dataclasses.dataclass(frozen=True)
class TextConfig(Section):
    """How strings become ids, and recordings become frames.

    Args:
        source_tokenizer: `"word"`, `"character"`, `"subword"`; or `"space"` for text that is
            already tokenised, where a token is whatever is between two spaces (phones, BPE with
            `@@`, SMILES). `"none"` is for a language model, which has no source.
        target_tokenizer: The same for the target; tokens of `"space"` are joined with spaces.
        normalization: The Unicode form of the text. `"nfc"` unifies characters that look and mean
            the same; `"nfkc"` also replaces characters with similar ones (`ʰ` with `h`, full-width
            letters with ordinary ones), so a model can never write the originals; `"nfd"` takes
            characters apart, Korean syllables into their letters, `é` into `e` and an accent, and
            puts them together in what the model writes, so that a model by characters learns Korean
            from far fewer examples; `"none"` leaves the Unicode form unchanged, and keeps no-break
            and other special spaces, too. (Several ordinary spaces become one in any case.)
        case: How capitals are treated: `"keep"`; `"lower"`, so that translations are in lower
            case; or `"mark"`, where a token before a word says that it begins with a capital, so
            that `The` and `the` are the same word, yet translations have capitals.
        minimum_frequency: Words or characters that are rarer than this in the training split
            become UNK.
        maximum_vocabulary_size: Maximum number of words or characters on each side, special
            tokens included; the most frequent ones are kept.
        subword_algorithm: How subwords are learnt: `"unigram"` (Kudo 2018) or `"bpe"` (Sennrich et
            al. 2016).
        subword_vocabulary_size: Number of subwords on each side, or of both sides together if
            they share a vocabulary; special tokens and the 256 bytes are included.
        share_vocabulary: Whether both sides have the same vocabulary, learnt from both.
        feature_separator: What stands between the features of a source, as in `V;PST;3;SG`.
        previous_turns: In a corpus of conversations, the largest number of turns that a source
            holds, joined by `⏎`; 0 in other corpora. `kseq.train` takes it from the corpus.
        sample_rate: Samples per second of recordings, to which others are resampled; 0 for the rate
            of the first recording of the training split.
        mel_bands: Number of bands of a log-mel spectrogram, the values of a frame of a recording.
        frame_length: Seconds that a frame of a recording sees.
        frame_step: Seconds from one frame to the next.

    Raises:
        ValueError: A value is out of range, not among the choices, or has no effect.
        TypeError: A value has the wrong type.
    """

    source_tokenizer: Literal["word", "character", "subword", "space", "none"] = "word"
    target_tokenizer: Literal["word", "character", "subword", "space"] = "word"
    normalization: Literal["nfc", "nfkc", "nfd", "none"] = "nfc"
    case: Literal["keep", "lower", "mark"] = "keep"
    minimum_frequency: int = number(2, minimum=1, maximum=1_000_000)
    maximum_vocabulary_size: int = number(50_000, minimum=5, maximum=10_000_000)
    subword_algorithm: Literal["unigram", "bpe"] = "unigram"
    subword_vocabulary_size: int = number(8000, minimum=MIN_SUBWORDS, maximum=1_000_000)
    share_vocabulary: bool = False
    feature_separator: str = ";"
    previous_turns: int = number(0, minimum=0, maximum=1000)
    sample_rate: int = number(0, minimum=0, maximum=192_000)
    mel_bands: int = number(80, minimum=1, maximum=256)
    frame_length: float = number(0.025, minimum=0.001, maximum=0.1)
    frame_step: float = number(0.01, minimum=0.001, maximum=0.1)

    def __post_init__(self):
        super().__post_init__()
        if not self.feature_separator:
            raise SettingError("{feature_separator} must have a character; received an empty one")
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
        """The tokenizers of source and target."""
        return self.source_tokenizer, self.target_tokenizer

    @property
    def reads_words(self):
        """Whether the tokens of both sides are words, as in gold alignments."""
        return set(self.tokenizers) <= {"word", "space"} and self.case != "mark"


def require_same_tokenizers(name, text):
    """Checks that both sides can have the same vocabulary.

    Args:
        name: The setting that requires it.
        text: `TextConfig`.

    Raises:
        ValueError: The sides have different tokenizers.
    """
    if len(set(text.tokenizers)) > 1:
        raise SettingError(
            "{name}=true needs the same tokenizer on both sides; received {source_tokenizer}={0} "
            "and {target_tokenizer}={1}",
            *text.tokenizers,
            name=name,
        )
