"""Settings that fit a corpus, by a few rules, each with its reason.

- Lines of one word (names, dates, codes): characters; on the other side too, unless its words are
  few, such as phonemes.
- More than 8,000 different words on a side: subwords there, 4,000 under 10,000 pairs, 8,000, and
  16,000 from a million pairs on. Otherwise words; of Chinese, Japanese and Thai these are
  characters.
- At most 1,000 different tokens on either side: none of them unknown, and a small model.
- More than 1% of the lines longer than `maximum_length`: one that keeps 99%, 400 at most.
- The fewer the pairs, the more epochs and dropout, the smaller the batches.

What the README measures stands behind them: `dates` and `en-fr` for small vocabularies, Multi30k
German-English for sentences of tens of thousands of pairs. Beyond a million pairs nothing was
measured; those values are the usual ones of the literature.
"""

import dataclasses

from kseq.config import Config

_ONE_WORD = 0.9  # share of the lines from which on a side is one of single words
_FEW_TYPES = 1_000
_MANY_TYPES = 8_000
_LONGEST = 400
_SUBWORDS_PER_WORD = 1.5


@dataclasses.dataclass(frozen=True)
class Setting:
    """One suggested setting.

    Args:
        section: `"model"`, `"text"` or `"training"`.
        field: Its name there.
        value: What to set it to.
        reason: Why, for a person.
    """

    section: str
    field: str
    value: object
    reason: str


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Settings that fit a corpus, where they differ from the defaults.

    Args:
        name: The corpus.
        settings: A tuple of `Setting`.
    """

    name: str
    settings: tuple

    def config(self):
        """Returns the settings as a `Config`, defaults in the place of all others."""
        return Config.from_dict(self._sections())

    def to_yaml(self):
        """Returns a file for `kseq train --config`: YAML, with the reasons as comments."""
        lines = [f"# Suggested by kseq inspect for {' '.join(self.name.split())}"]
        for section in self._sections():
            chosen = [setting for setting in self.settings if setting.section == section]
            lines.append(f"{section}:")
            lines += [f"  {each.field}: {each.value}  # {each.reason}" for each in chosen]
        return "\n".join(lines) + "\n"

    def _sections(self):
        sections = {}
        for setting in self.settings:
            sections.setdefault(setting.section, {})[setting.field] = setting.value
        return sections


def suggest_config(inspection):
    """Returns the `Suggestion` for what `kseq.inspect` found."""
    tokenizers = list(_tokenizers(inspection))
    kinds = [setting.value for setting in tokenizers]
    is_small = _is_small(inspection, kinds)
    settings = [
        *_model(inspection, kinds, is_small),
        *tokenizers,
        *_vocabulary(inspection, kinds, is_small),
        *_training(inspection, kinds, is_small),
    ]
    defaults = Config().to_dict()
    differing = (each for each in settings if each.value != defaults[each.section].get(each.field))
    return Suggestion(inspection.name, tuple(differing))


def _tokenizers(inspection):
    sides = inspection.source, inspection.target
    has_words = [side.one_word_lines >= _ONE_WORD for side in sides]
    for name, side, is_one, other_is_one in zip(
        ("source", "target"), sides, has_words, reversed(has_words)
    ):
        if is_one:
            yield _text(name, "character", f"{side.one_word_lines:.0%} of its lines are one word")
        elif other_is_one and side.types > _FEW_TYPES:
            yield _text(name, "character", "the other side is spelt letter by letter")
        elif side.types > _MANY_TYPES:
            unknown = 1 - side.coverage_twice
            reason = f"{side.types:,} different words, {unknown:.1%} of all tokens occur once"
            yield _text(name, "subword", reason)
        else:
            yield _text(name, "word", f"{side.types:,} different words")


def _text(side, tokenizer, reason):
    return Setting("text", f"{side}_tokenizer", tokenizer, reason)


def _is_small(inspection, kinds):
    """Whether there are few different tokens on both sides."""
    sides = zip((inspection.source, inspection.target), kinds)
    return all(
        (side.alphabet if kind == "character" else side.types) <= _FEW_TYPES for side, kind in sides
    )


def _model(inspection, kinds, is_small):
    pairs = inspection.pairs
    if is_small:
        width = 64 if "character" in kinds else 128
        yield Setting("model", "units", 256, "few different tokens: as for dates and en-fr")
        yield Setting("model", "embedding_dim", width, "few different tokens")
    elif pairs >= 1_000_000:
        yield Setting("model", "units", 1024, "a million pairs fill a larger model")
        yield Setting("model", "embedding_dim", 512, "a million pairs fill a larger model")
    if is_small and "character" in kinds:
        yield Setting("model", "dropout", 0.1, "letters: as for dates")
    elif not is_small and pairs < 50_000:
        yield Setting("model", "dropout", 0.4, f"{pairs:,} pairs are few: as for Multi30k")
        yield Setting("model", "tie_output", True, "few pairs: fewer weights to learn")
    elif pairs >= 1_000_000:
        yield Setting("model", "dropout", 0.1, f"{pairs:,} pairs keep it from overfitting")


def _vocabulary(inspection, kinds, is_small):
    if is_small:
        yield Setting("text", "minimum_frequency", 1, "few different tokens: none need be unknown")
    if "subword" in kinds:
        pairs = inspection.pairs
        size = 4_000 if pairs < 10_000 else 8_000 if pairs < 1_000_000 else 16_000
        yield Setting("text", "subword_vocabulary_size", size, f"{pairs:,} pairs")


def _training(inspection, kinds, is_small):
    pairs = inspection.pairs
    few, many = f"only {pairs:,} pairs", f"{pairs:,} pairs"
    if pairs < 50_000:
        yield Setting("training", "epochs", 30 if pairs < 5_000 else 12, few)
        rate_reason = "fewer steps, larger ones: as for Multi30k and en-fr"
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
        reason = "open text has several right translations: as for Multi30k"
        yield Setting("training", "label_smoothing", 0.1, reason)
    yield from _maximum_length(inspection, kinds)


def _maximum_length(inspection, kinds):
    lengths = [
        side.characters.percentile_99
        if kind == "character"
        else round(side.words.percentile_99 * (_SUBWORDS_PER_WORD if kind == "subword" else 1))
        for side, kind in zip((inspection.source, inspection.target), kinds)
    ]
    longest = max(lengths)
    if longest > Config().training.maximum_length:
        value = min(-(-longest // 10) * 10, _LONGEST)
        reason = f"99% of the lines have at most {longest:,} tokens"
        if longest > _LONGEST:
            reason += ", more than a batch should hold"
        yield Setting("training", "maximum_length", value, reason)
