"""Measures of attention, aggregated over the sentences of a corpus."""

import collections
import dataclasses
import itertools

import numpy as np

from kseq.analysis import measures
from kseq.analysis.alignment import hard_alignment
from kseq.analysis.attention import attention_of, word_attention
from kseq.analysis.links import GROW_DIAG_FINAL_AND, alignment_error_rate, require_links


@dataclasses.dataclass(frozen=True, eq=False)
class Sentence:
    """A pair of a corpus, and the attention of a model while it read the target.

    Args:
        number: Position in the corpus, from 1.
        pair: Source and target.
        gold: Gold links, or None.
        result: `Translation` of the pair under teacher forcing; None if the pair cannot be read.
        behaviour: `kseq.analysis.measures.Behaviour` of the result.
    """

    number: int
    pair: tuple
    gold: set | None
    result: object = None
    behaviour: measures.Behaviour | None = None


class CorpusMeasures:
    """Measures of all sentences. Pairs and numbers are kept, but no attention matrices.

    Args:
        head: Layer and head of a Transformer to measure, both from 1; None for the mean.

    Attributes:
        sentences: Every `Sentence` that was measured, without its result.
        left_out: Number of pairs that could not be read.
        words: How often each source word occurs, a `collections.Counter`.
        never_attended: How often each source word was never attended to.
        attended_twice: How often each source word was attended to twice.
    """

    def __init__(self, head):
        self.head = head
        self.sentences = []
        self.left_out = 0
        self.words = collections.Counter()
        self.never_attended = collections.Counter()
        self.attended_twice = collections.Counter()
        self._links = []
        self._forward_links = []
        self._heads = collections.defaultdict(lambda: ([], []))

    def add(self, sentence):
        """Measures a `Sentence`."""
        result = sentence.result
        if result is None:
            self.left_out += 1
            return
        behaviour = measures.Behaviour.of(result, self.head)
        self.sentences.append(dataclasses.replace(sentence, result=None, behaviour=behaviour))
        words = result.source_tokens[:-1]
        self.words.update(words)
        self.never_attended.update(itertools.compress(words, behaviour.never_attended))
        self.attended_twice.update(itertools.compress(words, behaviour.attended_twice))
        if sentence.gold is not None:
            _check_gold(sentence)
            self._links.append(hard_alignment(result, self.head, GROW_DIAG_FINAL_AND))
            self._forward_links.append(hard_alignment(result, self.head))
        if result.attention_heads is not None:
            self._add_heads(result)

    def _add_heads(self, result):
        for layer, head in np.ndindex(result.attention_heads.shape[:2]):
            head = layer + 1, head + 1
            bits, links = self._heads[head]
            word_count = len(word_attention(result, head))
            bits.append(measures.entropies(attention_of(result, head)[:word_count]))
            links.append(hard_alignment(result, head, GROW_DIAG_FINAL_AND))

    @property
    def has_heads(self):
        """Whether the model is a Transformer."""
        return bool(self._heads)

    @property
    def behaviours(self):
        """The `Behaviour` of every sentence, a list."""
        return [sentence.behaviour for sentence in self.sentences]

    @property
    def jumps(self):
        """The jumps of all sentences, concatenated, an array."""
        return np.concatenate([behaviour.jumps for behaviour in self.behaviours])

    def summarize(self):
        """Returns the metrics of `kseq.attention_report`, a dict."""
        behaviours = self.behaviours
        word_count = self.words.total()
        token_count = sum(behaviour.tokens for behaviour in behaviours)
        bits = np.concatenate([behaviour.entropies for behaviour in behaviours])
        metrics = {
            "sentences": len(self.sentences),
            "left_out": self.left_out,
            "cross_entropy": sum(behaviour.loss for behaviour in behaviours) / token_count,
            "entropy": float(bits.mean()),
            "never_attended": self.never_attended.total() / word_count,
            "attended_twice": self.attended_twice.total() / word_count,
            "monotonicity": measures.monotonicity(self.jumps),
        }
        if self._links:
            gold = self._gold()
            metrics["alignment_error_rate"] = alignment_error_rate(self._links, gold)
            metrics["alignment_error_rate_one_side"] = alignment_error_rate(
                self._forward_links, gold
            )
        return metrics

    def summarize_heads(self):
        """Returns layer, head, entropy and alignment error rate (or None) of every head."""
        gold = self._gold() if self._links else None
        return [
            (
                *head,
                float(np.concatenate(bits).mean()),
                alignment_error_rate(links, gold) if gold else None,
            )
            for head, (bits, links) in sorted(self._heads.items())
        ]

    def _gold(self):
        return [sentence.gold for sentence in self.sentences]


def _check_gold(sentence):
    source_words, target_words = (
        len(tokens) - 1 for tokens in (sentence.result.source_tokens, sentence.result.tokens)
    )
    for source, target in require_links(sentence.gold):
        if not (0 <= source < source_words and 0 <= target < target_words):
            raise ValueError(
                f"the gold alignment of pair {sentence.number:,} links {source}-{target}, but the "
                f"run reads {source_words} and {target_words} tokens, counted from 0"
            )
