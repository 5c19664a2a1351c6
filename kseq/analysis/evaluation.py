"""The usual quality metrics: BLEU, chrF, error rates and perplexity, or squared errors."""

import itertools
import math
import unicodedata
import warnings

import numpy as np

from kseq.analysis.alignment import hard_alignment
from kseq.analysis.links import GROW_DIAG_FINAL_AND, alignment_error_rate, list_alignments
from kseq.corpora.gold_alignments import require_words
from kseq.counts import counted
from kseq.errors import KseqWarning, SettingError
from kseq.translation.doubtful_outputs import AlikeOutputsWarning, describe_alike

LONGEST = 1000  # tokens per side; pairs with more are left out


class LeftOutWarning(KseqWarning):
    """Some pairs could not be evaluated and were left out."""


class UnreachableReferencesWarning(KseqWarning):
    """Some references are in a Unicode form that the model never writes."""


def evaluate(translator, pairs, alignments=None, beam_size=1, **options):
    """Translates sources, or predicts real values, and compares the outputs with references.

    BLEU and chrF compare the unchanged outputs and references; if the run lowercases its text,
    letter case is ignored. sacreBLEU tokenises for BLEU (13a). Exact match and token error rate
    compare tokens of the text before normalisation, so each reference is compared exactly as it
    is given.

    Args:
        translator: A `Translator`.
        pairs: (source, reference) sentences, or real values.
        alignments: Gold alignments of the pairs, each a set of (source, target) positions.
        beam_size: Number of hypotheses K; 1 is greedy search.
        **options: Further options of `kseq.BeamSearch`.

    Returns:
        A dict: `bleu`, `chrf`, `exact_match` and `token_error_rate` in percent, `perplexity`
        per target token, `sentences`, and `signature`, sacreBLEU's description of `bleu`. With
        gold alignments and attention, also `alignment_error_rate` (0 to 1) of the links that
        `kseq.align` returns. Pairs in which a side has no tokens, or more than 1,000, are left
        out and not counted in `sentences`.

        For a language model: `perplexity` per token, END included, and `sentences`.

        For real-valued targets: `mean_squared_error` of the free run, which predicts as many
        steps as the reference has; `one_step_error`, where each step is predicted from the true
        steps before it; and `sequences`. Both errors are in the squared units of the data.

    Warns:
        LeftOutWarning: Pairs were left out.
        AlikeOutputsWarning: All outputs are the same although sources and references differ.
        UnreachableReferencesWarning: References are in a Unicode form that the run never writes.
        CutOutputsWarning: Outputs were cut at their maximum length.

    Raises:
        ValueError: There are no pairs to evaluate, or the gold alignments do not fit them.
    """
    pairs = list(pairs)
    if not pairs:
        raise ValueError("expected pairs to evaluate; received none")
    if translator.predicts_values:
        if alignments is not None:
            require_words(translator.config)
        return _evaluate_values(translator, pairs)
    if translator.config.model.is_language_model:
        return _evaluate_texts(translator, pairs, alignments, beam_size, options)
    options |= {"beam_size": beam_size}
    return _evaluate_text(translator, *usable_pairs(translator, pairs, alignments), options)


def _evaluate_text(translator, pairs, alignments, options):
    sources, references = zip(*pairs)
    _warn_of_unreachable(translator.codecs.target, references)
    outputs = [result.text for result in translator.translate(sources, **options)]
    if doubt := describe_alike(outputs, pairs):
        warnings.warn(doubt, AlikeOutputsWarning, stacklevel=4)
    figures, signature = measure_outputs(translator, outputs, references)
    forced = translator.score(pairs)
    metrics = {
        **figures,
        "perplexity": _perplexity(forced),
        "sentences": len(pairs),
        "signature": signature,
    }
    if alignments is not None and translator.has_attention:
        metrics["alignment_error_rate"] = alignment_error_rate(
            [hard_alignment(result, method=GROW_DIAG_FINAL_AND) for result in forced], alignments
        )
    return metrics


def _warn_of_unreachable(codec, references):
    *_, normalization = codec.reading
    if normalization == "none":
        return
    form = "NFKC" if normalization == "nfkc" else "NFC"
    count = sum(not unicodedata.is_normalized(form, text) for text in references)
    if count:
        warnings.warn(
            f"{count:,} of {counted(len(references), 'reference')} are not in the Unicode form "
            f"{form}, in which this model writes, so no output can equal them; train with "
            "normalization=none, or convert them",
            UnreachableReferencesWarning,
            stacklevel=5,
        )


def _evaluate_texts(translator, pairs, alignments, beam_size, options):
    """Measures a language model, whose outputs cannot be compared with references."""
    given = [*(["beam_size"] if beam_size != 1 else []), *options]
    given += ["alignments"] if alignments is not None else []
    if given:
        raise SettingError(
            "{name} is for outputs that have references; a language model is measured by its "
            "perplexity: leave it out",
            name=given[0],
        )
    pairs, _ = usable_pairs(translator, pairs)
    return {"perplexity": _perplexity(translator.score(pairs)), "sentences": len(pairs)}


def _perplexity(forced):
    """Returns the perplexity per token, END included, of targets that `score` has read."""
    tokens = sum(len(result.tokens) for result in forced)
    log_probability = sum(result.log_probability for result in forced)
    return math.exp(min(-log_probability / tokens, 700.0))


def measure_outputs(translator, outputs, references):
    """Compares outputs with references, as `evaluate` does.

    Args:
        translator: `Translator` that wrote the outputs.
        outputs: Texts.
        references: As many texts.

    Returns:
        A dict: `bleu`, `chrf`, `exact_match` and `token_error_rate`, in percent; and sacreBLEU's
        description of `bleu`.
    """
    import sacrebleu

    lowercase = translator.codecs.target.lowercases
    bleu = sacrebleu.metrics.BLEU(lowercase=lowercase, force=True)
    chrf = sacrebleu.metrics.CHRF(lowercase=lowercase)
    figures = {
        "bleu": bleu.corpus_score(outputs, [references]).score,
        "chrf": chrf.corpus_score(outputs, [references]).score,
        **_token_metrics(translator.codecs.target, outputs, references),
    }
    return figures, str(bleu.get_signature())


def _evaluate_values(translator, pairs):
    sources, references = zip(*((source, np.asarray(reference)) for source, reference in pairs))
    free = predict_references(translator, sources, references)
    return {
        "mean_squared_error": mean_squared_error(free, references),
        "one_step_error": mean_squared_error(translator.score(pairs), references),
        "sequences": len(pairs),
    }


def predict_references(translator, sources, references):
    """Predicts, in a free run, as many steps as each reference has, with its covariates.

    Args:
        translator: `Translator` of a model of real values.
        sources: Sources.
        references: Arrays `[T, F + C]`, one for each.

    Returns:
        A list of `Prediction`.
    """
    codec = translator.codecs.target
    known = None
    if codec.covariates:
        known = [np.asarray(reference)[:, codec.features :] for reference in references]
    return translator.predict(sources, list(map(len, references)), known)


def mean_squared_error(results, references):
    """Returns the mean over all steps of all sequences; every step has the same weight.

    Args:
        results: `Prediction`s.
        references: Arrays `[T, F + C]`, one for each; covariates are not compared.
    """
    errors = [
        np.square(result.values - reference[:, : result.values.shape[1]])
        for result, reference in zip(results, references)
    ]
    return float(np.concatenate(errors).mean(dtype=np.float64))


def usable_pairs(translator, pairs, alignments=None):
    """Finds the pairs that can be evaluated.

    Args:
        translator: `Translator`.
        pairs: (source, reference), a list.
        alignments: Gold alignments of the pairs, or None.

    Returns:
        The usable pairs, and their gold alignments or None.

    Raises:
        ValueError: There are none, or the alignments do not fit them.

    Warns:
        LeftOutWarning: Pairs were left out.
    """
    if alignments is not None:
        alignments = list_alignments(alignments)
        _check_alignments(translator, alignments, len(pairs))
    lengths = [
        _token_counts(codec, sequences)
        for codec, sequences in zip(translator.codecs.sides, zip(*pairs))
    ]
    fits = [min(counts) > 0 and max(counts) <= LONGEST for counts in zip(*lengths)]
    if alignments is not None:
        _check_positions(alignments, lengths, fits)
    if not any(fits):
        raise ValueError(f"no pair has 1 to {LONGEST:,} tokens on each side")
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


def _check_alignments(translator, alignments, count):
    require_words(translator.config)
    if len(alignments) != count:
        raise ValueError(
            f"expected a gold alignment for each of {counted(count, 'pair')}; received "
            f"{len(alignments)}"
        )


def _check_positions(alignments, lengths, fits):
    """Checks that the links of each pair that is used refer to tokens that it has.

    Args:
        alignments: The links of each pair.
        lengths: The number of tokens of each source, and of each target.
        fits: Whether each pair is used.
    """
    for number, (links, counts, fit) in enumerate(zip(alignments, zip(*lengths), fits), start=1):
        for side, positions, count in zip(("source", "target"), zip(*links), counts):
            if fit and max(positions) >= count:
                raise ValueError(
                    f"gold alignment {number}: it links {side} token {max(positions)}, but the "
                    f"{side} has {count} tokens; positions count the run's own tokens from 0, "
                    "source before target"
                )


def _token_counts(codec, sequences):
    """Number of tokens of each sequence; real values count as one, and so do absent sources."""
    if not codec.is_text or codec.side.is_absent:
        return [1] * len(sequences)
    return codec.tokenize([text or "" for text in sequences]).row_lengths().numpy()


def _token_metrics(codec, outputs, references):
    """Exact match and token error rate, in percent.

    The token error rate is the Levenshtein distance between the tokens of outputs and references,
    as a share of the reference tokens.
    """
    from rapidfuzz.distance import Levenshtein

    outputs, references = (
        codec.tokenize_as_written(list(texts)).to_list() for texts in (outputs, references)
    )
    errors = sum(map(Levenshtein.distance, outputs, references))
    return {
        "exact_match": 100.0 * sum(map(list.__eq__, outputs, references)) / len(references),
        "token_error_rate": 100.0 * errors / sum(map(len, references)),
    }
