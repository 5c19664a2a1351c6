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
    "BeamSearch": "strategies",
    "Sampling": "strategies",
    "load_corpus": "corpora",
    "Corpus": "corpora",
    "Pairs": "pairs",
    "fetch": "public_corpora",
    "DownloadFailed": "downloads",
    "ValuePairs": "values",
    "Cleaning": "cleaning",
    "CleaningReport": "cleaning",
    "clean": "cleaning",
    "clean_files": "cleaning",
    "write_records": "values",
    "load_vectors": "vectors",
    "inspect": "inspection",
    "suggest_config": "suggestion",
    "plot_inspection": "inspection_plots",
    "build_encoder": "models",
    "build_decoder": "models",
    "build_seq2seq": "models",
    "split_for_inference": "models",
    "train": "training",
    "TrainingFailed": "training",
    "average_checkpoints": "weights",
    "Translator": "translator",
    "Translation": "results",
    "Prediction": "results",
    "plot_attention": "heatmap",
    "hard_alignment": "alignment",
    "align": "alignment",
    "symmetrize": "alignment",
    "to_pharaoh": "alignment",
    "alignment_error_rate": "alignment",
    "attention_report": "report",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'kseq' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"kseq.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]
