"""kseq: recurrent sequence-to-sequence models with attention, on Keras 3 and TensorFlow.

Names are imported when they are first used, so that `import kseq` costs next to nothing.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Config": "config",
    "ModelConfig": "config",
    "TextConfig": "config",
    "TrainingConfig": "config",
    "BeamSearch": "search.strategies",
    "Sampling": "search.strategies",
    "load_corpus": "corpora.corpus",
    "Corpus": "corpora.corpus",
    "Pairs": "corpora.pairs",
    "fetch": "corpora.public_corpora",
    "DownloadFailed": "corpora.downloads",
    "ValuePairs": "corpora.values",
    "Recording": "corpora.recordings",
    "Cleaning": "corpora.cleaning",
    "CleaningReport": "corpora.cleaning",
    "clean": "corpora.cleaning",
    "clean_files": "corpora.cleaning",
    "write_records": "corpora.values",
    "load_vectors": "text.vectors",
    "inspect": "inspection.inspection",
    "suggest_config": "inspection.suggestion",
    "plot_inspection": "inspection.plots",
    "build_encoder": "models.factory",
    "build_decoder": "models.factory",
    "build_seq2seq": "models.factory",
    "split_for_inference": "models.factory",
    "MaskedCrossEntropy": "models.masked",
    "MaskedAccuracy": "models.masked",
    "Perplexity": "models.masked",
    "TextCodec": "text.codec",
    "ValueCodec": "pipeline.value_codec",
    "CodecPair": "pipeline.codecs",
    "build_codecs": "pipeline.survey",
    "training_pipeline": "pipeline.batching",
    "make_optimizer": "training.optimizers",
    "Attention": "attention.contract",
    "Cell": "models.cells",
    "train": "training.train",
    "train_ensemble": "training.ensemble",
    "TensorBoard": "training.tensorboard",
    "AttentionFilm": "training.film",
    "TrainingFailed": "training.failures",
    "fine_tuning_config": "runs.fine_tuning",
    "tune": "tuning.tune",
    "Tuning": "tuning.results",
    "average_checkpoints": "runs.averaging",
    "list_runs": "runs.overview",
    "compare_runs": "runs.comparison",
    "pack": "sharing.packing",
    "unpack": "sharing.packing",
    "push": "sharing.push",
    "plot_comparison": "analysis.compared_curves",
    "Translator": "translation.translator",
    "Translation": "translation.results",
    "Prediction": "translation.results",
    "measure_calibration": "analysis.calibration",
    "plot_calibration": "analysis.reliability",
    "plot_attention": "analysis.heatmap",
    "save_heatmap": "analysis.heatmap",
    "hard_alignment": "analysis.alignment",
    "align": "analysis.alignment",
    "symmetrize": "analysis.links",
    "to_pharaoh": "analysis.links",
    "alignment_error_rate": "analysis.links",
    "attention_report": "analysis.report",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'kseq' has no attribute {name!r}")
    importlib.import_module("kseq.backend").require_tensorflow_backend()
    value = getattr(importlib.import_module(f"kseq.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]
