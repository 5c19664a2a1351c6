"""Copies of a model for an export, which run on machines of another kind."""


def portable_copy(model, dtype_policy=None):
    """Returns a copy that runs anywhere: cuDNN operations, once traced, need a GPU.

    Args:
        model: Model of `build_seq2seq`.
        dtype_policy: Name of its dtype policy; by default that of the model.
    """
    settings = model.get_config()
    if dtype_policy is not None:
        settings["dtype_policy"] = dtype_policy
    copy = type(model).from_config(settings)
    copy.set_weights(model.get_weights())
    for part in ("encoder", "decoder"):
        for layer in copy.get_layer(part).layers:
            # A Bidirectional layer has a layer for each direction.
            for name in ("forward_layer", "backward_layer"):
                _turn_off_cudnn(getattr(layer, name, None))
            _turn_off_cudnn(layer)
    return copy


def _turn_off_cudnn(layer):
    if hasattr(layer, "use_cudnn"):
        layer.use_cudnn = False
