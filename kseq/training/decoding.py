"""Outputs that the model writes for some validation pairs while it is trained."""

import itertools
import warnings

import numpy as np

from kseq.analysis.evaluation import mean_squared_error, measure_outputs, predict_references
from kseq.corpora.featured import columns_of
from kseq.translation.doubtful_outputs import CutOutputsWarning
from kseq.translation.features import UnknownFeaturesWarning

_SHOWN = 2  # pairs


class Decoding:
    """The outputs for some pairs of the validation split, by greedy search or a free run.

    Args:
        translator: `Translator` of the model that is trained.
        pairs: The pairs, a list.
    """

    def __init__(self, translator, pairs):
        self._translator = translator
        self._sources, self._references = zip(*pairs)

    def measure(self, report):
        """Decodes, and compares with the references.

        Args:
            report: Function that shows a line; it is called with the first outputs.

        Returns:
            A dict of `val_bleu`, `val_chrf`, `val_exact_match` and `val_token_error_rate`, in
            percent; or of `val_free_run_error`, in the squared units of the data.
        """
        if self._translator.predicts_values:
            references = [np.asarray(reference) for reference in self._references]
            results = predict_references(self._translator, self._sources, references)
            return {"val_free_run_error": mean_squared_error(results, references)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CutOutputsWarning)  # as a beginner's outputs will be
            warnings.simplefilter("ignore", UnknownFeaturesWarning)  # after every epoch
            results = self._translator.translate(self._sources, beam_size=1)
        outputs = [result.text for result in results]
        for source, output, reference in itertools.islice(
            zip(self._sources, outputs, self._references), _SHOWN
        ):
            shown = " ".join(columns_of((source, ""))) if isinstance(source, str) else "values"
            report(f"  {shown} -> {output}  (expected: {reference})")
        figures, _ = measure_outputs(self._translator, outputs, self._references)
        return {f"val_{name}": value for name, value in figures.items()}


def choose_pairs(pairs, count, total):
    """Chooses pairs for `Decoding`, evenly from the whole split.

    Args:
        pairs: The pairs of the split.
        count: Number of pairs to choose.
        total: Number of pairs in the split, about. If it is no larger than `count`, all pairs are
            chosen.
    """
    if count >= total:
        return list(pairs)
    chosen = [number * total // count for number in range(count)]
    pairs = list(itertools.islice(pairs, chosen[-1] + 1))
    return [pairs[number] for number in chosen if number < len(pairs)]
