"""Attention and cells that are not in kseq, as docs/own_parts.md describes them."""

import dataclasses
import functools
import importlib
import json
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import test_combinations
import yaml
from combinations import SIZE, as_tensors, batch
from conftest import SMALL, write_tiny_pairs
from keras import ops
from test_export import PROGRAM

import kseq
from kseq import Config, ModelConfig, Translator, build_seq2seq, load_corpus
from kseq.kernels.parameters import PLAIN
from kseq.models.cells import GRUCell, RNNCell
from kseq.models.factory import use_dtype_policy
from kseq.models.recurrent_layers import LAYERS, CellRNN
from kseq.settings.own_parts import OwnPart

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "own_parts.md"
MODULE, IN_PYTHON = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
(IN_YAML,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
TINY = {"units": 6, "embedding_dim": 4, "dropout": 0.0}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with the module of the page."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_layers.py").write_text(MODULE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session", autouse=True)
def my_layers(folder):
    sys.path.append(str(folder))
    yield importlib.import_module("my_layers")
    sys.path.remove(str(folder))


@keras.saving.register_keras_serializable("tests")
class GatedUnit(kseq.Cell):
    """A GRU like the one of kseq, without its derivatives, and with a weight read directly."""

    gates = 3
    sums_of_inputs, sums_of_products = (0, 1, 2), (0, 1, 3)

    def build(self, input_shape=None):
        super().build(input_shape)
        self.recurrent_bias = self.add_weight(name="recurrent_bias", shape=(self.units,))

    def equations(self, sums, state):
        (hidden,) = state
        update, reset = ops.sigmoid(sums[0]), ops.sigmoid(sums[1])
        candidate = ops.tanh(sums[2] + reset * ops.add(sums[3], self.recurrent_bias))
        return [update * hidden + (1.0 - update) * candidate], []


@keras.saving.register_keras_serializable("tests")
class ElmanCell(RNNCell):
    """A cell with derivatives of its own."""


def loss_and_gradients(function, weights):
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(function())
        loss = tf.add_n([tf.reduce_sum(tf.sin(tensor)) for tensor in outputs])
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def require_equal(first, second):
    """Checks losses and gradients of models or layers with the same weights, in float64.

    Logits, and the weights of attention, are float32.
    """
    np.testing.assert_allclose(first[0], second[0], rtol=1e-5)
    for gradients in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "kind, settings",
    [
        ("bahdanau", {}),
        pytest.param("luong_concat", {"decoder_layers": 2}, marks=pytest.mark.slow),
        pytest.param("luong_concat", {"input_feeding": False}, marks=pytest.mark.slow),
    ],
)
def test_additive_attention_written_with_plain_layers_trains_as_that_of_kseq(
    kind, settings, my_layers
):
    """The same loss and gradients as in a training step, one in a loop, one without a loop."""
    attention = my_layers.TemperedAttention()
    if kind.startswith("luong"):
        attention = AfterCell()
    settings = {**TINY, "bidirectional": False, **settings}
    results = []
    with use_dtype_policy("float64"):
        for each in (kind, attention):
            model = build_seq2seq(ModelConfig(attention=each, **settings), SIZE, SIZE)
            generator = np.random.default_rng(1)
            model.set_weights([generator.normal(size=weight.shape) for weight in model.weights])
            inputs = as_tensors(batch(model.config))
            results.append(
                loss_and_gradients(functools.partial(model, inputs, training=True), model.weights)
            )
    require_equal(*results)


@keras.saving.register_keras_serializable("tests")
class AfterCell(kseq.Attention):
    """Additive attention, of the state after the step."""

    follows_cell = True

    def build(self, query_shape):
        self.score = keras.layers.Dense(1, use_bias=False)
        self.query = keras.layers.Dense(query_shape[-1], use_bias=False)
        super().build(query_shape)

    def energies(self, parameters, queries, keys, state):
        hidden = ops.expand_dims(self.query(queries), 2) + ops.expand_dims(keys, 1)
        return self.score(ops.tanh(hidden))[..., 0]


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize(
    "cell, kind", [(GatedUnit, "gru"), (ElmanCell, "rnn")], ids=["autodiff", "derivatives"]
)
def test_a_layer_with_a_cell_of_ones_own_equals_that_of_kseq(cell, kind, go_backwards):
    """Outputs, last state and gradients, with padding."""
    random = np.random.default_rng(0)
    mask = np.arange(4) < np.array([[4], [2]])
    sequence, state = tf.constant(random.normal(size=(2, 4, 3))), random.normal(size=(2, 5))
    returns = {"return_sequences": True, "return_state": True, "go_backwards": go_backwards}
    with use_dtype_policy("float64"):
        own = CellRNN(cell(5), **returns)
        reference = LAYERS[kind](5, **returns)
    assert CellRNN.from_config(own.get_config()).get_config() == own.get_config()
    for layer in (own, reference):
        layer.build(sequence.shape)
    values = [random.normal(size=weight.shape) for weight in own.weights]
    own.set_weights(values)
    recurrent_kernel, *extra, kernel, bias = values
    if kind == "gru":
        bias = np.stack([bias, np.concatenate([np.zeros(10), extra[0]])])
    reference.set_weights([kernel, recurrent_kernel, bias])

    def run(layer):
        return loss_and_gradients(
            lambda: layer(sequence, initial_state=[state], mask=mask, training=True), layer.weights
        )

    (loss, gradients), (expected_loss, expected) = run(own), run(reference)
    recurrent_kernel, *extra, kernel, bias = gradients
    expected_bias = expected[2]
    if kind == "gru":
        np.testing.assert_allclose(extra[0], expected_bias[1, 10:], rtol=1e-8)
        expected_bias = expected_bias[0]
    require_equal(
        (loss, [kernel, recurrent_kernel, bias]), (expected_loss, [*expected[:2], expected_bias])
    )
    for tensors in zip(
        own(sequence, initial_state=[state], mask=mask),
        reference(sequence, initial_state=[state], mask=mask),
        strict=True,
    ):
        np.testing.assert_allclose(*tensors, rtol=1e-10)


def test_a_step_of_a_cell_of_ones_own_equals_that_of_kseq():
    random = np.random.default_rng(0)
    own, reference = GatedUnit(5), GRUCell(5)
    for cell in (own, reference):
        cell.build()
        cell.set_weights([random.normal(size=weight.shape) for weight in cell.weights])
    own.set_weights(reference.get_weights())
    inputs, state = random.normal(size=(2, 15)), [random.normal(size=(2, 5)).astype("float32")]
    inputs = inputs.astype("float32")
    np.testing.assert_allclose(own(inputs, state)[0], reference(inputs, state)[0], rtol=1e-5)


PROPERTIES = (
    test_combinations.test_outputs_have_their_symbolic_shapes_and_types,
    test_combinations.test_attention_sums_to_one_over_real_positions,
    test_combinations.test_padding_does_not_change_the_result,
    test_combinations.test_a_row_of_padding_alone_has_finite_outputs_and_changes_no_other_row,
    test_combinations.test_teacher_forcing_equals_single_steps,
    test_combinations.test_hypotheses_may_share_a_source,
    test_combinations.test_gradients_reach_every_weight,
)
WITH_FILES = (
    test_combinations.test_a_saved_model_gives_the_same_outputs,
    test_combinations.test_saved_weights_can_be_loaded_into_a_second_model,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"decoder_layers": 2, "attention_layer": "top"},
        {"attention": AfterCell(), "input_feeding": False},
        {"attention": AfterCell()},
    ],
    ids=["before", "after", "fed"],
)
def test_a_model_of_ones_own_parts_has_the_properties_of_all_others(settings, my_layers, tmp_path):
    attention, cell = my_layers.TemperedAttention(2.0), my_layers.MinimalGatedUnit()
    settings = {"attention": attention, "cell": cell, **settings}
    case = test_combinations.Case(ModelConfig(units=8, embedding_dim=6, **settings))
    for check in PROPERTIES:
        check(case)
    for check in WITH_FILES:
        check(case, tmp_path)
    test_combinations.test_low_precision_keeps_softmax_and_outputs_in_float32(
        case, "mixed_bfloat16", "float32"
    )


def test_the_page_shows_equal_settings_in_python_and_in_a_file(my_layers):
    names = {}
    exec(IN_PYTHON, names)
    config = names["config"]
    assert str(config.attention) == "my_layers>TemperedAttention"
    assert config.attention.config == {"temperature": 2.0}
    assert Config.loads(IN_YAML, ".yaml").model == dataclasses.replace(config, cell="gru")
    for suffix in (".json", ".yaml"):
        whole = Config(config)
        assert Config.loads(whole.dumps(suffix), suffix) == whole
    assert len({config, dataclasses.replace(config)}) == 1
    other = dataclasses.replace(config, attention=my_layers.TemperedAttention(3.0))
    assert other != config
    default = Config().with_settings(["attention=my_layers>TemperedAttention"]).model
    assert default == ModelConfig(attention=my_layers.TemperedAttention())


def test_each_model_has_weights_of_its_own(my_layers):
    config = ModelConfig(attention=my_layers.TemperedAttention(), **TINY)
    first, second = (build_seq2seq(config, SIZE, SIZE) for _ in range(2))
    assert not {id(weight) for weight in first.weights} & {id(weight) for weight in second.weights}


class Unregistered(kseq.Attention):
    pass


@keras.saving.register_keras_serializable("tests")
class Forgetful(kseq.Attention):
    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)

    def get_config(self):
        return super().get_config()


@keras.saving.register_keras_serializable("tests")
class NotPlain(kseq.Attention):
    def get_config(self):
        return {**super().get_config(), "inside": keras.layers.Dense(3)}


@keras.saving.register_keras_serializable("tests")
class Strict(kseq.Attention):
    def __init__(self):
        super().__init__()

    def get_config(self):
        return {**super().get_config(), "size": 3}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"attention": Unregistered()}, "attention: Unregistered is not registered, so a run with"),
        ({"attention": Forgetful(3)}, "get_config of Forgetful leaves out size"),
        ({"attention": NotPlain()}, "get_config of NotPlain must return numbers, strings, lists"),
        ({"attention": Strict()}, r"Strict.from_config cannot make the layer \(.*'size'"),
        ({"attention": AfterCell}, r"attention must be a layer; received a class: write AfterCell"),
        ({"attention": GatedUnit()}, "whose class is derived from kseq.Attention; received Gated"),
        ({"cell": keras.layers.GRUCell(3)}, "derived from kseq.Cell; received GRUCell"),
        ({"decoder_cell": GatedUnit(3)}, "decoder_cell: leave out the units of GatedUnit"),
        ({"attention": "tests>Forgetful"}, "(?s)Forgetful.from_config cannot make .*'size'"),
        ({"attention": "no>Such"}, "attention=no>Such is a class that no imported module has reg"),
        ({"attention": {"registered_name": 3}}, "must have a registered_name, which is a string"),
        ({"attention": {"config": {}}}, "attention must be 'none'"),
        ({"attention": AfterCell(), "window": 3}, "window=3 needs attention=local_m"),
        (
            {"attention": AfterCell(), "architecture": "transformer"},
            "attention=tests>AfterCell does not fit the architecture",
        ),
    ],
    ids=lambda value: "",
)
def test_a_part_that_could_not_be_made_again_is_refused_with_the_remedy(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ModelConfig(**settings)


def refuse(kind, base, **methods):
    """Registers a class with methods, and returns the settings of a model with it."""
    name = f"Wrong{len(keras.saving.get_custom_objects())}"
    made = type(name, (base,), methods)
    keras.saving.register_keras_serializable("tests")(made)
    return {kind: made()}


def energies(function):
    return {"energies": lambda self, parameters, queries, keys, state: function(queries, keys)}


def product(queries, keys):
    return ops.matmul(queries, ops.swapaxes(keys, 1, 2))


def dropped(rate):
    layer = keras.layers.Dropout(rate)
    return energies(lambda queries, keys: product(layer(queries, training=True), keys))


WRONG = [
    (
        *("attention", kseq.Attention, energies(lambda queries, keys: queries)),
        r"return energies of shape \[B, Q, S\] \(2, 2, 3\); received \(2, 2, 6\)",
    ),
    (
        "attention",
        kseq.Attention,
        {"weigh": lambda self, parameters, queries, keys, mask, state: product(queries, keys)},
        "exactly 0 on padding; received .* set them to 0 where the mask is false",
    ),
    (
        "attention",
        kseq.Attention,
        {
            "call": lambda self, query, keys, memory, mask, state=(), parameters=PLAIN: (
                memory,
                mask,
                state,
            )
        },
        r"return contexts of shape \(4, 1, 6\); received \(2, 3, 6\)",
    ),
    ("attention", kseq.Attention, dropped(0.5), "received one that changes .*seed_generator_state"),
    (
        "attention",
        kseq.Attention,
        {
            **energies(product),
            "initial_state": classmethod(lambda cls, memory, mask: [memory[:, 0]]),
            "state_inputs": classmethod(lambda cls: [keras.Input((6,), name="held")]),
            "advance": lambda self, state, weights: [state[0][:, :3]],
        },
        r"an attention state of shapes and types .*\(4, 6\).*received .*\(4, 3\)",
    ),
    (
        "cell",
        kseq.Cell,
        {"gates": 2, "equations": lambda self, sums, state: ([sums[0]], [])},
        "entry in sums_of_inputs and in sums_of_products for each of its 2 gates; received 1 and 1",
    ),
    (
        "cell",
        kseq.Cell,
        {"state_count": 2, "equations": lambda self, sums, state: ([sums[0]], [])},
        r"a new state of 2 tensors \[2, \d\] \(its state_count\), and .* of shapes \[\(2, \d\)\]",
    ),
    (
        "cell",
        RNNCell,
        {
            "build": lambda self, input_shape=None: (
                RNNCell.build(self),
                self.add_weight(name="extra", shape=()),
            )
        },
        "expected the cell .* to have no weights of its own, which would get no gradient",
    ),
    ("attention", kseq.Attention, {}, "expected the attention .* to define energies"),
    (
        "attention",
        kseq.Attention,
        energies(lambda queries, keys: ops.matmul(queries, keys)),
        "the attention .* failed when it was tried: .*[Ss]ize",
    ),
    ("cell", kseq.Cell, {}, "expected the cell .* to define equations"),
    (
        "cell",
        kseq.Cell,
        {"equations": lambda self, sums, state: self.nothing},
        "the cell .* failed when it was tried: AttributeError: .*nothing",
    ),
    (
        "cell",
        kseq.Cell,
        {"equations": lambda self, sums, state: [sums[0]]},
        "the cell .* failed .*: not enough values .*; its equations must return two lists",
    ),
    (
        "cell",
        kseq.Cell,
        {
            **{"gates": 2, "sums_of_inputs": (0, 5), "sums_of_products": (0, 1)},
            "equations": lambda self, sums, state: ([sums[0]], []),
        },
        r"to number its sums from 0 without a gap.*; received \[0, 1, 5\]",
    ),
]


@pytest.mark.parametrize("kind, base, methods, message", WRONG, ids=lambda value: "")
def test_a_part_that_breaks_its_contract_is_refused_when_a_model_is_built(
    kind, base, methods, message
):
    settings = refuse(kind, base, **methods)
    if kind == "attention":
        settings["bidirectional"] = False
    with pytest.raises(ValueError, match=message):
        build_seq2seq(ModelConfig(**TINY, **settings), SIZE, SIZE)


def test_inputs_and_products_of_one_sum_are_all_added_up():
    cell = refuse(
        "cell",
        kseq.Cell,
        gates=2,
        sums_of_inputs=(0, 0),
        sums_of_products=(0, 1),
        equations=lambda self, sums, state: ([sums[0] + 100 * sums[1]], []),
    )["cell"].__class__(units=1)
    cell.build()
    cell.set_weights([np.array([[2.0, 3.0]])])
    (state,) = cell(tf.constant([[1.0, 10.0]]), [tf.constant([[1.0]])])
    assert state.numpy() == [[1 + 10 + 2 + 100 * 3]]


def test_a_bridge_of_none_needs_cells_with_as_many_states():
    def two_states(self, sums, state):
        return [sums[0], state[1]], []

    own = refuse("cell", kseq.Cell, state_count=2, equations=two_states)["cell"]
    settings = {**TINY, "bridge": "none", "bidirectional": False}
    for cells in ({"cell": "gru", "decoder_cell": own}, {"cell": own, "decoder_cell": "gru"}):
        with pytest.raises(
            ValueError, match="bridge=none hands over .* encoder has [12], and that"
        ):
            build_seq2seq(ModelConfig(**settings, **cells), SIZE, SIZE)
    build_seq2seq(ModelConfig(**settings, cell="lstm", decoder_cell=own), SIZE, SIZE)


def test_a_readout_that_would_have_no_effect_is_refused():
    config = ModelConfig(attention=AfterCell(), readout="maxout", **TINY)
    with pytest.raises(ValueError, match="readout has no effect, as AfterCell has follows_cell"):
        build_seq2seq(config, SIZE, SIZE)
    deep = dataclasses.replace(config, decoder_layers=2)
    build_seq2seq(deep, SIZE, SIZE)


def test_a_model_that_copies_by_weights_that_do_not_sum_to_1_gives_probabilities():
    def weigh(self, parameters, queries, keys, mask, state):
        return ops.sigmoid(product(queries, keys)) * ops.cast(mask, "float32")

    attention = refuse("attention", kseq.Attention, weigh=weigh)["attention"]
    config = ModelConfig(attention=attention, copy=True, **TINY)
    model = build_seq2seq(config, SIZE, SIZE)
    inputs = as_tensors(batch(model.config))
    probabilities = np.exp(model(inputs))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-5)


def test_without_its_module_a_run_is_listed_but_not_built(monkeypatch):
    """The error says which name is missing, and how the command gets it."""
    text = Config(ModelConfig(attention=AfterCell(), **TINY)).dumps()
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>AfterCell")
    config = Config.loads(text).model
    assert str(config.attention) == "tests>AfterCell"
    message = "attention=tests>AfterCell is a class that no imported .*--import MODULE"
    with pytest.raises(ValueError, match=message):
        build_seq2seq(config, SIZE, SIZE)


def test_input_feeding_is_refused_for_a_query_before_the_step(my_layers):
    config = ModelConfig(attention=my_layers.TemperedAttention(), input_feeding=False)
    with pytest.raises(ValueError, match="input_feeding=false needs an attention whose query is"):
        build_seq2seq(config, SIZE, SIZE)


def test_a_module_that_cannot_be_imported_is_one_line(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_layers.py").write_text("1 / 0\n")
    for name, message in (
        ("broken_layers", "received ZeroDivisionError"),
        ("no_such_layers.py", "named without .py; received ModuleNotFoundError"),
    ):
        code, _, errors = command("translate", "--import", name, "no-run")
        assert code == 2 and message in errors and errors.count("\n") == 1


@pytest.mark.slow
def test_a_run_with_ones_own_parts_is_trained_read_drawn_and_exported(folder, command):
    """In a fresh process with `--import`; without it, one line says what is missing."""
    pairs = write_tiny_pairs(folder / "pairs.tsv")
    settings = ["epochs=1", "cell=my_layers>MinimalGatedUnit", *SMALL]
    settings += ["attention=my_layers>TemperedAttention"]
    train = ["train", "--train", pairs, "--out", folder / "run", "--set", *settings]
    kseq_command = [sys.executable, "-m", "kseq"]

    def run(*words):
        words = [*kseq_command, *map(str, words)]
        return subprocess.run(words, cwd=folder, input="a1 b2\n", capture_output=True, text=True)

    assert run(*train, "--import", "my_layers").returncode == 0
    written = json.loads((folder / "run" / "config.json").read_text())["model"]["attention"]
    assert written == {
        "registered_name": "my_layers>TemperedAttention",
        "config": {"temperature": 1.0},
    }
    refused = run("translate", folder / "run")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert "cell=my_layers>MinimalGatedUnit is a class that no imported" in refused.stderr
    translated = run("translate", folder / "run", "--import", "my_layers")
    assert translated.returncode == 0, translated.stderr
    translator = Translator.load(folder / "run")
    (result,) = translator.translate(["a1 b2"])
    assert result.text == translated.stdout.rstrip("\n")
    picture = folder / "heatmap.png"
    assert command("heatmap", folder / "run", "a1 b2", "--out", picture)[0] == 0
    assert picture.stat().st_size
    translator.export(folder / "exported")
    exported = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder / "exported", json.dumps(["a1 b2"])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(exported.stdout)["translation"][0] == result.text


@pytest.mark.slow
def test_the_losses_of_a_training_are_those_of_the_mechanism_in_kseq(tmp_path, my_layers):
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    losses = []
    for attention in ("bahdanau", my_layers.TemperedAttention()):
        config = Config().with_settings([*SMALL, "epochs=3", "attention=bahdanau"])
        config = dataclasses.replace(
            config, model=dataclasses.replace(config.model, attention=attention)
        )
        run = tmp_path / f"run{len(losses)}"
        kseq.train(corpus, config, out=run, verbose=False)
        history = (run / "history.csv").read_text().splitlines()
        column = history[0].split(",").index("loss")
        losses.append([float(line.split(",")[column]) for line in history[1:]])
    assert len(losses[0]) == 3
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_part_by_name_is_plain_data():
    part = OwnPart("tests>AfterCell")
    assert ModelConfig(attention="tests>AfterCell").attention == part
    assert yaml.safe_load(Config(ModelConfig(attention=part)).dumps(".yaml"))["model"][
        "attention"
    ] == {"registered_name": "tests>AfterCell", "config": {}}
