"""Adam with one operation for each variable."""

import keras
import tensorflow as tf

from kseq.kernels.finite import require_finite


@keras.saving.register_keras_serializable("kseq")
class Adam(keras.optimizers.Adam):
    """Keras' Adam without a dozen temporary tensors of the size of each variable.

    Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, with the order of computation at the end
    of their section 2: `α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and the moments of its gradient, all of the same shape."""
        if self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        decays = [tf.constant(decay, variable.dtype) for decay in (self.beta_1, self.beta_2)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=decays[0] ** step,
            beta2_power=decays[1] ** step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=decays[0],
            beta2=decays[1],
            epsilon=tf.constant(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )

    def _clip_gradients(self, gradients):
        """Clips by the global norm, as Keras does, but without storing the squares."""
        if not self.global_clipnorm:
            return super()._clip_gradients(gradients)
        # The gradients of an embedding row that occurs twice must be added before squaring.
        gradients = [
            None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients
        ]
        # An update by gradients that are not finite would destroy the weights.
        norm = require_finite(tf.linalg.global_norm(gradients), "gradient")
        return tf.clip_by_global_norm(gradients, self.global_clipnorm, norm)[0]
