"""The REST protocol of TensorFlow Serving, `/v1/models/NAME:predict`."""

from starlette.responses import JSONResponse
from starlette.routing import Route

from kseq.serving.inputs import Question, take
from kseq.serving.refusals import mistake
from kseq.serving.requests import read_json

_SIGNATURE = "serving_default"
_COLUMNS = ("features", "steps")


async def predict(request):
    """Answers `{"instances": [...]}` with `{"predictions": [...]}`, or `inputs` with `outputs`.

    An instance is a string, or an object of the inputs of an exported model: `text`, `source`,
    `features`, `steps`.
    """
    service = request.app.state.service
    body = await read_json(request, service.limits)
    version = service.find(**request.path_params)
    signature = take(body, "signature_name", str, _SIGNATURE)
    if signature not in (_SIGNATURE, ""):
        raise mistake(f"signature_name: expected {_SIGNATURE}; received {signature!r}")
    is_columnar = "inputs" in body
    if is_columnar == ("instances" in body):
        raise mistake("expected either instances or inputs in the body")
    columns = _read_inputs(body) if is_columnar else _read_instances(body)
    results = await service.ask(request, version, _question(columns, version.description))
    rows = [_row(result, version.description) for result in results]
    if not is_columnar:
        return JSONResponse({"predictions": rows})
    if version.description.target_width is not None:
        return JSONResponse({"outputs": rows})  # A single output has no name.
    return JSONResponse({"outputs": {name: [row[name] for row in rows] for name in rows[0]}})


def _read_instances(body):
    """Columns by name from rows, which are objects, or strings for the only input of a text."""
    instances = take(body, "instances", list)
    if instances is None:
        raise mistake("instances: expected a list; received none")
    rows = [each if isinstance(each, dict) else {None: each} for each in instances]
    names = dict.fromkeys(name for row in rows for name in row)
    for row in rows:
        if missing := [name for name in names if name not in row]:
            raise mistake(f"instances: expected {missing[0] or 'no names'} in all of them or none")
    return {name: [row[name] for row in rows] for name in names}


def _read_inputs(body):
    """Columns by name from an object of columns, or from the column of the only input."""
    inputs = body["inputs"]
    return inputs if isinstance(inputs, dict) else {None: inputs}


def _question(columns, description):
    name = "text" if description.source_width is None else "source"
    columns = {name if key is None else key: column for key, column in columns.items()}
    lengths = columns.pop("lengths", None)
    for key in columns:
        if key not in (name, *_COLUMNS):
            known = ", ".join((name, "lengths", *_COLUMNS))
            raise mistake(f"unknown input: {key!r} (known: {known})")
    sources = take(columns, name, (list, str))
    if sources is None:
        raise mistake(f"{name}: expected the sources; received none")
    sources = [sources] if isinstance(sources, str) else sources
    if lengths is not None:
        sources = cut(sources, lengths)
    return Question(sources=sources, **{key: columns[key] for key in _COLUMNS if key in columns})


def cut(sources, lengths):
    """Returns sources of real values without padding.

    Args:
        sources: Lists of steps.
        lengths: Number of steps of each that are real.

    Raises:
        Refusal: There is not one length for each, or one is out of range.
    """
    if not isinstance(lengths, list) or len(lengths) != len(sources):
        raise mistake("lengths: expected one for each source")
    for length, source in zip(lengths, sources):
        longest = len(source) if isinstance(source, list) else 0
        if type(length) is not int or not 1 <= length <= longest:
            raise mistake(f"lengths: expected at most the steps of a source; received {length!r}")
    return [source[:length] for length, source in zip(lengths, sources)]


def _row(result, description):
    """A result under the names of the outputs of an exported model."""
    if description.target_width is not None:
        return result["values"]
    best = result[0]
    if not description.fixed_n_best:
        return {"translation": best["text"], "score": best["score"], "is_cut": best["is_cut"]}
    return {
        "translation": [each["text"] for each in result],
        "score": [each["score"] for each in result],
        "is_cut": [each["is_cut"] for each in result],
    }


async def status(request):
    """Answers `GET /v1/models/NAME`: the version in use and its state."""
    version = request.app.state.service.find(**request.path_params)
    entry = {
        "version": version.number,
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return JSONResponse({"model_version_status": [entry]})


async def metadata(request):
    """Answers `GET /v1/models/NAME/metadata`: the signature with its inputs and outputs."""
    version = request.app.state.service.find(**request.path_params)
    description = version.description
    inputs = {"text": _tensor("DT_STRING", -1)}
    if description.source_width is not None:
        inputs = {
            "source": _tensor("DT_FLOAT", -1, -1, description.source_width),
            "lengths": _tensor("DT_INT32", -1),
        }
    if description.reads_features:
        inputs["features"] = _tensor("DT_STRING", -1)
    if description.target_width is not None:
        inputs["steps"] = _tensor("DT_INT32", -1)
        outputs = {"values": _tensor("DT_FLOAT", -1, -1, description.target_width)}
    else:
        shape = (-1, description.fixed_n_best) if description.fixed_n_best else (-1,)
        outputs = {
            "translation": _tensor("DT_STRING", *shape),
            "score": _tensor("DT_FLOAT", *shape),
            "is_cut": _tensor("DT_BOOL", *shape),
        }
    signature = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    return JSONResponse(
        {
            "model_spec": {"name": version.model, "version": version.number},
            "metadata": {"signature_def": {"signature_def": {_SIGNATURE: signature}}},
        }
    )


def _tensor(dtype, *shape):
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": str(size)} for size in shape]}}


_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{number}"
ROUTES = [
    Route(_MODEL + ":predict", predict, methods=["POST"]),
    Route(_VERSION + ":predict", predict, methods=["POST"]),
    Route(_MODEL, status, methods=["GET"]),
    Route(_VERSION, status, methods=["GET"]),
    Route(_MODEL + "/metadata", metadata, methods=["GET"]),
    Route(_VERSION + "/metadata", metadata, methods=["GET"]),
]
