"""The `Translator`: translate, sample, predict, score, evaluate and plot with trained models."""

from collections.abc import Iterable, Iterator
from typing import Any, overload

import numpy as np

from kseq.corpora.lines import chunks
from kseq.corpora.pairs import Pairs
from kseq.errors import SettingError
from kseq.fields import check_names, field_names
from kseq.kernels.forks import claim_tensorflow
from kseq.search.strategies import BeamSearch, Sampling, make_strategy
from kseq.translation.arguments import (
    check_pairs,
    check_read_ahead,
    covariates_by_source,
    raise_nothing_written,
    refuse_search,
)
from kseq.translation.doubtful_outputs import CutOutputs
from kseq.translation.features import UnknownFeatures, check_features, with_features
from kseq.translation.prefixes import with_prefixes
from kseq.translation.results import Prediction, Translation
from kseq.translation.sources import refuse_single_source
from kseq.translation.strategies import resolve_strategy
from kseq.translation.trained_models import TrainedModels


class Translator(TrainedModels):
    """A trained model with its codecs, or an ensemble of several, ready for use.

    `kseq.train` and `Translator.load` return one. Its own constructor takes a model that was
    trained by hand, with Keras' `fit` for instance:

        source = kseq.TextCodec(source_tokens, tokenizer="space")
        target = kseq.TextCodec(target_tokens, tokenizer="space")
        translator = kseq.Translator(model, source, target)

    In its training, every source must have ended with END (3), and every target must have begun
    with START (2) and ended with END. With a `keras.layers.TextVectorization`, these are its own
    tokens, such as `[start]` and `[end]`; the translator then has a copy of the model in which ids
    are those of kseq.

    A real-valued source is an array `[S, F]`, or the path of a `.npy` file that contains one; if
    the model reads recordings, also a `.wav` file, a `kseq.Recording`, or samples `[N]`. For
    real-valued targets, use `predict` instead of `translate` and `sample`.

    Args:
        model: Model of `build_seq2seq`.
        source: How sources became numbers in the training of the model: a `kseq.TextCodec`, a
            `keras.layers.TextVectorization`, or a SentencePiece model (bytes, or the name of its
            `.model` file); for real values a `kseq.ValueCodec`, or None if they are used as they
            are.
        target: Likewise.
        length_ratio: Number of target tokens per source token, about. By default, an output can be
            twice as long as that, plus ten tokens.
        partners: `Translator`s that make an ensemble with this one.
        average: What an ensemble averages at every step: `"probability"`, or
            `"log_probability"`, which is then normalised again.

    Attributes:
        model: The model.
        codecs: `CodecPair`.
        config: `Config` of the run.
        record: `RunRecord` of the run.
        members: The translator itself, and the others of the ensemble.
        has_attention: Whether results come with attention.

    Raises:
        TypeError: A side is described by something else, such as a tokenizer that runs in Python.
        ValueError: The sides do not fit the model; or the models cannot make an ensemble.
    """

    @property
    def read_ahead(self) -> int:
        """Number of sources that are read together and sorted by length."""
        return self.codecs.pairs_per_chunk

    @property
    def has_heads(self) -> bool:
        """Whether results come with the attention of individual heads."""
        return len(self.members) == 1 and not self.config.model.has_recurrent_decoder

    @property
    def predicts_values(self) -> bool:
        """Whether the targets are real-valued."""
        return not self.codecs.target.is_text

    @overload
    def translate(
        self, texts: Iterable[Any], beam_size: int = 1, n_best: None = None, **options: Any
    ) -> list[Translation]: ...
    @overload
    def translate(
        self, texts: Iterable[Any], beam_size: int, n_best: int, **options: Any
    ) -> list[list[Translation]]: ...
    def translate(self, texts, beam_size=1, n_best=None, prefix=None, features=None, **options):
        """Translates sentences by beam search.

        Args:
            texts: Sentences, or real-valued sources; for a model of dialogue, also lists of turns;
                for a language model, the beginnings of its texts, which may be empty.
            beam_size: Hypotheses K that the search follows; 1 is greedy search.
            n_best: Number of translations of each sentence to return, at most `beam_size`.
            prefix: Text that translations must start with: one for all sentences, or one for each.
                The translation of an empty sentence is always empty.
            features: Features of the sentences, such as `"V;PST"`, if the model reads them: one
                string for all sentences, or one for each.
            **options: Other options of `kseq.BeamSearch`, such as `alpha`, `maximum_length`.

        Returns:
            A list of `Translation`, or, with `n_best`, a list of lists, best first.

        Warns:
            CutOutputsWarning: Outputs were cut at their maximum length, and are incomplete.

        Raises:
            TypeError: `texts` is a single string, or the targets are real-valued.
            ValueError: An option does not exist, or is out of range; a source cannot be used; the
                vocabulary does not have all words of a prefix; or no output satisfies all rules.
        """
        options |= {"beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
        strategy = make_strategy(BeamSearch, **options)
        results = list(self.stream(texts, strategy, prefix, features=features))
        return results if n_best is not None else [result[0] for result in results]

    def sample(
        self,
        texts: Iterable[Any],
        samples: int = 1,
        prefix: Any = None,
        features: Any = None,
        **options: Any,
    ) -> list[list[Translation]]:
        """Draws translations at random, with the probabilities of the model.

        Args:
            texts: Sentences, or real-valued sources.
            samples: Number of translations of each source.
            prefix, features: As in `translate`.
            **options: Other options of `kseq.Sampling`, such as `seed`, `temperature`, `top_p`.

        Returns:
            For each source a list of `Translation`, in the order in which they were drawn.

        Raises:
            TypeError, ValueError: As in `translate`.
        """
        strategy = make_strategy(Sampling, samples=samples, **options)
        return list(self.stream(texts, strategy, prefix, features=features))

    def stream(
        self,
        texts: Iterable[Any],
        strategy: BeamSearch | Sampling | None = None,
        prefix: Any = None,
        read_ahead: int | None = None,
        features: Any = None,
    ) -> Iterator[list[Translation]]:
        """Translates an iterable, perhaps endless; yields a list of `Translation` for each source.

        Up to `read_ahead` sources (by default 1,024 sentences, or 64 sequences of real values)
        are read before the first is translated, so that those of similar length share a batch.

        Args:
            texts: Iterable of sentences, or of real-valued sources. It may have a method
                `is_waiting` that returns whether the next source is not available yet; the sources
                read so far are then translated in the meantime.
            strategy: `kseq.BeamSearch` or `kseq.Sampling`; greedy search by default.
            prefix: As in `translate`.
            read_ahead: Number of sources.
            features: As in `translate`.

        Warns:
            CutOutputsWarning: Outputs were cut at their maximum length.
            UnknownFeaturesWarning: The model has never seen some features. There is one warning of
                each kind, at the end of the stream.

        Raises:
            TypeError, ValueError: As in `translate`.
        """
        strategy = BeamSearch() if strategy is None else strategy
        if self.predicts_values:
            raise TypeError("this model predicts real values: use predict(sources, steps)")
        if not isinstance(strategy, (BeamSearch, Sampling)):
            raise TypeError(f"strategy must be a BeamSearch or a Sampling; received {strategy!r}")
        check_read_ahead(read_ahead)
        claim_tensorflow()
        refuse_single_source(texts)
        function = self.inference.search_function(
            strategy.without_numbers(), *self.resolve(strategy)
        )
        is_waiting = getattr(texts, "is_waiting", None)
        sources = map(self._check_source, with_features(texts, features))
        limit = strategy.maximum_length
        pairs = with_prefixes(sources, prefix, self.codecs, limit)
        first, cut, unknown = 0, CutOutputs(), UnknownFeatures(self.codecs.features)
        try:
            for chunk in chunks(pairs, read_ahead or self.read_ahead, is_waiting):
                sources, prefixes = zip(*chunk)
                unknown.add(sources)
                results = self._runner.search(function, strategy, sources, prefixes, first)
                for number, (translations, source) in enumerate(zip(results, sources), first + 1):
                    cut.add(number, source, translations)
                    yield translations or raise_nothing_written(number, source)
                first += len(chunk)
        finally:
            cut.warn()
            unknown.warn()

    def predict(
        self, sources: Any, steps: int | Iterable[int] | None = None, covariates: Any = None
    ) -> list[Prediction]:
        """Predicts real values, each step from the steps before it.

        Args:
            sources: Sentences, or real-valued sources.
            steps: Number of steps to predict: one for all, or one for each source.
            covariates: What is known about these steps beforehand, if the model reads covariates:
                an array `[T, C]` for all sources, or a list with one for each. It determines T.

        Returns:
            A list of `Prediction`.

        Raises:
            TypeError: `sources` is a single string, or the targets are text.
            ValueError: A number of steps, a source or covariates cannot be used.
        """
        if not self.predicts_values:
            raise TypeError("this model writes text: use translate(texts)")
        claim_tensorflow()
        refuse_single_source(sources)
        sources = list(sources)
        known = covariates_by_source(covariates, steps, self.codecs.target, len(sources))
        results = []
        for chunk in chunks(zip(map(self._check_source, sources), *known), self.read_ahead):
            results.extend(self._runner.predict(*zip(*chunk)))
        return results

    def score(self, pairs: Any, features: Any = None) -> list[Any]:
        """Reads given targets with the model, by teacher forcing.

        Args:
            pairs: (source, target) sentences, in any form that `kseq.load_corpus` accepts except
                files; or real values, with covariates (source, target, covariates). For a language
                model, texts.
            features: Features of the sources, as in `translate`.

        Returns:
            A list of `Translation`, in the order of `pairs`, with the tokens of the target, END
            included; `score` is the log-probability per token. For real-valued targets a list of
            `Prediction`: every step is predicted from the true steps before it.
        """
        return self._run_on_pairs(self._runner.force, pairs, features)

    def guess(self, pairs: Any, features: Any = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Compares the most probable token of each step with the correct one, by teacher forcing.

        Takes what `score` takes; the targets are text. For each pair, it returns the probabilities
        of these tokens, and whether they are correct, two arrays `[T]`.
        """
        return self._run_on_pairs(self._runner.guess, pairs, features)

    def evaluate(
        self,
        pairs: Any,
        alignments: Any = None,
        beam_size: int = 1,
        features: Any = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Measures results against references; see `kseq.analysis.evaluation.evaluate`.

        Sentences may be in any form that `kseq.load_corpus` accepts except files.
        """
        from kseq.analysis.evaluation import evaluate

        refuse_search(self, beam_size, options)
        make_strategy(BeamSearch, beam_size=beam_size, **options)
        if "n_best" in options:
            raise SettingError("evaluate compares the best translations; {n_best} is for translate")
        if alignments is not None and isinstance(pairs, Pairs):
            pairs = pairs.with_blank()  # as gold alignments have a line for each line of the files
        pairs = list(self._check_pairs(pairs, features))
        return evaluate(self, pairs, alignments, beam_size, **options)

    def plot(self, text: Any, beam_size: int = 1, ax: Any = None, **options: Any) -> Any:
        """Translates one sentence and draws its attention; see `kseq.plot_attention`.

        A `Prediction` of real values is drawn with `kseq.plot_attention`.

        Args:
            text: A sentence, or a real-valued source.
            beam_size: As in `translate`.
            ax: matplotlib Axes to draw on; by default as in `kseq.plot_attention`.
            **options: Other options of `translate` and of `kseq.plot_attention`, such as `prefix`,
                `features`, `alpha`, `head`, `colormap`.

        Returns:
            The matplotlib Axes.

        Raises:
            TypeError, ValueError: As in `translate` and `kseq.plot_attention`.
        """
        from kseq.analysis.heatmap import check_options, plot_attention
        from kseq.analysis.heatmap_options import HeatmapOptions

        picture, search = field_names(HeatmapOptions), field_names(BeamSearch)
        check_names(options, ["ax", "prefix", "features", *picture, *search], "option of plot")
        drawing = {name: options.pop(name) for name in picture if name in options}
        check_options(**drawing)
        (result,) = self.translate([text], beam_size, **options)
        return plot_attention(result, ax, **drawing)

    def app(self, compare_with: "Translator | None" = None, height: int = 700) -> Any:
        """Shows a page in a notebook: type a sentence, see the outputs and the attention.

        Args:
            compare_with: Another `Translator`, to see the outputs of both side by side.
            height: Height of the page in the notebook, in pixels.

        Returns:
            A `kseq.serving.notebook.App`, which is the page as the last value of a cell. It has a
            `url`, and a method `stop`.

        Raises:
            ImportError: The packages of `kseq[serve]` are not installed.
            TypeError: `compare_with` is not a `Translator`.
        """
        from kseq.serving.notebook import open_app

        if not isinstance(compare_with, (Translator, type(None))):
            raise TypeError(f"compare_with must be a Translator; received {compare_with!r}")
        return open_app(self, compare_with, height)

    def resolve(self, strategy: BeamSearch | Sampling) -> tuple[Any, Any]:
        """Returns forbidden ids and a `Dictionary` or None; see `resolve_strategy`."""
        return resolve_strategy(strategy, self.codecs, self.has_attention)

    def _run_on_pairs(self, run, pairs, features):
        claim_tensorflow()
        checked = chunks(self._check_pairs(pairs, features), self.read_ahead)
        return [result for chunk in checked for result in run(*zip(*chunk))]

    def _check_source(self, source):
        return check_features(self.codecs.check_source(source), self.codecs.features)

    def _check_pairs(self, pairs, features=None):
        return check_pairs(pairs, self.codecs, features)
