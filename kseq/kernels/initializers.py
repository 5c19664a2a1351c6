"""Initial weights that Keras cannot compute in every type."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kseq")
class Orthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal`, computed in at least float32.

    Keras decomposes a matrix of the requested type, which fails in half precision.
    """

    def __call__(self, shape, dtype=None):
        """Returns an orthogonal matrix of a shape `[I, O]`."""
        dtype = dtype or keras.config.floatx()
        precise = keras.backend.result_type(dtype, "float32")
        return ops.cast(super().__call__(shape, precise), dtype)
