"""What an encoder makes of a source, for other uses than decoding: its memory, and one vector."""

import keras
import tensorflow as tf

_KEY_LAYERS = ("attention_keys", "cross_attention_1_keys")  # their input is the memory


def encoding_model(model):
    """Makes a function from sources to what the encoder has read.

    Args:
        model: Model of `build_seq2seq`.

    Returns:
        A function that is called like the encoder, and returns a dict of

        - `vector`: one vector of each source, float32 `[B, D]`: the mean of the memory or, for a
          model without attention, the states in which its decoder starts;
        - `memory`, float32 `[B, S, D]`, 0 on padding, and `mask`, boolean `[B, S]`, if the model
          has attention.
    """
    encoder = model.get_layer("encoder")
    outputs = encoder.output
    if "mask" not in outputs:
        states = keras.Model(encoder.input, outputs["state"])

        def encode(inputs, training=False):
            parts = tf.nest.flatten(states(inputs, training=training))
            return {"vector": tf.concat([tf.cast(part, tf.float32) for part in parts], axis=1)}

        return encode
    memory = outputs["memory"] if "memory" in outputs else _input_of_keys(encoder)
    memory_and_mask = keras.Model(encoder.input, [memory, outputs["mask"]])

    def encode(inputs, training=False):
        memory, mask = memory_and_mask(inputs, training=training)
        memory = tf.cast(memory, tf.float32)
        count = tf.math.count_nonzero(mask, axis=1, keepdims=True, dtype=tf.float32)
        vector = tf.reduce_sum(memory, axis=1) / count
        return {"vector": vector, "memory": memory, "mask": mask}

    return encode


def _input_of_keys(encoder):
    names = {layer.name for layer in encoder.layers}
    return encoder.get_layer(next(name for name in _KEY_LAYERS if name in names)).input
