"""Initial weights that Keras cannot make in every type."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kseq")
class Orthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal`, in float32 at least: it decomposes nothing in less."""

    def __call__(self, shape, dtype=None):
        dtype = dtype or keras.config.floatx()
        precise = keras.backend.result_type(dtype, "float32")
        return ops.cast(super().__call__(shape, precise), dtype)
