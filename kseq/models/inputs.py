"""Inputs of the functional models."""

import keras


def source_inputs(config):
    """What the encoder reads: ids, or real values and their mask."""
    if config.source_features:
        return {
            "source": keras.Input((None, config.source_features), name="source"),
            "source_mask": keras.Input((None,), dtype="bool", name="source_mask"),
        }
    return {"source_ids": keras.Input((None,), dtype="int32", name="source_ids")}


def target_inputs(config):
    """What the decoder reads of the target: ids, or real values."""
    if config.target_features:
        return {"target": keras.Input((None, config.target_features), name="target")}
    return {"target_ids": keras.Input((None,), dtype="int32", name="target_ids")}


def float_input(shape, name):
    """An input of the type that layers compute in: Keras would cast it there and back again."""
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype, name=name)
