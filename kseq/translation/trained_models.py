"""Trained models with their codecs: where a `Translator` comes from, and what it is saved as."""

import threading
from collections.abc import Iterable
from typing import Any, Self

import keras

from kseq.errors import SettingError
from kseq.fields import check_choice
from kseq.kernels.forks import claim_tensorflow
from kseq.lite.folder import FORMATS
from kseq.path_names import PathName
from kseq.runs.ensembles import runs_of
from kseq.runs.saving import save_run
from kseq.runs.weights import load_model
from kseq.translation.adoption import adopt
from kseq.translation.arguments import refuse_search
from kseq.translation.chunks import ChunkRunner
from kseq.translation.ensembles import check_member
from kseq.translation.graphs import AVERAGES, Inference
from kseq.translation.packing import pack, unpack

# Options of `export` that only one format has.
_OPTIONS_OF_FORMATS = {"quantize": "litert", "version": "savedmodel"}
_UNPACKING = threading.RLock()  # held while a copy builds its models


class TrainedModels:
    """A trained model, or several that make an ensemble: what is below a `Translator`."""

    def __init__(
        self,
        model: keras.Model,
        source: Any = None,
        target: Any = None,
        *,
        length_ratio: float = 1.0,
        partners: Iterable[Any] = (),
        average: str = "probability",
    ) -> None:
        self._set_up(*adopt(model, source, target, length_ratio), partners, average)

    @classmethod
    def of_run(cls, model, codecs, config, record, partners=(), average="probability"):
        """Makes the translator of a run.

        Args:
            model: Model of `build_seq2seq`.
            codecs: `CodecPair`.
            config: `Config` of the run.
            record: `RunRecord` of the run.
            partners: As in the constructor.
            average: Likewise.
        """
        translator = cls.__new__(cls)
        translator._set_up(model, codecs, config, record, partners, average)
        return translator

    def _set_up(self, model, codecs, config, record, partners, average):
        self.model = model
        self.codecs = codecs
        self.config = config
        self.record = record
        self.members = self, *partners
        self.has_attention = any(member.config.model.attention != "none" for member in self.members)
        check_choice("average", average, AVERAGES)
        for number, partner in enumerate(partners, start=2):
            check_member(self, partner, f"model {number} of the ensemble")
        models = [member.model for member in self.members]
        pairs = [member.codecs for member in self.members]
        self.inference = Inference(models, pairs, record.length_ratio, average)
        self._runner = ChunkRunner(self.inference, pairs, config.model)

    def __getstate__(self):
        """Returns plain data for pickle and copy: a copy has its own models, and needs no run."""
        with _UNPACKING:
            if "_packed" in self.__dict__:
                return self._packed
        return [pack(member) for member in self.members], self.inference.average

    def __setstate__(self, packed):
        """Keeps the data until the translator is used: building it may fail in a forked worker.

        The worker would not report an error that occurs while it receives a task.
        """
        self._packed = packed

    def __getattr__(self, name):
        """Builds a translator that was pickled or copied when it is first used."""
        if not name.startswith("__"):
            with _UNPACKING:  # Several threads may use it first.
                if "_packed" in self.__dict__:
                    self._unpack()
        return object.__getattribute__(self, name)

    def _unpack(self):
        packed = self.__dict__.pop("_packed")
        try:
            members, average = packed
            first, *partners = map(unpack, members)
            partners = [type(self).of_run(*partner) for partner in partners]
            self._set_up(*first, partners, average)
        except BaseException:
            self._packed = packed
            raise

    @classmethod
    def load(
        cls,
        run: PathName,
        *further_runs: PathName,
        average: str = "probability",
        precision: str = "float32",
    ) -> Self:
        """Reads a run directory, or several with one target vocabulary as an ensemble.

        Args:
            run: Run directory; or a folder of `kseq.train_ensemble`, which stands for its runs.
            *further_runs: Likewise; all runs form an ensemble.
            average: As in `Translator`.
            precision: Precision of weights and products. `"bfloat16"` takes half the RAM, is faster
                on processors and GPUs with bfloat16 products, and changes some results.

        Raises:
            FileNotFoundError: A directory is missing.
            ValueError: A directory is not a run, or is damaged; the runs cannot make an ensemble;
                or the average or the precision does not exist.

        Warns:
            UnfinishedRunWarning: The training of a run has not ended.
        """
        check_choice("average", average, AVERAGES)
        runs = [member for name in (run, *further_runs) for member in runs_of(name)]
        first, *members = (cls.of_run(*load_model(folder, precision)) for folder in runs)
        for folder, translator in zip(runs, (first, *members)):
            translator.record.warn_if_unfinished(folder)
        for name, member in zip(runs[1:], members):
            check_member(first, member, name)
        if not members:
            return first
        parts = first.model, first.codecs, first.config, first.record
        return cls.of_run(*parts, members, average)

    def save(self, run: PathName, overwrite: bool = False) -> None:
        """Writes a run directory, which `Translator.load` and the command `kseq` read.

        Args:
            run: Run directory to create.
            overwrite: Whether an existing run may be replaced.

        Raises:
            FileExistsError: `run` exists and is not a run, or must not be overwritten.
            ValueError: This is an ensemble, which has a run for each of its members.
        """
        if len(self.members) > 1:
            raise ValueError(
                f"a run holds one model, and this is an ensemble of {len(self.members)}: save each "
                "of translator.members"
            )
        save_run(run, self.model, self.codecs, self.config, self.record, overwrite=overwrite)

    def export(
        self, folder: PathName, beam_size: int = 1, format: str = "savedmodel", **options: Any
    ) -> PathName:
        """Writes a SavedModel, or a model for LiteRT.

        Args:
            folder: Where to write.
            beam_size: Hypotheses K that the search follows; 1 is greedy search.
            format: `"savedmodel"`: see `kseq.translation.export.export`; or `"litert"`: see
                `kseq.translation.litert.export_litert`.
            **options: Other options of these functions.

        Returns:
            The folder that was written.

        Raises:
            FileExistsError: `folder` exists and holds something else.
            ValueError: An option does not exist, is out of range, or does not fit the format.
        """
        check_choice("format", format, FORMATS)
        claim_tensorflow()
        for name, its_format in _OPTIONS_OF_FORMATS.items():
            if name in options and format != its_format:
                raise SettingError("{field} needs {format}={0}", its_format, field=name)
        search = {n: value for n, value in options.items() if n not in _OPTIONS_OF_FORMATS}
        refuse_search(self, beam_size, search)
        if format == "litert":
            from kseq.translation.litert import export_litert

            return export_litert(self, folder, beam_size, **options)
        from kseq.translation.export import export

        return export(self, folder, beam_size, **options)
