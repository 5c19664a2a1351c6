"""The pairs that a run is measured with: its own test split, or given files."""

from kseq.corpora.corpus import reopen_corpus
from kseq.corpora.gold_alignments import read_alignments
from kseq.corpora.opening import describe_features, open_pairs
from kseq.errors import SettingError
from kseq.runs.directory import read_run


def open_test_pairs(run, test=None, swap=False, columns=None, alignments=None):
    """Opens pairs to measure a run with, after checking that they fit it.

    Args:
        run: Run directory.
        test: Files of pairs as `kseq.load_corpus` takes them; by default, the test split of the
            corpus that the run was trained on.
        swap: Whether the second column of `test`, or the second file, is the source.
        columns: The columns of `test`, as for `kseq.load_corpus`.
        alignments: File of gold alignments of `test`, as for `kseq.load_corpus`.

    Returns:
        The pairs, `Pairs` or `ValuePairs`; and an iterable with the gold alignment of each line, or
        None if there are none or the tokens of the run are not words.

    Raises:
        FileNotFoundError: The run or a file is missing.
        ValueError: The run is damaged or has no record of its corpus, or the pairs cannot be
            read or do not fit the run.
    """
    _, config, record = read_run(run)
    gold = None
    if test is not None:
        pairs = open_pairs(test, swap, columns)
        if alignments is not None:
            _require_words(config)
            gold = read_alignments(alignments)
    elif swap or columns or alignments:
        name = "swap" if swap else "columns" if columns else "alignments"
        raise SettingError(
            "{name} is for the files of {test}; the run's own test split is read as in training",
            name=name,
        )
    else:
        if record.corpus is None:
            raise SettingError(
                "{test} must name files of pairs: {0} has no record of the files of its corpus", run
            )
        corpus = reopen_corpus(record.corpus)
        pairs = corpus.test
        if config.text.reads_words and corpus.has_alignments("test"):
            gold = corpus.alignments("test")
    trained = config.model.source_features, config.model.target_features
    if pairs.features != trained:
        expected, received = map(describe_features, (trained, pairs.features))
        raise ValueError(
            f"{pairs}: expected {expected}, as in the training of the run; received {received}"
        )
    return pairs, gold


def _require_words(config):
    widths = config.model.source_features, config.model.target_features
    if any(widths) or not config.text.reads_words:
        raise SettingError(
            "{alignments} link words, but the run reads or writes other tokens; they need a run "
            "with word or space as {source_tokenizer} and {target_tokenizer}"
        )
