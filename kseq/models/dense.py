"""Dense layers over sequences."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("kseq")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, as one product of all rows.

    TensorFlow makes a product of two matrices, its bias and activation in one operation, but not
    where a reshape stands between them, as in Keras' product of a sequence.
    """

    def call(self, inputs, training=None):
        shape = tf.concat([tf.shape(inputs)[:-1], [self.units]], axis=0)
        rows = super().call(tf.reshape(inputs, [-1, inputs.shape[-1]]), training=training)
        outputs = tf.reshape(rows, shape)
        outputs.set_shape([*inputs.shape[:-1], self.units])
        return outputs
