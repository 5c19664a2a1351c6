"""The small protocol: `POST /translate` takes texts or values, and returns what a person reads."""

from starlette.responses import JSONResponse
from starlette.routing import Route

from kseq.serving.inputs import OPTIONS, Question, take
from kseq.serving.refusals import mistake
from kseq.serving.requests import read_json

_ENTRIES = ("text", "values", "model", "version", "attention", "prefix", "features", "steps")


async def translate(request):
    """Answers `{"text": ["A sentence."], "model": "en-fr", "beam": 5, "attention": true}`.

    The answer is `{"model", "version", "translations"}`, a translation for each text; with `n_best`
    or `samples` a list for each. For real-valued targets there are `predictions` instead.
    """
    service = request.app.state.service
    body = await read_json(request, service.limits)
    number = take(body, "version", (str, int))
    version = service.find(take(body, "model", str), None if number is None else str(number))
    question = _read(body, version.description)
    results = await service.ask(request, version, question)
    answer = {"model": version.model, "version": version.number}
    if version.description.target_width is not None:
        return JSONResponse({**answer, "predictions": results})
    is_list = version.description.fixed_n_best or {"n_best", "samples"} & set(question.options)
    translations = results if is_list else [result[0] for result in results]
    return JSONResponse({**answer, "translations": translations})


def _read(body, description):
    for name in body:
        if name not in _ENTRIES and name not in OPTIONS:
            known = ", ".join((*_ENTRIES, *OPTIONS))
            raise mistake(f"unknown entry: {name!r} (known: {known})")
    name, other = ("text", "values") if description.source_width is None else ("values", "text")
    if other in body or name not in body:
        received = f"received {other}" if other in body else "received none"
        raise mistake(f"{name}: expected a list, as this model reads {name}; {received}")
    sources = take(body, name, (list, str) if name == "text" else list)
    return Question(
        sources=[sources] if isinstance(sources, str) else sources,
        options={name: value for name, value in body.items() if name in OPTIONS},
        attention=take(body, "attention", bool, False),
        prefix=take(body, "prefix", (str, list)),
        features=take(body, "features", (str, list)),
        steps=take(body, "steps", (int, list)),
    )


async def models(request):
    """Answers `GET /models`: the models and what they read and write."""
    service = request.app.state.service
    return JSONResponse({"models": [_describe(model) for model in service.models.values()]})


def _describe(model):
    entry = {"name": model.name, "is_ready": model.is_ready}
    if model.version is None:
        return entry
    description = model.version.description
    return {
        **entry,
        "version": model.version.number,
        "engine": description.engine,
        "reads": "text" if description.source_width is None else "values",
        "writes": "text" if description.target_width is None else "values",
        "source_width": description.source_width,
        "target_width": description.target_width,
        "reads_features": description.reads_features,
        "has_attention": description.has_attention,
        "task": description.task,
        "has_options": description.has_options,
    }


ROUTES = [
    Route("/translate", translate, methods=["POST"]),
    Route("/models", models, methods=["GET"]),
]
