"""Settings that fit a corpus, chosen by a few rules, each with its reason.

- If the lines of a side are single words (names, dates, codes), it is split into characters. So is
  the other side, unless it has few different words, such as phonemes.
- If at most two words per line, on average, become few different symbols, such as phones, they are
  split into characters; but not if there are fewer different words than characters.
- If words become similar words, as in inflections (at most two words per line on both sides, on
  average), both sides are split into characters and share a vocabulary and its embeddings, and the
  model copies.
- A side that is already tokenised (phones, BPE, Moses) keeps its tokens, unless words that occur
  only once make up more than 5% of its text.
- A side with more than 8,000 different words is split into subwords: 4,000 for fewer than 10,000
  pairs, 16,000 from a million pairs, otherwise 8,000. Other sides are split into words; in Chinese,
  Japanese and Thai these are characters.
- If taking characters apart (Korean syllables) leaves at most a quarter as many different ones on
  a side of characters, they are taken apart.
- If both sides have at most 1,000 different tokens, the vocabulary holds all of them, and the model
  is small.
- If more than 1% of the lines are longer than `maximum_length`, it is raised to keep 99% of them,
  but to at most 400.
- Fewer pairs get more epochs, more dropout and smaller batches.
- A few thousand words (pronunciations, inflections) also get a higher learning rate and label
  smoothing, and the best epoch is the one with the most outputs that are exactly right.

The rules are based on measurements in docs/results.md: `dates` and `en-fr` for small vocabularies,
SIGMORPHON's pronunciations and inflections for a few thousand words, Multi30k German-English for
tens of thousands of sentence pairs. Nothing was measured beyond a million pairs; there, the values
are those usual in the literature.
"""

import dataclasses

from kseq.config import Config
from kseq.counts import counted
from kseq.inspection.findings import Inspection, require_inspection

_ONE_WORD = 0.9  # minimum share of one-word lines on a side of single words
_SHORT = 2  # maximum mean number of words per line, for words that become words or symbols
_ALIKE = 0.25  # minimum share of the targets' characters copied, beyond that of random sources
_COVERAGE = 0.95
_DECOMPOSED = 0.1
_TAKEN_APART = 0.25  # maximum share of the different characters that NFD leaves
_FEW_TYPES = 1_000
_FEW_WORDS = 15_000  # pairs
_MANY_TYPES = 8_000
_LONGEST = 400
_SUBWORDS_PER_WORD = 1.5


@dataclasses.dataclass(frozen=True)
class Setting:
    """One suggested setting.

    Args:
        section: `"model"`, `"text"` or `"training"`.
        field: Name of the setting in the section.
        value: Its value.
        reason: Why, as text for the user.
    """

    section: str
    field: str
    value: object
    reason: str


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Settings that fit a corpus and differ from the defaults.

    Args:
        name: Name of the corpus.
        settings: A tuple of `Setting`.
    """

    name: str
    settings: tuple

    def config(self):
        """Returns the settings as a `Config`, with defaults for all others."""
        return Config.from_dict(self._sections())

    def to_yaml(self):
        """Returns YAML for `kseq train --config`, with the reasons as comments."""
        lines = [f"# Suggested by kseq inspect for {' '.join(self.name.split())}"]
        for section in self._sections():
            lines.append(f"{section}:")
            lines += [
                f"  {setting.field}: {setting.value}  # {setting.reason}"
                for setting in self.settings
                if setting.section == section
            ]
        return "\n".join(lines) + "\n"

    def _sections(self):
        sections = {}
        for setting in self.settings:
            sections.setdefault(setting.section, {})[setting.field] = setting.value
        return sections


def suggest_config(inspection: Inspection) -> "Suggestion":
    """Suggests settings for a corpus.

    Args:
        inspection: `Inspection` of the corpus, from `kseq.inspect`.

    Returns:
        A `Suggestion`.

    Raises:
        TypeError: `inspection` is something else.
    """
    require_inspection(inspection)
    are_alike = _are_similar_words(inspection)
    tokenizers = list(_tokenizer_settings(inspection, are_alike))
    kinds = [setting.value for setting in tokenizers]
    normalization = _normalization(inspection, kinds)
    takes_apart = bool(normalization) and normalization.value == "nfd"
    is_small = _is_small(inspection, kinds, takes_apart)
    has_few_words = is_small and kinds[0] == "character" and inspection.pairs < _FEW_WORDS
    train = _word_training_settings if has_few_words else _training_settings
    settings = [
        *_model_settings(inspection, kinds, is_small),
        *(_copy_settings(inspection) if has_few_words and are_alike else ()),
        *tokenizers,
        *([normalization] if normalization else ()),
        *_vocabulary_settings(inspection, kinds, is_small),
        *train(inspection, is_small),
        *_length_settings(inspection, kinds, takes_apart),
    ]
    defaults = Config().to_dict()
    return Suggestion(
        inspection.name,
        tuple(
            setting
            for setting in settings
            if setting.value != defaults[setting.section].get(setting.field)
        ),
    )


def _tokenizer_settings(inspection, are_alike):
    sides = inspection.source, inspection.target
    for name, side, opposite in zip(("source", "target"), sides, sides[::-1]):
        if side.one_word_lines >= _ONE_WORD:
            reason = f"{side.one_word_lines:.0%} of its lines are single words"
            yield _tokenizer_setting(name, "character", reason)
        elif are_alike:
            yield _tokenizer_setting(name, "character", "words become similar words")
        elif _is_spelt_for(side, opposite):
            reason = f"few words per line, spelt out as {opposite.tokenization}"
            yield _tokenizer_setting(name, "character", reason)
        elif side.tokenization and side.coverage_twice >= _COVERAGE:
            yield _tokenizer_setting(name, "space", side.tokenization)
        elif opposite.one_word_lines >= _ONE_WORD and side.types > _FEW_TYPES:
            yield _tokenizer_setting(name, "character", "the other side is split into characters")
        elif side.types > _MANY_TYPES:
            share = 1 - side.coverage_twice
            reason = (
                f"{side.types:,} different words; {share:.1%} of the text are words that occur once"
            )
            yield _tokenizer_setting(name, "subword", reason)
        else:
            yield _tokenizer_setting(name, "word", f"{side.types:,} different words")


def _are_similar_words(inspection):
    """Whether words, or two words, become words with largely the same characters."""
    is_short = all(side.words.mean <= _SHORT for side in (inspection.source, inspection.target))
    return is_short and inspection.copied_characters - inspection.copied_by_chance >= _ALIKE


def _is_spelt_for(side, opposite):
    """Whether a side has words, or two words, whose characters correspond to symbols."""
    has_letters = not side.tokenization and side.alphabet < side.types
    return has_letters and side.words.mean <= _SHORT and opposite.has_symbols


def _tokenizer_setting(side, tokenizer, reason):
    return Setting("text", f"{side}_tokenizer", tokenizer, reason)


def _normalization(inspection, kinds):
    """Returns the `Setting` of the Unicode form; None for the default."""
    decomposed = inspection.target.decomposed_lines
    if decomposed >= _DECOMPOSED:
        reason = f"NFC would change {decomposed:.0%} of the target lines"
        return Setting("text", "normalization", "none", reason)
    for side, kind in zip((inspection.source, inspection.target), kinds):
        whole, parts = side.alphabet, side.decomposed_alphabet
        if kind == "character" and parts <= _TAKEN_APART * whole:
            reason = f"{whole:,} different characters consist of {parts:,} parts"
            return Setting("text", "normalization", "nfd", reason)
    return None


def _is_small(inspection, kinds, takes_apart):
    """Whether both sides have few different tokens."""

    def count(side, kind):
        if kind != "character":
            return side.types
        return side.decomposed_alphabet if takes_apart else side.alphabet

    sides = (inspection.source, inspection.target)
    return all(count(side, kind) <= _FEW_TYPES for side, kind in zip(sides, kinds))


def _model_settings(inspection, kinds, is_small):
    pairs = inspection.pairs
    if is_small:
        width = 64 if "character" in kinds else 128
        yield Setting("model", "units", 256, "few different tokens, as in dates and en-fr")
        yield Setting("model", "embedding_dim", width, "few different tokens")
    elif pairs >= 1_000_000:
        yield Setting("model", "units", 1024, "enough pairs for a larger model")
        yield Setting("model", "embedding_dim", 512, "enough pairs for a larger model")
    if is_small and "character" in kinds:
        is_many, few = pairs >= _FEW_WORDS, f"only {counted(pairs, 'pair')}"
        value, reason = (0.1, "characters, as in dates") if is_many else (0.3, few)
        yield Setting("model", "dropout", value, reason)
    elif not is_small and pairs < 50_000:
        yield Setting("model", "dropout", 0.4, f"only {counted(pairs, 'pair')}, as in Multi30k")
        yield Setting("model", "tie_output", True, "fewer weights to train, as there are few pairs")
    elif pairs >= 1_000_000:
        yield Setting("model", "dropout", 0.1, f"little overfitting with {counted(pairs, 'pair')}")


def _copy_settings(inspection):
    reason = f"{inspection.copied_characters:.0%} of the target characters also occur in the source"
    yield Setting("model", "copy", True, reason)
    yield Setting("model", "share_embeddings", True, "words become similar words")


def _vocabulary_settings(inspection, kinds, is_small):
    if is_small:
        yield Setting(
            "text", "minimum_frequency", 1, "few different tokens, so all are in the vocabulary"
        )
    if "subword" in kinds:
        pairs = inspection.pairs
        size = 4_000 if pairs < 10_000 else 8_000 if pairs < 1_000_000 else 16_000
        yield Setting("text", "subword_vocabulary_size", size, counted(pairs, "pair"))


def _word_training_settings(inspection, _):
    pairs = inspection.pairs
    few = f"only {counted(pairs, 'pair')}"
    epochs = 30 if pairs < 5_000 else 20
    yield Setting("training", "epochs", epochs, few)
    yield Setting("training", "learning_rate", 0.003, "few words are learnt faster by larger steps")
    yield Setting("training", "batch_size", 32, few)
    yield Setting("training", "warmup_steps", 200, few)
    yield Setting("training", "label_smoothing", 0.1, "better than none for a few thousand words")
    reason = "words that are exactly right count, not their tokens"
    yield Setting("training", "monitor", "val_exact_match", reason)
    yield Setting("training", "patience", epochs, "exact matches rise and fall from epoch to epoch")


def _training_settings(inspection, is_small):
    pairs = inspection.pairs
    few, many = f"only {counted(pairs, 'pair')}", counted(pairs, "pair")
    if pairs < 50_000:
        yield Setting("training", "epochs", 30 if pairs < 5_000 else 12, few)
        rate_reason = "fewer but larger steps, as for Multi30k and en-fr"
        yield Setting("training", "learning_rate", 0.002, rate_reason)
    elif pairs >= 1_000_000:
        yield Setting("training", "epochs", 5, many)
    if pairs < 25_000:
        yield Setting("training", "batch_size", 32 if pairs < 5_000 else 64, few)
    elif pairs >= 1_000_000:
        yield Setting("training", "batch_size", 256, many)
    if pairs < 25_000:
        yield Setting("training", "warmup_steps", 200, few)
    if not is_small:
        reason = "sentences have several correct translations, as in Multi30k"
        yield Setting("training", "label_smoothing", 0.1, reason)


def _length_settings(inspection, kinds, takes_apart):
    lengths = []
    for side, kind in zip((inspection.source, inspection.target), kinds):
        if kind == "character":
            parts = side.parts_per_character if takes_apart else 1
            lengths.append(round(side.characters.percentile_99 * parts))
        else:
            pieces = _SUBWORDS_PER_WORD if kind == "subword" else 1
            lengths.append(round(side.words.percentile_99 * pieces))
    longest = max(lengths)
    if longest > Config().training.maximum_length:
        value = min(-(-longest // 10) * 10, _LONGEST)
        reason = f"99% of the lines have at most {longest:,} tokens"
        if longest > _LONGEST:
            reason += ", which is too long for a batch"
        yield Setting("training", "maximum_length", value, reason)
