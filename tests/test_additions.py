"""What a training adds to plain teacher forcing: noise in the inputs, and more losses."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf
from combinations import SIZE, as_tensors, batch, build, weights_of
from test_teacher import check_step

from kseq import ModelConfig, TrainingConfig, build_seq2seq
from kseq.kernels.drawing import draw
from kseq.models.factory import use_dtype_policy
from kseq.pipeline.links import ALIGNMENT, alignment_matrices
from kseq.special_tokens import END, PAD, START, UNK
from kseq.training import random_numbers
from kseq.training.additions import Additions
from kseq.training.sampling_schedule import sampling_schedule
from kseq.training.scheduled_sampling import RANDOM_NUMBERS, READS_OWN, ScheduledSampling
from kseq.training.teacher import make_teacher

SMALL = {"units": 8, "embedding_dim": 6, "dropout": 0.0}
KINDS = [
    {},
    {"attention": "none", "context_every_step": True},
    {"attention": "luong_general", "cell": "lstm", "decoder_layers": 2},
    {"attention": "luong_dot", "input_feeding": False},
    {"attention": "coverage", "tie_output": True},
    {"attention": "local_m"},
    {"architecture": "transformer", "embedding_dim": 8, "heads": 2, "decoder_layers": 2},
    {"target_features": 2, "source_features": 3},
    {"target_features": 2, "attention": "none", "target_activation": "sigmoid"},
    {"target_features": 2, "target_covariates": 3},
]
PARTS = [pytest.param(1, marks=pytest.mark.slow), 2]
LINKS = [{(0, 0), (2, 0), (1, 2)}, {(1, 0)}, set()]


def parameters(kinds, fast):
    """Kinds of models, slow unless their numbers are in `fast`."""
    return [
        pytest.param(kind, marks=[pytest.mark.slow] * (number not in fast), id=str(kind))
        for number, kind in enumerate(kinds)
    ]


def make_batch(settings):
    """A config, inputs, and labels and weights of three targets of 4, 2 and 3 steps."""
    config = ModelConfig(**{**SMALL, **settings})
    inputs = batch(config)
    weights = (np.arange(4) < np.array([[4], [2], [3]])).astype("float32")
    if config.target_features:
        labels = np.random.default_rng(2).uniform(size=(3, 4, 2)).astype("float32")
    else:
        labels = np.random.default_rng(2).integers(4, SIZE, (3, 4)).astype("int32")
    return config, (inputs, labels, weights)


def compile_teacher(model, additions, parts=1, step=0):
    teacher = make_teacher(model, parts=parts, additions=additions)
    teacher.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    teacher.optimizer.build(model.trainable_variables)
    teacher.steps.assign(step)
    return teacher


@pytest.mark.parametrize("kind", ["constant", "linear", "exponential", "inverse_sigmoid"])
@pytest.mark.parametrize("steps", [20, 30_000])
def test_a_schedule_follows_the_paper(kind, steps):
    schedule = sampling_schedule(kind, 0.6, steps)
    for step in [0, 1, steps // 3, steps // 2, steps, 2 * steps, 50 * steps]:
        with np.errstate(over="ignore"):
            expected = 0.6 * (1 - references.decayed_probability(kind, step, steps))
        assert float(schedule(tf.constant(step, tf.int64))) == pytest.approx(expected, abs=1e-4)


def test_a_schedule_of_one_step_is_finite():
    for kind in ("linear", "exponential", "inverse_sigmoid"):
        assert 0.0 <= float(sampling_schedule(kind, 1.0, 1)(tf.constant(1))) <= 1.0


def test_an_index_is_drawn_as_often_as_it_is_probable():
    probabilities = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0], "float32")
    numbers = tf.random.stateless_uniform([20_000], [1, 2])
    drawn = draw(tf.tile(probabilities[None], [20_000, 1]), numbers).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=6) / 20_000, probabilities, atol=0.02)
    edges = draw(tf.tile(probabilities[None] / 3, [2, 1]), tf.constant([0.0, 1 - 2**-24]))
    assert edges.numpy().tolist() == [1, 4]


def test_random_numbers_depend_on_the_seed_the_step_and_the_purpose_alone():
    first = random_numbers.uniform([3, 5], 7, 11, 0)
    assert (first == random_numbers.uniform([3, 5], 7, tf.constant(11, tf.int64), 0)).numpy().all()
    others = [
        random_numbers.uniform([3, 5], *key)
        for key in ((2**32 - 1, 11, 0), (7, 12, 0), (7, 11, 1), (7, 10, 3))
    ]
    values = {tuple(numbers.numpy().ravel()) for numbers in (first, *others)}
    assert len(values) == 5 and 0 <= min(map(min, values)) <= max(map(max, values)) < 1


def test_dropped_words_become_unk_and_nothing_else_changes():
    model = build_seq2seq(ModelConfig(**SMALL), SIZE, SIZE)
    ids = np.random.default_rng(0).integers(0, SIZE, (40, 50)).astype("int32")
    inputs = {"source_ids": ids, "target_ids": ids[:, ::-1]}
    data = as_tensors((inputs, ids, np.ones_like(ids, "float32")))
    additions = Additions(seed=3, word_dropout=0.3)
    changed, labels, weights = additions.change_batch(data, model, 5)
    assert labels is data[1] and weights is data[2]
    for name, original in inputs.items():
        dropped = changed[name].numpy() != original
        assert (changed[name].numpy()[dropped] == UNK).all()
        assert not np.isin(original[dropped], [PAD, UNK, START, END]).any()
        assert np.mean(dropped[original > END]) == pytest.approx(0.3, abs=0.05)
    places = [changed[name].numpy() == UNK for name in ("source_ids", "target_ids")]
    assert (places[0] != places[1][:, ::-1]).any() and (places[0] != places[1]).any()
    again, later = (additions.change_batch(data, model, step)[0] for step in (5, 6))
    np.testing.assert_array_equal(again["source_ids"], changed["source_ids"])
    assert (later["source_ids"].numpy() != changed["source_ids"].numpy()).any()


def test_real_values_are_no_words():
    config, data = make_batch({"source_features": 3})
    model = build_seq2seq(config, None, SIZE)
    inputs, *_ = Additions(word_dropout=0.9).change_batch(as_tensors(data), model, 0)
    np.testing.assert_array_equal(inputs["source"], data[0]["source"])
    assert (inputs["target_ids"] == UNK).numpy().any()


def test_the_first_position_and_padding_are_never_replaced():
    _, data = make_batch({})
    additions = Additions(sampling_schedule=sampling_schedule("constant", 1.0, 1))
    inputs, *_ = additions.change_batch(as_tensors(data), None, 0)
    expected = data[2] > 0
    expected[:, 0] = False
    np.testing.assert_array_equal(inputs[READS_OWN], expected)


def chosen_inputs(data, seed=4):
    """The inputs with positions and numbers, as they come from `Additions`."""
    generator = np.random.default_rng(seed)
    inside = (data[2] > 0) & (np.arange(4) > 0)
    reads_own = inside & (generator.uniform(size=(3, 4)) < 0.7)
    numbers = generator.uniform(size=(3, 4)).astype("float32")
    return {**data[0], READS_OWN: reads_own, RANDOM_NUMBERS: numbers}


@pytest.mark.parametrize("settings", parameters(KINDS, fast=(0, 6, 7)))
def test_a_decoder_reads_its_own_outputs(settings, mode):
    """Every input is the one that the reference computes from the mixed inputs before it."""
    config, data = make_batch(settings)
    model, inputs = build(config), chosen_inputs(data)
    encoder = model.get_layer("encoder")
    sampling = ScheduledSampling(model)

    @tf.function
    def mix(inputs):
        encoded = encoder({name: inputs[name] for name in encoder.input})
        return sampling.mix(encoded, inputs)

    mixed = mix(as_tensors(inputs))
    name = model.target_side.target_name
    expected = references.mixed_targets(
        config, weights_of(model), data[0], inputs[READS_OWN], inputs[RANDOM_NUMBERS]
    )
    np.testing.assert_allclose(mixed[name], expected, atol=1e-4)
    is_kept = ~inputs[READS_OWN]
    np.testing.assert_array_equal(mixed[name].numpy()[is_kept], data[0][name][is_kept])
    assert (mixed[name].numpy() != data[0][name]).any()


@pytest.mark.parametrize("parts", PARTS, ids="{} parts".format)
@pytest.mark.parametrize("settings", parameters(KINDS, fast=(1, 8)))
def test_a_step_is_one_of_teacher_forcing_with_the_mixed_inputs(settings, parts, mode):
    """No gradient passes through the outputs that are read, whatever the number of parts."""
    config, data = make_batch(settings)
    model = build(config)
    additions = Additions(seed=1, sampling_schedule=sampling_schedule("linear", 1.0, 10))
    teacher = compile_teacher(model, additions, parts, step=6)
    inputs, *_ = additions.change_batch(as_tensors(data), model, 6)
    name = model.target_side.target_name
    mixed = references.mixed_targets(
        config,
        weights_of(model),
        data[0],
        *(inputs[n].numpy() for n in (READS_OWN, RANDOM_NUMBERS)),
    )
    assert (mixed != data[0][name]).any()

    def loss():
        outputs = model(as_tensors({**data[0], name: mixed}), training=True)
        losses = model.target_side.losses(tf.constant(data[1]), outputs)
        return tf.reduce_sum(losses * data[2]) / data[2].sum()

    check_step(teacher, loss, data)


def test_nothing_is_mixed_while_the_probability_is_0(eager_mode):
    config, data = make_batch({})
    additions = Additions(sampling_schedule=sampling_schedule("linear", 1.0, 10))
    models = [build(config) for _ in range(2)]
    for model, added in zip(models, (additions, None)):
        compile_teacher(model, added).train_on_batch(*data)
    for mixed, plain in zip(*(model.weights for model in models)):
        np.testing.assert_array_equal(mixed, plain, err_msg=plain.path)


def test_without_additions_a_step_draws_and_loops_over_nothing_more():
    """Not a single operation of the graph is there for what is off."""
    config, data = make_batch({"attention": "luong_dot", "input_feeding": False, "cell": "rnn"})
    model = build_seq2seq(config, SIZE, SIZE)

    def operations(additions):
        teacher = compile_teacher(model, additions)
        specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, as_tensors(data))
        step = tf.function(teacher.train_step, autograph=False)
        graph = step.get_concrete_function(specs).graph
        return [operation.type for operation in graph.get_operations()]

    plain = operations(None)
    added = operations(Additions(word_dropout=0.1))
    assert not [name for name in plain if name.startswith("StatelessRandom")]
    assert [name for name in added if name.startswith("StatelessRandom")]
    sampling = Additions(sampling_schedule=sampling_schedule("constant", 0.5, 1))
    loops = [sum("While" in name for name in each) for each in (plain, operations(sampling))]
    assert loops[1] == loops[0] + 1


@pytest.mark.slow
@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_own_outputs_can_be_read_in_half_precision(settings, mode):
    with use_dtype_policy("mixed_bfloat16"):
        config, data = make_batch(settings)
        model = build(config)
        additions = Additions(sampling_schedule=sampling_schedule("constant", 1.0, 1))
        losses = [
            compile_teacher(model, each).train_on_batch(*data, return_dict=True)["loss"]
            for each in (additions, None)
        ]
    assert np.isfinite(losses).all() and losses[0] != losses[1]


GUIDED = [
    {},
    {"attention": "luong_dot", "input_feeding": False},
    {"attention": "local_p", "window": 1},
    {"attention": "coverage", "coverage_loss": 0.5},
    {"attention": "hard", "monotonic": True},
    {"architecture": "transformer", "embedding_dim": 8, "heads": 2},
]


@pytest.mark.parametrize("parts", PARTS, ids="{} parts".format)
@pytest.mark.parametrize("settings", parameters(GUIDED, fast=(0,)))
def test_a_step_with_guided_alignment_adds_its_loss(settings, parts, mode):
    config, (inputs, labels, weights) = make_batch(settings)
    links = tf.ragged.constant([[end for link in row for end in link] for row in LINKS], tf.int32)
    alignment = alignment_matrices(links, 4, inputs["source_ids"].shape[1])
    model = build(config)
    teacher = compile_teacher(model, Additions(guided_alignment=0.7), parts)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    tensors = as_tensors(inputs)

    def loss():
        encoded = encoder({"source_ids": tensors["source_ids"]}, training=True)
        outputs = decoder({"target_ids": tensors["target_ids"], **encoded}, training=True)
        losses = model.target_side.losses(tf.constant(labels), outputs["logits"])
        total = tf.reduce_sum(losses * weights) / weights.sum() + sum(model.losses)
        logs = tf.math.log(outputs["attention"] + 1e-20)
        guidance = -tf.reduce_sum(alignment * logs) / weights.sum()
        if config.attention != "local_p":  # Its weights can be 0, whose logarithm is not finite.
            attention = outputs["attention"].numpy()
            expected = references.guided_alignment_loss(attention, LINKS, weights)
            assert float(guidance) == pytest.approx(expected, rel=1e-5)
        return total + 0.7 * guidance

    with_links = {**inputs, ALIGNMENT: alignment.numpy()}
    check_step(teacher, loss, (with_links, labels, weights))


def test_validation_does_without_additions(eager_mode):
    config, data = make_batch({"attention": "coverage", "coverage_loss": 0.5})
    model = build(config)
    additions = Additions(
        word_dropout=0.9,
        sampling_schedule=sampling_schedule("constant", 1.0, 1),
        guided_alignment=5.0,
        coverage_loss_start=1,
    )
    results = [
        compile_teacher(model, each).test_on_batch(*data, return_dict=True)
        for each in (additions, None)
    ]
    assert results[0] == results[1]


@pytest.mark.slow  # traces graphs
def test_the_coverage_loss_sets_in_at_its_step(eager_mode):
    config, data = make_batch({"attention": "coverage", "coverage_loss": 0.5})
    start = Additions(coverage_loss_start=3)

    def loss(additions, step):
        teacher = compile_teacher(build(config), additions, parts=2, step=step)
        return teacher.train_on_batch(*data, return_dict=True)

    always = loss(None, 0)
    assert always["loss"] > always["cross_entropy"] + 1e-3
    assert loss(start, 2)["loss"] == pytest.approx(always["cross_entropy"], rel=1e-5)
    assert loss(start, 3)["loss"] == loss(start, 4)["loss"] == always["loss"]


def test_settings_become_additions():
    training = TrainingConfig(
        seed=9,
        word_dropout=0.1,
        scheduled_sampling=0.8,
        guided_alignment=0.5,
        coverage_loss_start=7,
    )
    additions = Additions.of(training, 100)
    assert (additions.seed, additions.word_dropout) == (9, 0.1)
    assert (additions.guided_alignment, additions.coverage_loss_start) == (0.5, 7)
    assert float(additions.sampling_schedule(50)) == pytest.approx(0.4)
    assert Additions.of(TrainingConfig(), 100) == Additions(seed=1)


PORTIONS = [
    {"attention": "none"},
    {"architecture": "transformer", "embedding_dim": 8, "heads": 2},
    {"attention": "coverage", "coverage_loss": 0.5, "decoder_layers": 2},
    {"target_features": 2, "source_features": 3},
]


@pytest.mark.parametrize("settings", parameters(PORTIONS, fast=[0]))
def test_portions_of_a_batch_add_up_to_the_batch(settings, eager_mode):
    """With every random number: dropout, dropped words, sampled outputs; and with two parts."""
    config, (inputs, labels, weights) = make_batch({**settings, "dropout": 0.5})
    keras.utils.set_random_seed(1)
    model = build(config)
    word_dropout = 0.0 if config.target_features else 0.4
    additions = Additions(5, word_dropout, sampling_schedule("constant", 0.5, 1))
    teacher = compile_teacher(model, additions)
    seeds = [variable for variable in model.variables if "seed" in variable.path]
    inputs = as_tensors(inputs)

    def gradients_of(rows, place=()):
        for seed in seeds:
            seed.assign([7, 0])
        data = tf.nest.map_structure(lambda tensor: tensor[rows], (inputs, labels, weights))
        with tf.GradientTape() as tape:
            loss, measurements, total, _ = teacher._batch_loss((*data, *place), training=True)
        gradients = tape.gradient(loss, [variable.value for variable in model.trainable_weights])
        sums = [tf.reduce_sum(values * shares) for _, values, shares in measurements]
        gradients = [tf.convert_to_tensor(each) for each in gradients if each is not None]
        return [loss, tf.add_n(sums), *gradients], total

    expected, total = gradients_of(slice(None))
    for parts, bounds in [(1, (0, 2, 3)), (2, (0, 3)), (2, (0, 2, 3))]:
        teacher.parts = parts
        sums = [0.0] * len(expected)
        for first, end in zip(bounds, bounds[1:]):
            place = {"first_row": first, "rows": 3, "weight": total}
            found, _ = gradients_of(slice(first, end), [place])
            sums = [tf.add(*pair) for pair in zip(sums, found)]
        for one, other in zip(sums, expected):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
