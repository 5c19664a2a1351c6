"""How good translations are, in the figures that people report."""

import itertools
import math
import warnings

import numpy as np

from kseq.analysis.alignment import BOTH_SIDES, alignment_error_rate, hard_alignment

LONGEST = 1000  # tokens of a side


class LeftOutWarning(UserWarning):
    """Pairs were not evaluated."""


def evaluate(translator, pairs, alignments=None, beam_size=1, **options):
    """Translates, or predicts, and compares with the references.

    References are compared as they are, but for letter case where the run has lowered it;
    sacreBLEU tokenises for BLEU (13a). Exact match and token error rate compare what the run's
    own normalisation and tokenizer make of both.

    Args:
        translator: A `Translator`.
        pairs: (source, reference) sentences, or real values.
        alignments: Gold alignments of the pairs, each a set of (source, target) positions.
        beam_size: Hypotheses K; 1 is greedy search.
        **options: Others of `kseq.BeamSearch`.

    Returns:
        A dict: `bleu`, `chrf`, `exact_match` and `token_error_rate` in percent, `perplexity`
        per target token, `sentences`, `signature` (sacreBLEU's, of `bleu`), and
        `alignment_error_rate` (0 to 1, of the links that `kseq.align` makes) where gold is
        given and the model has attention. `sentences` does not count pairs with a side of no
        token or of more than 1,000: they are left out.

        For real-valued targets: `mean_squared_error` of the free run, as many steps as the
        reference has, `one_step_error`, likewise, of every step predicted from the true ones
        before, both in the units of the data, and `sequences`.

    Warns:
        LeftOutWarning: Pairs were left out.

    Raises:
        ValueError: There are no pairs to evaluate, or gold alignments that do not fit.
    """
    pairs = list(pairs)
    if not pairs:
        raise ValueError("expected pairs to evaluate; received none")
    if translator.predicts_values:
        return _evaluate_values(translator, pairs)
    options |= {"beam_size": beam_size}
    return _evaluate_text(translator, *_usable(translator, pairs, alignments), options)


def _evaluate_text(translator, pairs, alignments, options):
    import sacrebleu

    sources, references = zip(*pairs)
    outputs = [result.text for result in translator.translate(sources, **options)]
    lowercase = translator.config.text.case == "lower"
    bleu = sacrebleu.metrics.BLEU(lowercase=lowercase, force=True)
    forced = translator.score(pairs)
    tokens = sum(len(result.tokens) for result in forced)
    log_probability = sum(result.log_probability for result in forced)
    figures = {
        "bleu": bleu.corpus_score(outputs, [references]).score,
        "chrf": sacrebleu.metrics.CHRF(lowercase=lowercase)
        .corpus_score(outputs, [references])
        .score,
        **_token_figures(translator.codecs.target, outputs, references),
        "perplexity": math.exp(min(-log_probability / tokens, 700.0)),
        "sentences": len(pairs),
        "signature": str(bleu.get_signature()),
    }
    if alignments is not None and translator.has_attention:
        figures["alignment_error_rate"] = alignment_error_rate(
            [hard_alignment(result, method=BOTH_SIDES) for result in forced], alignments
        )
    return figures


def _evaluate_values(translator, pairs):
    references = [np.asarray(reference) for _, reference in pairs]
    lengths = [len(reference) for reference in references]
    free = translator.predict([source for source, _ in pairs], lengths)
    return {
        "mean_squared_error": _mean_squared_error(free, references),
        "one_step_error": _mean_squared_error(translator.score(pairs), references),
        "sequences": len(pairs),
    }


def _mean_squared_error(results, references):
    """Averaged over all steps of all sequences, each weighing the same."""
    errors = [
        np.square(result.values - reference) for result, reference in zip(results, references)
    ]
    return float(np.concatenate(errors).mean(dtype=np.float64))


def _usable(translator, pairs, alignments):
    """The pairs that can be compared, and their alignments."""
    text = translator.config.text
    if alignments is not None:
        if not all(codec.is_text for codec in translator.codecs.sides):
            raise ValueError("gold alignments link words, but the run reads or writes real values")
        if not text.reads_words:
            raise ValueError("gold alignments link words, but the run reads or writes other tokens")
        alignments = list(alignments)
        if len(alignments) != len(pairs):
            raise ValueError(
                f"expected a gold alignment for each of {len(pairs)} pairs; "
                f"received {len(alignments)}"
            )
    lengths = [_lengths(codec, sides) for codec, sides in zip(translator.codecs.sides, zip(*pairs))]
    fits = [min(both) > 0 and max(both) <= LONGEST for both in zip(*lengths)]
    if not any(fits):
        raise ValueError(f"no pair has 1 to {LONGEST} tokens on each side")
    if not all(fits):
        warnings.warn(
            f"left out {fits.count(False):,} of {len(pairs):,} pairs: a side has no token, or "
            f"more than {LONGEST}",
            LeftOutWarning,
            stacklevel=4,
        )
        pairs = list(itertools.compress(pairs, fits))
        alignments = alignments and list(itertools.compress(alignments, fits))
    return pairs, alignments


def _lengths(codec, sequences):
    """Numbers of tokens; real values are as long as they are and count as one."""
    if not codec.is_text:
        return [1] * len(sequences)
    return codec.tokenize([text or "" for text in sequences]).row_lengths().numpy()


def _token_figures(codec, outputs, references):
    outputs, references = (codec.tokenize(list(texts)).to_list() for texts in (outputs, references))
    errors = sum(map(edit_distance, outputs, references))
    return {
        "exact_match": 100.0 * sum(map(list.__eq__, outputs, references)) / len(references),
        "token_error_rate": 100.0 * errors / sum(map(len, references)),
    }


def edit_distance(one, other):
    """Returns the least number of insertions, deletions and substitutions between sequences.

    Levenshtein 1966, by the dynamic programme of Wagner and Fischer 1974.
    """
    previous = range(len(other) + 1)
    for row, left in enumerate(one, start=1):
        current = [row]
        for column, right in enumerate(other):
            current.append(
                min(
                    previous[column] + (left != right),
                    previous[column + 1] + 1,
                    current[column] + 1,
                )
            )
        previous = current
    return previous[-1]
