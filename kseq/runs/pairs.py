"""The pairs that a run is measured with: its own test split, or given files."""

from kseq.corpora.corpus import describe_features, open_pairs
from kseq.errors import SettingError
from kseq.runs.directory import read_run
from kseq.runs.known_corpora import recall_corpus


def open_test_pairs(run, test=None, swap=False, allow_outside=False):
    """Opens pairs to measure a run with, after checking that they fit it.

    Args:
        run: Run directory.
        test: Files of pairs as `kseq.load_corpus` takes them; by default, the test split of the
            corpus that the run was trained on, if this user trained it on this machine.
        swap: Whether the second column of `test`, or the second file, is the source.
        allow_outside: Whether a TSV in `test` may name `.npy` files outside its folder.

    Returns:
        The pairs, `Pairs` or `ValuePairs`; and an iterable of their gold alignments, or None if
        there are none or the tokens of the run are not words.

    Raises:
        FileNotFoundError: The run or a file is missing.
        ValueError: The run is damaged or its corpus is not known here, or the pairs cannot be read
            or do not fit the run.
    """
    _, config, record = read_run(run)
    alignments = None
    if test:
        pairs = open_pairs(test, swap, allow_outside)
    elif swap or allow_outside:
        raise SettingError(
            "{name} is for the files of {test}; the run's own test split is read as in training",
            name="swap" if swap else "allow_outside",
        )
    else:
        corpus = record.corpus and recall_corpus(record.corpus)
        if corpus is None:
            raise SettingError(
                "{test} must name files of pairs, such as test.tsv: the corpus of {0} is known "
                "only to the user who trained it from files, on the same machine",
                run,
            )
        pairs = corpus.test
        if config.text.reads_words and corpus.has_alignments("test"):
            alignments = corpus.alignments("test")
    trained = config.model.source_features, config.model.target_features
    if pairs.features != trained:
        expected, received = map(describe_features, (trained, pairs.features))
        raise ValueError(
            f"{pairs}: expected {expected}, as in the training of the run; received {received}"
        )
    return pairs, alignments
