"""The Open Inference Protocol, version 2, over REST: health, metadata and inference."""

import itertools
import math

from starlette.responses import JSONResponse
from starlette.routing import Route

import kseq
from kseq.serving.inputs import Question, take
from kseq.serving.refusals import Refusal, mistake
from kseq.serving.requests import read_json
from kseq.serving.tensorflow_serving_protocol import cut
from kseq.serving.tensors import OUTPUTS, make_outputs, output_names

_LARGEST_RANK = 3
_DATATYPES = {
    "text": ("BYTES",),
    "features": ("BYTES",),
    "source": ("FP32", "FP64"),
    "lengths": ("INT32", "INT64"),
    "steps": ("INT32", "INT64"),
}
_BINARY = "inference-header-content-length"


async def server_metadata(request):
    """Answers `GET /v2`."""
    return JSONResponse({"name": "kseq", "version": kseq.__version__, "extensions": []})


async def is_live(request):
    """Answers `GET /v2/health/live`: the server runs."""
    return JSONResponse({"live": True})


async def is_ready(request):
    """Answers `GET /v2/health/ready`: every model can answer, or status 503."""
    ready = request.app.state.service.is_ready
    return JSONResponse({"ready": ready}, 200 if ready else 503)


async def is_model_ready(request):
    """Answers `GET /v2/models/NAME/ready`: the model can answer, or status 503."""
    service = request.app.state.service
    name = request.path_params["name"]
    try:
        ready = service.find(**request.path_params).workers > 0
    except Refusal as refusal:
        if refusal.status != 503:
            raise
        ready = False
    return JSONResponse({"name": name, "ready": ready}, 200 if ready else 503)


async def model_metadata(request):
    """Answers `GET /v2/models/NAME`: its inputs and outputs."""
    version = request.app.state.service.find(**request.path_params)
    description = version.description
    if description.source_width is None:
        inputs = [_describe("text", "BYTES", -1)]
    else:
        inputs = [
            _describe("source", "FP32", -1, -1, description.source_width),
            _describe("lengths", "INT32", -1),
        ]
    if description.reads_features:
        inputs.append(_describe("features", "BYTES", -1))
    if description.target_width is not None:
        inputs.append(_describe("steps", "INT32", -1))
    outputs = [
        _describe(name, OUTPUTS[name].datatype, *[-1] * OUTPUTS[name].rank)
        for name in output_names(description)
    ]
    return JSONResponse(
        {
            "name": version.model,
            "versions": [version.number],
            "platform": f"kseq_{description.engine}",
            "inputs": inputs,
            "outputs": outputs,
        }
    )


def _describe(name, datatype, *shape):
    return {"name": name, "datatype": datatype, "shape": list(shape)}


async def infer(request):
    """Answers `POST /v2/models/NAME/infer`.

    `parameters` are the options of the search; with `n_best` or `samples`, outputs have an axis for
    the translations of a source. Without `outputs`, those that need no attention are returned.
    """
    service = request.app.state.service
    if _BINARY in request.headers:
        raise mistake("binary tensors are not supported; send all data as JSON")
    body = await read_json(request, service.limits)
    version = service.find(**request.path_params)
    description = version.description
    inputs = _read_inputs(take(body, "inputs", list, []), description)
    names = _read_names(body, description)
    parameters = take(body, "parameters", dict, {})
    question = Question(
        sources=inputs["text" if description.source_width is None else "source"],
        options=dict(parameters),
        attention=any(OUTPUTS[name].needs_attention for name in names),
        features=inputs.get("features"),
        steps=inputs.get("steps"),
    )
    results = await service.ask(request, version, question)
    has_axis = bool(description.fixed_n_best or {"n_best", "samples"} & set(parameters))
    answer = {"model_name": version.model, "model_version": version.number}
    if (identifier := take(body, "id", str)) is not None:
        answer["id"] = identifier
    return JSONResponse({**answer, "outputs": make_outputs(names, results, has_axis)})


def _read_names(body, description):
    """Returns the names of the outputs that a request wants."""
    known = output_names(description)
    wanted = take(body, "outputs", list)
    if wanted is None:
        return [name for name in known if not OUTPUTS[name].needs_attention]
    names = [each.get("name") if isinstance(each, dict) else each for each in wanted]
    for name in names:
        if name not in known:
            raise mistake(f"unknown output: {name!r} (known: {', '.join(known)})")
    if len(set(names)) < len(names):
        raise mistake("outputs: expected each name once")
    return names


def _read_inputs(tensors, description):
    """Returns the columns of the input tensors by name."""
    values = {}
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name not in _DATATYPES:
            raise mistake(f"unknown input: {name!r} (known: {', '.join(_DATATYPES)})")
        values[name] = _read_tensor(name, tensor)
    first = "text" if description.source_width is None else "source"
    if first not in values:
        raise mistake(f"inputs: expected {first}; received {', '.join(values) or 'none'}")
    if "lengths" in values:
        values[first] = cut(values[first], values.pop("lengths"))
    return values


def _read_tensor(name, tensor):
    datatype, data = take(tensor, "datatype", str), take(tensor, "data", list, [])
    if datatype not in _DATATYPES[name]:
        expected = " or ".join(_DATATYPES[name])
        raise mistake(f"{name}: expected the datatype {expected}; received {datatype!r}")
    shape = take(tensor, "shape", list, [])
    if not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise mistake(f"{name}: expected a shape; received {shape!r}")
    while data and isinstance(data[0], list):
        if not all(isinstance(row, list) for row in data):
            raise mistake(f"{name}: its data are lists in some places only")
        data = list(itertools.chain.from_iterable(data))
    # First, because the product of such numbers could take seconds.
    if len(shape) > _LARGEST_RANK or max(shape) > max(1, len(data)):
        raise mistake(f"{name}: its shape does not fit its data, of size {len(data)}")
    count = math.prod(shape)
    if count != len(data):
        raise mistake(f"{name}: shape {shape} is of size {count}; received {len(data)} values")
    rank = 3 if name == "source" else 1
    if name != "source" and len(shape) == 2 and shape[1] == 1:
        shape = shape[:1]
    if len(shape) != rank:
        raise mistake(f"{name}: expected {rank} dimensions; received the shape {shape}")
    for size in reversed(shape[1:]):
        data = [data[begin : begin + size] for begin in range(0, len(data), max(1, size))]
    return data


_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{number}"
ROUTES = [
    Route(_MODEL + "/infer", infer, methods=["POST"]),
    Route(_VERSION + "/infer", infer, methods=["POST"]),
    Route("/v2/health/live", is_live, methods=["GET"]),
    Route("/v2/health/ready", is_ready, methods=["GET"]),
    Route("/v2", server_metadata, methods=["GET"]),
    Route(_MODEL, model_metadata, methods=["GET"]),
    Route(_VERSION, model_metadata, methods=["GET"]),
    Route(_MODEL + "/ready", is_model_ready, methods=["GET"]),
    Route(_VERSION + "/ready", is_model_ready, methods=["GET"]),
]
