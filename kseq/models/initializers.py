"""Initial weights that Keras cannot make in every type."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kseq")
class Orthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal`, made in float32: there is no other decomposition."""

    def __call__(self, shape, dtype=None):
        return ops.cast(super().__call__(shape, "float32"), dtype or keras.config.floatx())
