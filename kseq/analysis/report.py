"""An HTML page about the attention of a model over a whole corpus."""

import dataclasses
import itertools
import reprlib
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq.analysis import measures
from kseq.analysis.attention import check_word_attention
from kseq.analysis.corpus_measures import CorpusMeasures, Sentence
from kseq.analysis.evaluation import LONGEST
from kseq.analysis.report_page import render_page
from kseq.corpora.corpus import Corpus
from kseq.corpora.lines import chunks
from kseq.corpora.pairs import Pairs
from kseq.errors import SettingError
from kseq.files import write_text
from kseq.path_names import PathName

if TYPE_CHECKING:
    from kseq.translation.translator import Translator

_MOST_SUSPICIOUS = 10  # sentences
_MOST_WORDS = 10  # in the tables of words never attended to and attended to twice


def attention_report(
    translator: "Translator",
    data: Any,
    path: PathName,
    alignments: Any = None,
    sentences: int = 200,
    head: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Writes an HTML page that shows how the attention of a model behaves over a corpus.

    The page is a single file that needs no network. It shows the alignment error rate if there
    are gold alignments, entropy by position, coverage, monotonicity, cross-entropy by length, the
    ten most suspicious sentences, and interactive heatmaps of sentences, for mouse and keyboard.
    The page defines every measure, as `kseq.analysis.measures` does. The model reads the targets
    under teacher forcing. Pairs in which a side has no tokens, or more than 1,000, are left out;
    the page counts them.

    Args:
        translator: `Translator` with attention that reads and writes text.
        data: A `Corpus`, whose test split is used, with its gold alignments if they fit the tokens
            of the run; or (source, target) sentences.
        path: File to write, completely or not at all.
        alignments: Gold alignments of the sentences, each a set of (source, target) positions.
        sentences: Number of sentences, from the first, to show in addition to the suspicious ones.
        head: Layer and head of a Transformer to measure, both from 1; the mean over all by
            default. The page can show every head.

    Returns:
        Metrics of the whole corpus, a dict: `sentences`, `left_out`, `cross_entropy` (nats
        per target token), `entropy` (bits), `never_attended` and `attended_twice` (shares of the
        source words), `monotonicity` (None if no target has two words). With gold alignments,
        also `alignment_error_rate` of the links that `kseq.align` returns for one run, and
        `alignment_error_rate_one_side` of the links from every output word to its strongest
        source word.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The model has no attention or no such head, a side is real-valued, there is
            no pair to measure, or the gold alignments do not fit the pairs.
        OSError: The file could not be written.
    """
    check_word_attention(translator, head)
    if isinstance(sentences, bool) or not isinstance(sentences, int) or sentences < 0:
        raise SettingError(
            "{sentences} must be a whole number of at least 0; received {0!r}", sentences
        )
    pairs, alignments = _pairs_and_gold(translator, data, alignments)
    totals, page_sentences = _measure(translator, pairs, alignments, sentences, head)
    facts = {
        **_describe_run(translator, data, totals),
        **_summarize_for_page(totals),
        "metrics": totals.summarize(),
        "suspicious": _rank_suspicious(totals),
    }
    _add_suspicious(page_sentences, translator, totals, facts["suspicious"])
    facts["sentences"] = [
        _describe_sentence(page_sentences[number], head) for number in sorted(page_sentences)
    ]
    write_text(path, render_page(facts))
    return facts["metrics"]


def _add_suspicious(page_sentences, translator, totals, suspicious):
    """Adds the suspicious sentences, by their numbers, to those of the page."""
    for sentence in totals.sentences:
        if sentence.number in suspicious and sentence.number not in page_sentences:
            result = translator.score([sentence.pair])[0]
            page_sentences[sentence.number] = dataclasses.replace(sentence, result=result)


def _measure(translator, pairs, alignments, count, head):
    """The measures of all sentences, and the first `count` sentences with results, by number."""
    totals = CorpusMeasures(head)
    first_sentences = {}
    for sentence in _read_sentences(translator, pairs, alignments):
        totals.add(sentence)
        if sentence.result is not None and len(first_sentences) < count:
            first_sentences[sentence.number] = sentence
    if not totals.sentences:
        raise ValueError(f"no pair has 1 to {LONGEST:,} tokens on each side")
    return totals, first_sentences


def _pairs_and_gold(translator, data, alignments):
    """The pairs to read, those with an empty side included, and their gold alignments or None."""
    if alignments is not None and not np.iterable(alignments):
        raise TypeError(f"expected a list of alignments; received {reprlib.repr(alignments)}")
    if not isinstance(data, Corpus):
        return _include_blank(data), alignments
    if alignments is not None:
        raise ValueError("a corpus has its own gold alignments; pass alignments only with pairs")
    if translator.config.text.reads_words and data.has_alignments("test"):
        alignments = data.alignments("test")
    return _include_blank(data.test), alignments


def _include_blank(pairs):
    """The pairs of all lines, so that their numbers are line numbers."""
    return pairs.with_blank() if isinstance(pairs, Pairs) else pairs


def _read_sentences(translator, pairs, alignments):
    """Yields a `Sentence` for every pair in order, with a result if it can be read."""
    golds = itertools.repeat(None) if alignments is None else iter(alignments)
    number = 0
    for chunk in chunks(pairs, translator.read_ahead):
        chunk_golds = list(itertools.islice(golds, len(chunk)))
        if len(chunk_golds) < len(chunk):
            raise ValueError(
                "expected a gold alignment for each pair; received "
                f"{number + len(chunk_golds):,} alignments and more pairs"
            )
        fits = _check_lengths(translator, chunk)
        results = iter(translator.score(list(itertools.compress(chunk, fits))))
        for pair, gold, fit in zip(chunk, chunk_golds, fits):
            number += 1
            yield Sentence(number, pair, gold, next(results) if fit else None)
    if alignments is not None and next(golds, None) is not None:
        raise ValueError(f"expected a gold alignment for each of {number:,} pairs; received more")


def _check_lengths(translator, pairs):
    """Whether each pair has at least one token on both sides, and not too many."""
    lengths = [
        codec.tokenize(list(texts)).row_lengths().numpy()
        for codec, texts in zip(translator.codecs.sides, zip(*pairs))
    ]
    return [min(counts) > 0 and max(counts) <= LONGEST for counts in zip(*lengths)]


def _rank_suspicious(totals):
    """The most suspicious sentences: a dict from number to score and ranks, the worst first."""
    scores, ranks = measures.suspicion(totals.behaviours)
    return {
        totals.sentences[row].number: [float(scores[row]), *map(float, ranks[row])]
        for row in np.argsort(-scores, kind="stable")[:_MOST_SUSPICIOUS]
    }


def _describe_run(translator, data, totals):
    """Names of the corpus, the model and the measured attention, for the page."""
    model = translator.config.model
    kinds = [
        model.cell.upper() if is_recurrent else "Transformer"
        for is_recurrent in (model.has_recurrent_encoder, model.has_recurrent_decoder)
    ]
    kind = " and ".join(dict.fromkeys(kinds))
    if totals.head is not None:
        measured = f"head {totals.head[1]} of layer {totals.head[0]}"
    elif totals.has_heads:
        measured = "the mean over all heads"
    else:
        measured = f"the {model.attention} attention"
    return {
        "corpus": _corpus_name(data),
        "model": f"{kind}, {model.attention} attention",
        "measured": measured,
        "head": totals.head,
    }


def _corpus_name(data):
    """The name of a corpus, or its files with their folders."""
    if isinstance(data, Corpus):
        return data.name
    files = data.files if isinstance(data, Pairs) else ()
    return " and ".join("/".join(file.resolve().parts[-2:]) for file in files) or "pairs"


def _summarize_for_page(totals):
    """The tables and charts of the page."""
    return {
        "heads": totals.summarize_heads(),
        "never": _most_frequent(totals.never_attended, totals.words),
        "twice": _most_frequent(totals.attended_twice, totals.words),
        "entropy_by_position": measures.entropy_by_position(totals.behaviours),
        "loss_by_length": measures.loss_by_length(totals.behaviours),
        "jumps": measures.count_jumps(totals.jumps),
    }


def _most_frequent(counts, occurrences):
    """The words with the highest counts: word, count, and number of occurrences."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(word, count, occurrences[word]) for word, count in ranked[:_MOST_WORDS]]


def _describe_sentence(sentence, head):
    """The data of a sentence for the page."""
    behaviour = measures.Behaviour.of(sentence.result, head)
    source, target = sentence.pair
    return {
        "number": sentence.number,
        "source": source,
        "target": target,
        "source_tokens": sentence.result.source_tokens,
        "tokens": sentence.result.tokens,
        "attention": np.asarray(sentence.result.attention),
        "heads": sentence.result.attention_heads,
        "gold": None if sentence.gold is None else sorted(sentence.gold),
        "never": np.flatnonzero(behaviour.never_attended).tolist(),
        "twice": np.flatnonzero(behaviour.attended_twice).tolist(),
        "loss": behaviour.loss / behaviour.tokens,
        "entropy": float(behaviour.entropies.mean()),
        "monotonicity": measures.monotonicity(behaviour.jumps),
    }
