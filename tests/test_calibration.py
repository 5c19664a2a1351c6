"""Calibration: bins and error against their definition, and the model against its own logits."""

import json
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_cli import expect_error  # noqa: F401
from test_language_models import untrained as untrained_language_model
from untrained import untrained_translator, write_run

import kseq
from kseq.analysis.calibration import calibration_of, measure_calibration
from kseq.special_tokens import SPECIAL_TOKENS, START

WORDS = ["a", "b", "c", "d"]
PAIRS = [("a b c", "b a"), ("c", "d d b a"), ("d a", "c"), ("b", "b")]


@pytest.fixture(scope="module")
def random_translator():
    """An untrained model with probabilities that differ."""
    translator = untrained_translator(["attention=luong_dot"], WORDS, WORDS)
    random = np.random.default_rng(0)
    weights = translator.model.get_weights()
    translator.model.set_weights([random.normal(0, 1, each.shape) for each in weights])
    return translator


def expected_error(probabilities, is_correct, bins):
    """Equation 3 of Guo et al. 2017, written with loops."""
    error = 0.0
    for number in range(bins):
        chosen = [
            (probability, correct)
            for probability, correct in zip(probabilities, is_correct)
            if number / bins < probability <= (number + 1) / bins
        ]
        if chosen:
            confidence, accuracy = np.mean(chosen, axis=0)
            error += len(chosen) / len(probabilities) * abs(accuracy - confidence)
    return error


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_bins_and_error_follow_their_definition(bins):
    random = np.random.default_rng(bins)
    probabilities = random.uniform(0.3, 1.0, 200)  # Some bins are empty.
    is_correct = random.uniform(size=200) < probabilities**2
    calibration = calibration_of(probabilities, is_correct, bins)
    assert calibration.counts.sum() == 200 and len(calibration.counts) == bins
    error = expected_error(probabilities, is_correct, bins)
    assert error > 0.05 and calibration.error == pytest.approx(error)
    np.testing.assert_array_equal(np.isnan(calibration.accuracies), calibration.counts == 0)


def test_the_upper_edge_of_a_bin_belongs_to_it():
    calibration = calibration_of(np.array([0.0, 0.25, 0.5, 0.51, 1.0]), np.ones(5, bool), 4)
    assert calibration.counts.tolist() == [2, 1, 1, 1]


def test_a_model_that_is_right_as_often_as_it_says_has_no_error():
    probabilities = np.repeat([0.25, 0.75], 100)
    is_correct = np.tile(np.arange(100) < 25, 2)
    is_correct[100:] ^= True
    assert calibration_of(probabilities, is_correct, 10).error == pytest.approx(0)


def test_a_guess_is_the_most_probable_token_of_the_model(random_translator):
    """Each pair alone, without padding, through the model itself and a softmax in NumPy."""
    ids = {word: number for number, word in enumerate([*SPECIAL_TOKENS, *WORDS, "<end>"])}
    ids["<end>"] = SPECIAL_TOKENS.index("<end>")
    guesses = random_translator.guess(PAIRS)
    found = set()
    for (source, target), (probabilities, is_correct) in zip(PAIRS, guesses):
        source, target = (
            [ids[word] for word in [*text.split(), "<end>"]] for text in (source, target)
        )
        inputs = {"source_ids": np.array([source]), "target_ids": np.array([[START, *target[:-1]]])}
        outputs = random_translator.model(inputs)
        logits = np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)[0]
        softmax = np.exp(logits - logits.max(-1, keepdims=True))
        softmax /= softmax.sum(-1, keepdims=True)
        np.testing.assert_allclose(probabilities, softmax.max(-1), rtol=1e-4)
        np.testing.assert_array_equal(is_correct, softmax.argmax(-1) == target)
        found |= set(is_correct.tolist())
    assert found == {True, False}


@pytest.mark.parametrize(
    "settings", [["copy=true"], ["attention=hard"], ["architecture=transformer", "heads=2"], None]
)
def test_guesses_agree_with_the_scores_of_every_kind_of_model(settings, random_translator):
    """A correct guess has the probability of its token, a wrong one at least as much."""
    keras.utils.set_random_seed(1)
    if settings is None:
        translator = kseq.Translator(
            random_translator.model,
            kseq.TextCodec([*SPECIAL_TOKENS, *WORDS]),
            kseq.TextCodec([*SPECIAL_TOKENS, *WORDS]),
            partners=[untrained_translator(["attention=luong_dot"], WORDS, WORDS)],
        )
    else:
        translator = untrained_translator(settings, WORDS, WORDS)
    # A model that copies can write the unseen word; one of the others is the first guess.
    pairs = [*PAIRS, ("a unseen", "unseen a"), *(("a", word) for word in WORDS)]
    found = 0
    for (probabilities, is_correct), result in zip(
        translator.guess(pairs), translator.score(pairs)
    ):
        scored = np.exp(result.token_log_probabilities)
        assert probabilities.shape == is_correct.shape == scored.shape
        np.testing.assert_allclose(probabilities[is_correct], scored[is_correct], rtol=1e-4)
        assert (probabilities[~is_correct] >= scored[~is_correct] * (1 - 1e-4)).all()
        found += is_correct.sum()
    assert found


def test_a_language_model_is_measured_on_texts():
    translator = untrained_language_model(words=["a", "b"])
    calibration = kseq.measure_calibration(translator, ["a b", "b"])
    assert calibration.counts.sum() == 6  # characters and two ENDs


def test_all_tokens_are_measured_end_included(random_translator):
    calibration = kseq.measure_calibration(random_translator, PAIRS, bins=5)
    assert calibration.counts.tolist() != [0, 0, 0, 0, 12]
    assert calibration.counts.sum() == sum(len(target.split()) + 1 for _, target in PAIRS)
    guesses = random_translator.guess(PAIRS)
    probabilities, is_correct = map(np.concatenate, zip(*guesses))
    assert calibration.error == pytest.approx(expected_error(probabilities, is_correct, 5))


def test_the_diagram_shows_shares_and_counts(random_translator):
    diagram, histogram = kseq.plot_calibration(random_translator, PAIRS, bins=5)
    calibration = measure_calibration(random_translator, PAIRS, bins=5)
    assert diagram.figure is plt.gcf()
    bars, gaps = diagram.containers
    heights = [bar.get_height() for bar in bars]
    np.testing.assert_allclose(heights, calibration.accuracies)
    tops = [bar.get_y() + bar.get_height() for bar in gaps]
    np.testing.assert_allclose(tops, calibration.confidences)
    assert [bar.get_height() for bar in histogram.containers[0]] == calibration.counts.tolist()
    assert f"{calibration.error:.3f}" in diagram.get_title()


@pytest.mark.parametrize(
    "pairs, bins, message",
    [([], 15, "expected pairs to measure; received none"), (PAIRS, 0, "at least 1; received 0")]
    + [(PAIRS, bins, "bins must be a whole number, at least 1; rec") for bins in (2.5, "a", True)],
)
def test_what_cannot_be_measured_is_an_error(random_translator, pairs, bins, message):
    with pytest.raises(ValueError, match=message):
        kseq.measure_calibration(random_translator, pairs, bins)


def test_real_values_have_no_calibration(values_translator):
    with pytest.raises(ValueError, match="calibration is about tokens; this model predicts real"):
        kseq.measure_calibration(values_translator, [([[0.0, 1.0]], [[1.0]])])


def test_the_command_draws_and_prints(random_translator, tmp_path, command):
    run, pairs, picture = tmp_path / "run", tmp_path / "pairs.tsv", tmp_path / "picture.svg"
    write_run(random_translator, run)
    pairs.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS) + "a\t\n")
    words = ["evaluate", run, "--test", pairs, "--calibration", picture, "--maximum-length", 3]
    code, output, errors = command(*words, "--json")
    figures = json.loads(output)
    calibration = kseq.measure_calibration(random_translator, PAIRS)
    assert code == 0 and figures["sentences"] == 4
    assert figures["expected_calibration_error"] == pytest.approx(calibration.error, rel=1e-4)
    assert f"{calibration.error:.3f}" in picture.read_text()
    assert errors.count("left out") == 1
    code, output, _ = command(*words)
    assert re.search(rf"^expected calibration error +{calibration.error:.3f}$", output, re.M)


def test_the_command_names_the_option_at_fault(tmp_path, expect_error):  # noqa: F811
    words = ["evaluate", tmp_path, "--calibration", "picture.txt"]
    expect_error(words, "--calibration must end in .png, .svg or .pdf; received picture.txt")
