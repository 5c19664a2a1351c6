"""The attention over a whole corpus: measured sentence by sentence, and told on one page."""

import collections
import dataclasses
import itertools

import numpy as np

from kseq.analysis import measures
from kseq.analysis.alignment import (
    BOTH_SIDES,
    alignment_error_rate,
    attention_of,
    check_attends_words,
    hard_alignment,
    word_weights,
)
from kseq.analysis.evaluation import LONGEST
from kseq.analysis.report_page import page
from kseq.corpora.corpus import Corpus
from kseq.corpora.lines import chunks
from kseq.errors import SettingError
from kseq.files import write_text

SUSPICIOUS = 10  # sentences that are shown because something seems to be wrong with them


def attention_report(translator, data, path, alignments=None, sentences=200, head=None):
    """Writes a page that tells how the attention of a model behaves over a corpus.

    One HTML file, which opens from the disk and fetches nothing: the alignment error rate where
    gold exists, entropy by position, coverage, monotonicity, cross-entropy by length, the ten
    most suspicious sentences, and a heatmap of any sentence that is in the page, which answers
    to pointer and keyboard. The page defines every measure; so does `kseq.analysis.measures`.
    All is teacher forced: the attention is that to the words of the references.

    Pairs with a side of no token, or of more than 1,000, are left out, and counted on the page.

    Args:
        translator: `Translator` with attention; it reads and writes text.
        data: A `Corpus`, whose test split is taken, with its gold alignments where it has some
            that fit the run's tokens; or (source, target) sentences.
        path: The file to write; it is replaced whole.
        alignments: Gold alignments of sentences, each a set of (source, target) positions.
        sentences: How many of the first sentences can be looked at, beside the suspicious ones.
        head: Layer and head of a Transformer to measure, both from 1; by default the mean over
            all. Every head can be looked at in the page.

    Returns:
        The figures over the whole corpus: a dict of `sentences`, `left_out`, `cross_entropy`
        (nats per target token), `entropy` (bits), `never_attended` and `attended_twice` (shares
        of the source words), `monotonicity` (None without two output words in a row); with gold
        `alignment_error_rate`, of the links that `kseq.align` makes of one run, and
        `alignment_error_rate_one_side`, of every output word's strongest source word alone.

    Raises:
        ValueError: The model has no attention or no such head, a side is real-valued, there is
            no pair to measure, or gold alignments do not fit the pairs.
        OSError: The file could not be written.
    """
    check_attends_words(translator, head)
    if isinstance(sentences, bool) or not isinstance(sentences, int) or sentences < 0:
        raise SettingError(
            "{sentences} must be a whole number from 0 on; received {0!r}", sentences
        )
    pairs, alignments = _pairs_and_gold(translator, data, alignments)
    survey = _Survey(head)
    shown = {}
    for sentence in _read(translator, pairs, alignments):
        survey.add(sentence)
        if sentence.result is not None and len(shown) < sentences:
            shown[sentence.number] = sentence
    if not survey.sentences:
        raise ValueError(f"no pair has 1 to {LONGEST:,} tokens on each side")
    scores, ranks = measures.suspicion([one.behaviour for one in survey.sentences])
    suspicious = {}
    for row in np.argsort(-scores, kind="stable")[:SUSPICIOUS]:
        sentence = survey.sentences[row]
        suspicious[sentence.number] = [float(scores[row]), *map(float, ranks[row])]
        if sentence.number not in shown:
            result = translator.score([sentence.pair])[0]
            shown[sentence.number] = dataclasses.replace(sentence, result=result)
    figures = survey.figures()
    write_text(path, page(_facts(translator, data, survey, figures, shown, suspicious)))
    return figures


@dataclasses.dataclass(frozen=True, eq=False)
class _Sentence:
    """A pair of the corpus, and what is known of it.

    Args:
        number: Its place in the corpus, from 1.
        pair: Source and target.
        gold: Its gold links, or None.
        result: The `Translation` of reading it, or None of a pair that cannot be read.
        behaviour: `measures.Behaviour`.
    """

    number: int
    pair: tuple
    gold: set | None
    result: object = None
    behaviour: measures.Behaviour | None = None


def _pairs_and_gold(translator, data, alignments):
    if not isinstance(data, Corpus):
        return _with_blank(data), alignments
    if alignments is not None:
        raise ValueError("a corpus brings its own gold alignments; give alignments with pairs")
    text = translator.config.text
    has_words = {text.source_tokenizer, text.target_tokenizer} == {"word"}
    if has_words and data.has_alignments("test"):
        alignments = data.alignments("test")
    return _with_blank(data.test), alignments


def _with_blank(pairs):
    """All pairs of the files, so that they are numbered as their lines are."""
    return pairs.with_blank() if hasattr(pairs, "with_blank") else pairs


def _read(translator, pairs, alignments):
    """Yields a `_Sentence` of every pair in order, with a result where it can be read."""
    gold = itertools.repeat(None) if alignments is None else iter(alignments)
    number = 0
    for chunk in chunks(pairs, translator.read_ahead):
        links = list(itertools.islice(gold, len(chunk)))
        if len(links) < len(chunk):
            raise ValueError(
                f"expected a gold alignment for each pair; received {number + len(links):,} and "
                "more pairs than that"
            )
        fits = _fit(translator, chunk)
        results = iter(translator.score(list(itertools.compress(chunk, fits))))
        for pair, one_gold, fit in zip(chunk, links, fits):
            number += 1
            yield _Sentence(number, pair, one_gold, next(results) if fit else None)
    if alignments is not None and next(gold, None) is not None:
        raise ValueError(f"expected a gold alignment for each of {number:,} pairs; received more")


def _fit(translator, pairs):
    """Whether each pair has a token on both sides, and not too many."""
    lengths = [
        codec.tokenize(list(texts)).row_lengths().numpy()
        for codec, texts in zip(translator.codecs.sides, zip(*pairs))
    ]
    return [min(both) > 0 and max(both) <= LONGEST for both in zip(*lengths)]


class _Survey:
    """What is kept of all sentences: the pairs and their numbers, but no attention."""

    def __init__(self, head):
        self.head = head
        self.left_out = 0
        self.sentences = []
        self.links = []
        self.links_one_side = []
        self.heads = collections.defaultdict(lambda: ([], []))
        self.words = collections.Counter()
        self.never = collections.Counter()
        self.twice = collections.Counter()

    def add(self, sentence):
        """Measures a sentence."""
        result = sentence.result
        if result is None:
            self.left_out += 1
            return
        behaviour = measures.Behaviour.of(result, self.head)
        self.sentences.append(dataclasses.replace(sentence, result=None, behaviour=behaviour))
        words = result.source_tokens[:-1]
        self.words.update(words)
        self.never.update(itertools.compress(words, behaviour.never))
        self.twice.update(itertools.compress(words, behaviour.twice))
        if sentence.gold is not None:
            _check_gold(sentence)
            self.links.append(hard_alignment(result, self.head, BOTH_SIDES))
            self.links_one_side.append(hard_alignment(result, self.head))
        if result.attention_heads is not None:
            self._add_heads(result)

    def _add_heads(self, result):
        for place in np.ndindex(result.attention_heads.shape[:2]):
            head = place[0] + 1, place[1] + 1
            bits, links = self.heads[head]
            words = len(word_weights(result, head))
            bits.append(measures.entropies(attention_of(result, head)[:words]))
            links.append(hard_alignment(result, head, BOTH_SIDES))

    @property
    def gold(self):
        """Gold alignments, or None."""
        return [one.gold for one in self.sentences] if self.links else None

    @property
    def behaviours(self):
        """Those of all sentences."""
        return [one.behaviour for one in self.sentences]

    @property
    def jumps(self):
        """Those of all sentences, one behind the other."""
        return np.concatenate([one.jumps for one in self.behaviours])

    def figures(self):
        """What `attention_report` returns."""
        words = self.words.total()
        tokens = sum(one.tokens for one in self.behaviours)
        figures = {
            "sentences": len(self.sentences),
            "left_out": self.left_out,
            "cross_entropy": sum(one.loss for one in self.behaviours) / tokens,
            "entropy": float(np.concatenate([one.entropies for one in self.behaviours]).mean()),
            "never_attended": self.never.total() / words,
            "attended_twice": self.twice.total() / words,
            "monotonicity": measures.monotonicity(self.jumps),
        }
        if self.gold:
            figures["alignment_error_rate"] = alignment_error_rate(self.links, self.gold)
            figures["alignment_error_rate_one_side"] = alignment_error_rate(
                self.links_one_side, self.gold
            )
        return figures

    def heads_in_figures(self):
        """Layer, head, entropy and alignment error rate (None without gold) of every head."""
        return [
            (
                *head,
                float(np.concatenate(bits).mean()),
                alignment_error_rate(links, self.gold) if self.gold else None,
            )
            for head, (bits, links) in sorted(self.heads.items())
        ]


def _name(data):
    """What the page calls the corpus: its name, or its files with their folder."""
    if isinstance(data, Corpus):
        return data.name
    files = getattr(data, "files", ())
    return " and ".join("/".join(file.resolve().parts[-2:]) for file in files) or "pairs"


def _check_gold(sentence):
    source, target = (
        len(tokens) - 1 for tokens in (sentence.result.source_tokens, sentence.result.tokens)
    )
    for link in sentence.gold:
        if not (0 <= link[0] < source and 0 <= link[1] < target):
            raise ValueError(
                f"the gold alignment of pair {sentence.number:,} links {link[0]}-{link[1]}, but "
                f"the run reads {source} and {target} tokens, counted from 0"
            )


def _facts(translator, data, survey, figures, shown, suspicious):
    """All that the page shows."""
    model = translator.config.model
    kind = "Transformer" if model.architecture == "transformer" else model.cell.upper()
    measured = "the mean over all heads" if survey.heads else f"its {model.attention} attention"
    if survey.head is not None:
        measured = f"head {survey.head[1]} of layer {survey.head[0]}"
    return {
        "corpus": _name(data),
        "model": f"{kind}, {model.attention} attention",
        "measured": measured,
        "figures": figures,
        "heads": survey.heads_in_figures(),
        "never": _most_frequent(survey.never, survey.words),
        "twice": _most_frequent(survey.twice, survey.words),
        "entropy_by_position": measures.entropy_by_position(survey.behaviours),
        "loss_by_length": measures.loss_by_length(survey.behaviours),
        "jumps": measures.jump_counts(survey.jumps),
        "sentences": [_shown(shown[number], survey.head) for number in sorted(shown)],
        "suspicious": suspicious,
        "head": survey.head,
    }


def _most_frequent(counts, of):
    """The words that were counted most often, how often, and of how many."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(word, count, of[word]) for word, count in ranked[:10]]


def _shown(sentence, head):
    """One sentence as the page shows it."""
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
        "never": np.flatnonzero(behaviour.never).tolist(),
        "twice": np.flatnonzero(behaviour.twice).tolist(),
        "loss": behaviour.loss / behaviour.tokens,
        "entropy": float(behaviour.entropies.mean()),
        "monotonicity": measures.monotonicity(behaviour.jumps),
    }
