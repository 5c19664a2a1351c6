"""The files beside the graph of a SavedModel: a README, an example request, warm-up requests."""

import json

import numpy as np
import tensorflow as tf

import kseq
from kseq.runs.directory import CODECS
from kseq.special_tokens import END, SPECIAL_TOKENS
from kseq.translation.prediction_log import write_requests

README = "README.md"
EXAMPLE = "assets.extra/example_request.json"
WARM_UP = "assets.extra/tf_serving_warmup_requests"  # the name that TensorFlow Serving looks for
_WRITTEN = (README, EXAMPLE, WARM_UP, *(f"assets/{name}" for name in CODECS))
_FOLDERS = ("assets", "assets.extra", "variables")
OWN_FILES = frozenset(["saved_model.pb", "fingerprint.pb", *_FOLDERS, *_WRITTEN])

_MARK = "<!-- written by kseq export, which replaces this file -->\n"
_EXAMPLE_WORDS = 6
_EXAMPLE_STEPS = 4


def refuse_foreign(folder):
    """Checks that nothing at the place of a SavedModel would be replaced that kseq did not write.

    Older versions of kseq wrote fewer files.

    Args:
        folder: Path of a folder that may hold a SavedModel of kseq.

    Raises:
        FileExistsError: The user has a file of their own where kseq would write one.
    """
    readme = folder / README
    if readme.is_file() and readme.read_bytes().startswith(_MARK.encode()):
        return
    for name in _WRITTEN:
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder / name} was not written by kseq export, which now writes a file of this "
                "name; move it, or choose another destination"
            )


def write_files(folder, translator, signatures, name):
    """Writes the files into the folder of a SavedModel.

    Args:
        folder: Path of the folder, a string or a `pathlib.Path`.
        translator: The `Translator` that is exported.
        signatures: The concrete function of each signature, by name.
        name: Name of the model.
    """
    (folder / "assets.extra").mkdir(exist_ok=True)
    inputs = example_inputs(translator)
    requests = [
        (signature, {name: inputs[name] for name in specs_of(function)})
        for signature, function in signatures.items()
    ]
    write_requests(folder / WARM_UP, requests, name)
    _, first = requests[0]
    example = {"signature_name": "serving_default", "inputs": _to_json(first)}
    text = json.dumps(example, ensure_ascii=False) + "\n"
    (folder / EXAMPLE).write_text(text, encoding="utf-8")
    readme = _readme(name, signatures, text, _note_on(translator.codecs.source))
    (folder / README).write_text(readme, encoding="utf-8")


def specs_of(function):
    """Returns the `tf.TensorSpec`s of the inputs of a concrete function, by name."""
    return function.structured_input_signature[1]


def example_inputs(translator):
    """Returns inputs of all signatures of a model by name, arrays: one source that it can read."""
    source, target = translator.codecs.sides
    inputs = {"steps": np.array(_EXAMPLE_STEPS, "int32")}
    if not source.is_text and source.log_mel is not None:
        inputs["samples"] = np.zeros((1, source.log_mel.window), "float32")
        inputs["lengths"] = np.array([source.log_mel.window], "int32")
    elif source.is_text:
        inputs["text"] = np.array([_example_text(source)], object)
    else:
        inputs["source"] = np.tile(source.mean, (1, _EXAMPLE_STEPS, 1))
        inputs["lengths"] = np.array([_EXAMPLE_STEPS], "int32")
    if translator.codecs.features is not None:
        feature = translator.codecs.features.vocabulary[len(SPECIAL_TOKENS) :][:1]
        inputs["features"] = np.array(["".join(feature).encode()], object)
    if target.is_text:
        inputs["target"] = np.array([_example_text(target)], object)
    else:
        values = np.tile(target.mean, (1, _EXAMPLE_STEPS, 1))
        inputs["target"], inputs["covariates"] = np.split(values, [target.features], axis=-1)
        inputs["target_lengths"] = np.array([_EXAMPLE_STEPS], "int32")
    return inputs


def _example_text(codec):
    """The first words of a vocabulary, which are the most frequent ones, in UTF-8."""
    first = len(SPECIAL_TOKENS)
    ids = [*range(first, min(first + _EXAMPLE_WORDS, codec.size)), END]
    (text,) = codec.decode(tf.constant([ids])).numpy()
    return text


def _to_json(inputs):
    """Inputs in the column format of the REST interface of TensorFlow Serving."""
    return {
        name: [text.decode() for text in array] if array.dtype == object else array.tolist()
        for name, array in inputs.items()
    }


def _note_on(source):
    """A paragraph about the samples of recordings; empty for other sources."""
    if source.is_text or source.log_mel is None:
        return ""
    return (
        f"\n`samples` are sound: numbers from -1 to 1, {source.log_mel.sample_rate:,} per second. "
        "`lengths` is the\nnumber of samples of each recording.\n"
    )


def _readme(name, signatures, example, note):
    rows = "".join(
        f"| `{signature}` | {_list(specs_of(function))} | {_list(function.structured_outputs)} |\n"
        for signature, function in signatures.items()
    )
    return f"""{_MARK}
# {name}

A SavedModel of a sequence-to-sequence model, written by kseq {kseq.__version__}. It needs
`tensorflow` and `tensorflow-text`, but not kseq.

| signature | inputs | outputs |
|---|---|---|
{rows}{note}
Vocabularies and subword models are in `assets`. TensorFlow Serving replays
`{WARM_UP}` when it loads the model.

In Python:

```python
import json, pathlib
import tensorflow as tf, tensorflow_text

model = tf.saved_model.load("FOLDER")
request = json.loads(pathlib.Path("FOLDER/{EXAMPLE}").read_text())
serve = model.signatures[request["signature_name"]]
specs = serve.structured_input_signature[1]
inputs = request["inputs"].items()
serve(**{{name: tf.constant(value, specs[name].dtype) for name, value in inputs}})
```

With TensorFlow Serving, which sends all outputs of the signature that a request names:

    tensorflow_model_server --rest_api_port=8501 --model_name={name} --model_base_path=PARENT
    curl http://127.0.0.1:8501/v1/models/{name}:predict -d @FOLDER/{EXAMPLE}

`PARENT` is an absolute path to a folder of versions (`kseq export --version 1`). The request is:

    {example}"""


def _list(tensors):
    """Names, types and shapes of tensors by name; an unknown size is a dash."""
    return ", ".join(
        f"`{name}` {tensor.dtype.name} [{', '.join(str(size or '–') for size in tensor.shape)}]"
        for name, tensor in sorted(tensors.items())
    )
