"""The pairs that a run is measured with: its own test split, or given files."""

import os
import pathlib

from kseq.corpora.gold_alignments import read_alignments, require_words
from kseq.corpora.opening import (
    describe_features,
    frame_widths,
    open_pairs,
    require_same_covariates,
    require_same_features,
)
from kseq.errors import SettingError
from kseq.runs.known_corpora import recall_corpus
from kseq.runs.reading import read_run


def open_test_pairs(run, test=None, alignments=None, **options):
    """Opens pairs to measure a run with, after checking that they fit it.

    Args:
        run: Run directory.
        test: Files of pairs as `kseq.load_corpus` takes them; by default, the test split of the
            corpus that the run was trained on, if this user trained it on this machine.
        alignments: File of gold alignments of `test`, as for `kseq.load_corpus`.
        **options: How `test` is read: `swap`, `columns`, `features`, `covariates` and
            `allow_outside` of `kseq.corpora.opening.open_pairs`.

    Returns:
        The pairs, `Pairs` or `ValuePairs`; and an iterable with the gold alignment of each line, or
        None if there are none or the tokens of the run are not words.

    Raises:
        FileNotFoundError: The run or a file is missing.
        ValueError: The run is damaged or its corpus is not known here, or the pairs cannot be read
            or do not fit the run.
    """
    _, config, record = read_run(run)
    gold = None
    given = [name for name, value in {**options, "alignments": alignments}.items() if value]
    if test is not None:
        kind = {"language_model": config.model.is_language_model}
        kind["context"] = config.text.previous_turns or None
        if kind["language_model"]:  # In a list, strings would be texts.
            test = [test] if isinstance(test, (str, os.PathLike)) else test
            test = list(map(pathlib.Path, test))
        pairs = open_pairs(test, **options, **kind)
        if alignments is not None:
            require_words(config)
            gold = read_alignments(alignments)
    elif given:
        raise SettingError(
            "{name} is for the files of {test}; the run's own test split is read as in training",
            name=given[0],
        )
    else:
        corpus = record.corpus and recall_corpus(record.corpus)
        if corpus is None:
            raise SettingError(
                "{test} must name files of {0}s, such as test.{1}: no test {0}s are known for {2}. "
                "kseq finds them only if you trained the run from files on this machine",
                *(("text", "txt") if config.model.is_language_model else ("pair", "tsv")),
                run,
            )
        pairs = corpus.test
        if config.text.reads_words and corpus.has_alignments("test"):
            gold = corpus.alignments("test")
    require_same_features(pairs, config.model.features != "none", run)
    require_same_covariates(pairs, config.model.target_covariates, run)
    trained = config.model.source_features, config.model.target_features
    features = frame_widths(pairs.features, config.text)
    if features != trained:
        expected, received = map(describe_features, (trained, features))
        raise ValueError(
            f"{pairs}: expected {expected}, as in the training of the run; received {received}"
        )
    return pairs, gold
