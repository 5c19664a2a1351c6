"""How good translations are, in the figures that people report."""

import math

from kseq.alignment import alignment_error_rate, hard_alignment


def evaluate(translator, pairs, alignments=None, beam_size=1, alpha=1.0):
    """Translates the sources and compares with the references.

    References are compared as they are, but for letter case where the run has lowered it;
    sacreBLEU tokenises for BLEU (13a). Exact match and token error rate compare what the run's
    own normalisation and tokenizer make of both.

    Args:
        translator: A `Translator`.
        pairs: (source, reference) sentences.
        alignments: Gold alignments of the pairs, each a set of (source, target) positions.
        beam_size: Hypotheses K; 1 is greedy search.
        alpha: Exponent of the length penalty.

    Returns:
        A dict: `bleu`, `chrf`, `exact_match` and `token_error_rate` in percent, `perplexity`
        per target token, `sentences`, `signature` (sacreBLEU's, of `bleu`), and
        `alignment_error_rate` (0 to 1, teacher forced) where gold is given.

    Raises:
        ValueError: There are no pairs.
    """
    import sacrebleu

    pairs = list(pairs)
    if not pairs:
        raise ValueError("expected pairs to evaluate; received none")
    sources, references = zip(*pairs)
    outputs = [result.text for result in translator.translate(sources, beam_size, alpha=alpha)]
    lowercase = translator.config.text.lowercase
    bleu = sacrebleu.metrics.BLEU(lowercase=lowercase, force=True)
    forced = translator.score(pairs)
    tokens = sum(len(result.tokens) for result in forced)
    log_probability = sum(result.log_probability for result in forced)
    figures = {
        "bleu": bleu.corpus_score(outputs, [references]).score,
        "chrf": sacrebleu.metrics.CHRF(lowercase=lowercase)
        .corpus_score(outputs, [references])
        .score,
        **_token_figures(translator.text.target, outputs, references),
        "perplexity": math.exp(min(-log_probability / tokens, 700.0)),
        "sentences": len(pairs),
        "signature": str(bleu.get_signature()),
    }
    if alignments is not None:
        figures["alignment_error_rate"] = alignment_error_rate(
            map(hard_alignment, forced), alignments
        )
    return figures


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
