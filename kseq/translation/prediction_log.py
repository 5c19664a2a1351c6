"""Requests to TensorFlow Serving as it records them: a TFRecord file of `PredictionLog`.

Their protocol buffers are part of TensorFlow Serving, not of TensorFlow. The few fields that a
request needs all hold bytes, so they are written here.
"""

import tensorflow as tf

# Numbers of fields in `prediction_log.proto`, `predict.proto` and `model.proto`.
_PREDICT_LOG = 6  # PredictionLog
_REQUEST = 1  # PredictLog
_MODEL_SPEC, _INPUTS = 1, 2  # PredictRequest
_MODEL_NAME, _SIGNATURE_NAME = 1, 3  # ModelSpec
_KEY, _VALUE = 1, 2  # an entry of a map
_BYTES = 2  # the wire type of strings, bytes and messages


def write_requests(path, requests, model):
    """Writes requests that TensorFlow Serving replays when it loads a model.

    Args:
        path: Path of the file.
        requests: Pairs of the name of a signature and its inputs, arrays by name.
        model: Name of the model.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_prediction_log(model, signature, inputs))


def _prediction_log(model, signature, inputs):
    spec = _field(_MODEL_NAME, model.encode()) + _field(_SIGNATURE_NAME, signature.encode())
    request = _field(_MODEL_SPEC, spec)
    for name, array in inputs.items():
        tensor = tf.make_tensor_proto(array).SerializeToString()
        request += _field(_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number, data):
    """A field of bytes: its number and its wire type, its length, and the bytes."""
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(number):
    """A whole number, seven bits in each byte, the lowest ones first."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
