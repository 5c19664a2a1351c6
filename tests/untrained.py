"""Translators with random weights: made in a moment, and enough where quality does not matter."""

from kseq import Config, Translator, build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.runs.directory import WEIGHTS, write_description
from kseq.runs.record import RunRecord
from kseq.runs.weights import save_weights
from kseq.special_tokens import SPECIAL_TOKENS


def untrained_translator(settings, source_words, target_words):
    """A translator whose vocabularies hold the special tokens and these words."""
    vocabularies = ([*SPECIAL_TOKENS, *words] for words in (source_words, target_words))
    return untrained_reader(settings, *vocabularies)


def untrained_reader(settings, source_description, target_description):
    """A translator with the vocabularies, or other descriptions, of trained codecs."""
    config = Config().with_settings(["units=8", "embedding_dim=4", *settings])
    sides = source_description, target_description
    codecs = CodecPair.of(*sides, config.text, copies=config.model.copy)
    model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    record = RunRecord(length_ratio=1.0, parameters=model.count_params())
    return Translator.of_run(model, codecs, config, record)


def write_run(translator, folder):
    """Writes the run directory of a translator; returns the folder."""
    folder.mkdir()
    write_description(folder, translator.config, translator.codecs, translator.record)
    save_weights(translator.model, folder / WEIGHTS)
    return folder
