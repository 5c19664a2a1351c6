"""Models for LiteRT: the same results as those of TensorFlow, without it."""

import concurrent.futures
import importlib.util
import json
import random
import subprocess
import sys
import unicodedata
import unittest

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from untrained import untrained_reader, untrained_translator

import kseq
from kseq import Attention, BeamSearch, Config, ModelConfig, train
from kseq.corpora.featured import FeaturedText
from kseq.lite import Translator
from kseq.lite.lengths import Lengths
from kseq.lite.patterns import ranges_of, translate
from kseq.lite.text import FeatureCodec, TextCodec, normalize
from kseq.pipeline.value_codec import ValueCodec
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text import codec as graphs
from kseq.text.feature_codec import FeatureCodec as GraphFeatureCodec
from kseq.text.subwords import prepare_for_subwords, train_subwords
from kseq.translation.features import UnknownFeaturesWarning
from kseq.translation.litert_file import knows_shapes, operations

needs_litert = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None,
    reason='needs ai-edge-litert: pip install "kseq[lite]"',
)
WORDS = [f"w{number}" for number in range(20)]
SENTENCES = ["w1", "w3 w3 w4", "new w5 w0 odd w7 w2", "", "w9 w8 w7 w6 w5 w4 w3 w2 w1 w0 w11"]
PIECES = [
    *"aZéßİıΣς '’.,…?\"「￭＿￮＇＂￪＾￬▁ﬁʰ①½日かカไลខမ한ابج٣४\u0301\u200d\u200c\ufeff\u00a0\u2003",
    *("\u3000", "\0", "\t", "\n", "\x85", "\u2028", "👨‍👩‍👧", "\ufdd0", "\ufdef", "\ud800"),
    *("<unk>", "<pad>", "McDonald's", "l'homme", "NATO", "..."),
]


def is_assigned(text):
    """Whether Python knows all characters; the tables of TensorFlow may be newer."""
    return all(unicodedata.category(c) != "Cn" or 0xFDD0 <= ord(c) <= 0xFDEF for c in text)


CHARACTERS = st.characters(max_codepoint=0x31000).filter(is_assigned)
STRANGE = st.lists(st.sampled_from(PIECES) | CHARACTERS, max_size=25).map("".join)
FORMS = ("nfc", "nfkc", "nfd", "none")
CASES = ("keep", "lower", "mark")


def as_tensor(texts):
    return tf.constant([text.encode("utf-8", "replace") for text in texts])


def as_lists(tokens):
    return [[token.decode() for token in row] for row in tokens.to_list()]


def assert_same_text(graph, plain, texts):
    """Compares the codec of TensorFlow with that in plain Python, on the same strings."""
    tokens = graph.tokenize(as_tensor(texts))
    rows = as_lists(tokens)
    assert [plain.tokenize(text) for text in texts] == rows
    ids = graph.with_end(tokens).to_list()
    assert [plain.number(row) for row in rows] == ids
    if hasattr(graph._tokenizer, "detokenize"):
        are_text = tf.fill(tf.shape(tokens.to_tensor()), len(SPECIAL_TOKENS))
        joined = graph.join(tf.RaggedTensor.from_tensor(are_text, tokens.row_lengths()), tokens)
        joined = [text.decode() for text in joined.numpy()]
        assert [plain.join([9] * len(row), row) for row in rows] == joined
    displayed = as_lists(tokens.with_flat_values(graph.display(tokens.flat_values)))
    assert [plain.display(row) for row in rows] == displayed


@pytest.fixture(scope="module")
def codecs():
    """Pairs of codecs, in TensorFlow and in Python, with all settings."""
    vocabulary = (*SPECIAL_TOKENS, "a", "é", "l'￭", "日", "&")
    settings = [
        (tokenizer, case, form)
        for tokenizer in ("word", "character", "space")
        for case in CASES
        for form in FORMS
    ]
    return [
        (graphs.TextCodec(vocabulary, *fields), TextCodec(*fields, vocabulary))
        for fields in settings
    ]


def strange_texts(count):
    """Returns strings of pieces that tokenizers treat in a special way, and of any characters."""
    generator = random.Random(0)

    def piece():
        character = chr(generator.choice((generator.randrange(0x20, 0x250), 0x3000, 0x1F600)))
        return generator.choice((*PIECES, character))

    texts = ("".join(piece() for _ in range(generator.randrange(20))) for _ in range(count))
    return [text for text in texts if is_assigned(text)]


def test_text_is_read_and_written_as_in_tensorflow(codecs):
    texts = ["", *strange_texts(400)]
    for graph, plain in codecs:
        assert_same_text(graph, plain, texts)


@pytest.mark.slow  # more examples
@given(st.lists(STRANGE, min_size=1, max_size=5))
def test_any_text_is_read_and_written_as_in_tensorflow(codecs, texts):
    for graph, plain in codecs:
        assert_same_text(graph, plain, texts)


@given(st.lists(STRANGE, min_size=1, max_size=5), st.sampled_from(FORMS))
def test_strings_are_normalised_as_in_tensorflow(texts, form):
    for lowercase in (False, True):
        expected = graphs.normalize(as_tensor(texts), form, lowercase).numpy()
        assert [normalize(text, form, lowercase) for text in texts] == [
            text.decode() for text in expected
        ]


@pytest.mark.parametrize("case", CASES)
def test_subwords_are_those_of_tensorflow(case, small_corpus, tmp_path):
    texts = [source for source, _ in small_corpus.train][:500]
    prepared = prepare_for_subwords(as_tensor(texts), case == "mark").numpy()
    model = train_subwords(list(prepared), 400, marks_case=case == "mark")
    (tmp_path / "subwords.model").write_bytes(model)
    graph = graphs.TextCodec(model, "subword", case)
    plain = TextCodec("subword", case, "nfc", tmp_path / "subwords.model")
    assert plain.vocabulary == list(graph.vocabulary)
    assert_same_text(graph, plain, [*texts[:50], *strange_texts(100), ""])


def test_features_are_those_of_tensorflow():
    vocabulary = (*SPECIAL_TOKENS, "V", "PST")
    graph = GraphFeatureCodec(vocabulary)
    plain = FeatureCodec(";", "nfc", vocabulary)
    assert_same_text(graph, plain, ["V;PST", " V ; ;N;", "", "<pad>;V", "a b;V\u00a0"])
    assert plain.unknown(["V;N", "3;N"]) == ["N", "3"]


@pytest.mark.slow  # all characters
@pytest.mark.parametrize(
    "name", ["L", "M", "N", "Z", "Lu", "Cc", "Han", "Hiragana", "Katakana", "Thai", "Khmer", "Lao"]
)
def test_classes_of_characters_are_those_of_re2(name):
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    characters = tf.constant([chr(code) for code in codes])
    is_in = tf.strings.regex_full_match(characters, rf"\p{{{name}}}").numpy()
    ours = {code for first, last in ranges_of(name) for code in range(first, last + 1)}
    different = {code for code, found in zip(codes, is_in) if found != (code in ours)}
    assert not [code for code in different if unicodedata.category(chr(code)) != "Cn"]


def test_the_end_of_a_pattern_is_the_end_of_the_text():
    assert translate(r"^\s+|\s$") == r"^[\t\n\f\r ]+|[\t\n\f\r ]\Z"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maximum_length": 3, "minimum_length": 2},
        {"maximum_ratio": 0.8, "minimum_ratio": 0.7, "minimum_length": 3},
        {"minimum_ratio": 0.1, "maximum_length": 30, "maximum_ratio": 1.5},
    ],
)
def test_lengths_are_bounded_as_in_tensorflow(options):
    translator = untrained_translator([], WORDS, WORDS)
    strategy = BeamSearch(**options)
    lengths = np.arange(2, 120)
    prefix = tf.zeros([len(lengths), 0], tf.int32)
    maximum, minimum = translator.inference._length_bounds(
        tf.constant(lengths, tf.float32), strategy, prefix
    )
    names = ("minimum_length", "maximum_length", "minimum_ratio", "maximum_ratio")
    bounds = Lengths(1.0, *(getattr(strategy, name) for name in names))
    ours = [bounds.bounds(length - 1, length) for length in lengths.tolist()]
    assert ours == list(zip(minimum.numpy().tolist(), maximum.numpy().tolist()))


def export(translator, folder, **options):
    """Exports a translator, silently, and checks that all operations are those of LiteRT itself."""
    with unittest.TestCase().assertNoLogs("tensorflow", "INFO"):
        translator.export(folder, format="litert", **options)
    found = operations((folder / "model.tflite").read_bytes())
    assert "WHILE" in found and not {name for name in found if "CUSTOM" in name or "FLEX" in name}
    return Translator(folder)


def assert_same_results(expected, received):
    """Compares lists of results of TensorFlow and of LiteRT."""
    assert [result.text for result in received] == [result.text for result in expected]
    for ours, other in zip(received, expected):
        assert (ours.source, ours.source_tokens) == (other.source, other.source_tokens)
        assert (ours.tokens, ours.is_cut) == (other.tokens, other.is_cut)
        assert (ours.features, ours.feature_tokens) == (other.features, other.feature_tokens)
        assert abs(ours.score - other.score) < 1e-4
        assert abs(ours.log_probability - other.log_probability) < 1e-4
        for name in ARRAYS:
            arrays = getattr(ours, name), getattr(other, name)
            if arrays[1] is None:
                assert arrays[0] is None
            else:
                assert arrays[0].shape == arrays[1].shape
                np.testing.assert_allclose(*arrays, atol=1e-4)


def assert_same_lists(expected, received):
    """Compares lists of the best results of each source."""
    assert [len(results) for results in received] == [len(results) for results in expected]
    assert_same_results(sum(expected, []), sum(received, []))


ARRAYS = (
    *("token_log_probabilities", "attention", "attention_heads"),
    *("feature_attention", "generation_probability"),
)


@pytest.fixture(
    scope="module",
    params=[pytest.param(1, id="greedy", marks=pytest.mark.slow), pytest.param(4, id="beam")],
)
def exported(request, translator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite") / "model"
    options = {"beam_size": request.param, "n_best": request.param, "alpha": 0.6}
    return export(translator, folder, **options), folder


@needs_litert
@pytest.mark.filterwarnings("ignore:cut at")
def test_a_trained_model_gives_the_same_results(exported, translator, small_corpus):
    lite, folder = exported
    sources = [source for source, _ in small_corpus.test][:40]
    sources += ["", "xyzzy 👍 !", "Où est-il ?\u00a0«NON»"]
    expected = translator.translate(sources, lite.beam_size, lite.n_best, alpha=0.6)
    assert_same_lists(expected, lite.translate(sources))
    assert lite.has_attention and not lite.predicts_values
    assert knows_shapes((folder / "model.tflite").read_bytes())


@needs_litert
@pytest.mark.filterwarnings("ignore:cut at")
def test_threads_share_a_translator(exported, small_corpus):
    lite, _ = exported
    sources = [source for source, _ in small_corpus.test][:16]
    expected = lite.translate(sources)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        received = list(pool.map(lambda source: lite.translate([source])[0], 3 * sources))
    assert_same_lists(3 * expected, received)


# A new process in which TensorFlow and Keras cannot be imported.
PROGRAM = """
import importlib.abc, json, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tensorflow_text", "matplotlib"):
            raise ImportError(f"{name} was imported")
sys.meta_path.insert(0, Refuse())
import kseq.lite
results = kseq.lite.Translator(sys.argv[1]).translate(json.loads(sys.argv[2]))
print(json.dumps([best.to_dict() for best, *_ in results]))
"""


@needs_litert
@pytest.mark.filterwarnings("ignore:cut at")
def test_no_tensorflow_is_needed(exported, tmp_path):
    lite, folder = exported
    sources = ["The cat is small.", "", "Where is he?"]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, folder, json.dumps(sources)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == [best.to_dict() for best, *_ in lite.translate(sources)]


SETTINGS = {
    "copy": ["copy=true", "share_vocabulary=true"],
    "lstm, 2 layers": ["cell=lstm", "encoder_layers=2", "decoder_layers=2", "residual=true"],
    **{
        name: [f"attention={name}"]
        for name in ("none", "coverage", "location_aware", "luong_general", "luong_concat")
    },
    **{
        name: [f"attention={name}"]
        for name in ("local_m", "local_p", "location", "trained_query", "hard")
    },
    "not fed": ["attention=luong_dot", "input_feeding=false"],
    "hard, order 1": ["attention=hard", "alignment_order=1"],
    "rnn, one direction": ["cell=rnn", "bidirectional=false", "reverse_source=true"],
    "tied": ["tie_output=true", "share_embeddings=true", "share_vocabulary=true"],
    "every step": ["attention=none", "context_every_step=true", "context=mean"],
    "transformer": ["architecture=transformer", "units=16", "heads=2"],
    "mixed": ["architecture=transformer", "decoder_architecture=recurrent", "heads=2"],
}
USUAL = ("copy",)


@needs_litert
@pytest.mark.filterwarnings("ignore:cut at")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in SETTINGS],
)
def test_all_architectures_give_the_same_results(name, tmp_path):
    keras.utils.set_random_seed(3)
    translator = untrained_translator(SETTINGS[name], WORDS, WORDS)
    # Larger weights, so that outputs differ.
    translator.model.set_weights([2.0 * weight for weight in translator.model.get_weights()])
    options = {"beam_size": 3, "n_best": 3, "beta": 0.2 if translator.has_attention else 0.0}
    lite = export(translator, tmp_path / "model", **options)
    expected, received = translator.translate(SENTENCES, **options), lite.translate(SENTENCES)
    assert_same_lists(expected, received)


@needs_litert
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:cut at")
@pytest.mark.parametrize("kind", ["tokens", "embedding"])
def test_features_are_an_input(kind, tmp_path):
    corpus = [(FeaturedText(f"w{n % 5} w{n % 7}", f"V;{n % 3}"), f"x{n % 5}") for n in range(60)]
    config = Config().with_settings(["units=8", "embedding_dim=4", "epochs=1", f"features={kind}"])
    translator = train(corpus, config, out=tmp_path / "run", verbose=False)
    lite = export(translator, tmp_path / "model", beam_size=2)
    sources = ["w1 w2", "w3", ""]
    features = ["V;1", "V;unheard;2", "V"]
    message = "1 feature that the model has never seen"
    with pytest.warns(UnknownFeaturesWarning, match=message):
        expected = translator.translate(sources, 2, features=features)
    with pytest.warns(UnknownFeaturesWarning, match=message) as caught:
        received = lite.translate(sources, features=features)
    assert caught[0].filename == __file__
    assert_same_results(expected, received)
    with pytest.raises(ValueError, match="trained with features"):
        lite.translate(sources)


@needs_litert
@pytest.mark.slow
@pytest.mark.parametrize("settings", [[], ["pyramid=true", "encoder_layers=3"]])
def test_real_values_on_both_sides(settings, tmp_path, arrays):
    codecs = ValueCodec([1.0, 2.0, 3.0], [2.0, 1.0, 0.5]), ValueCodec([5.0, 6.0], [2.0, 3.0])
    settings = ["source_features=3", "target_features=2", *settings]
    translator = untrained_reader(settings, *codecs)
    lite = export(translator, tmp_path / "model")
    for ours, other in zip(lite.predict(arrays, [4, 1, 7]), translator.predict(arrays, [4, 1, 7])):
        np.testing.assert_allclose(ours.values, other.values, atol=1e-4)
        np.testing.assert_allclose(ours.attention, other.attention, atol=1e-4)
    with pytest.raises(ValueError, match="expected 3 values per step"):
        lite.predict([np.ones([2, 4])], 1)
    with pytest.raises(ValueError, match="whole numbers from 1 to 100,000; received 0"):
        lite.predict(arrays, 0)
    with pytest.raises(TypeError, match="use predict"):
        lite.translate(arrays)


@needs_litert
@pytest.mark.slow
def test_quantised_models_are_smaller_and_nearly_the_same(translator, small_corpus, tmp_path):
    sizes, texts = [], []
    sources = [source for source, _ in small_corpus.test][:50]
    for quantize in ("none", "float16", "dynamic"):
        lite = export(translator, tmp_path / quantize, quantize=quantize, maximum_length=20)
        sizes.append((tmp_path / quantize / "model.tflite").stat().st_size)
        texts.append([result.text for result in lite.translate(sources)])
    assert sizes[1] < 0.6 * sizes[0] and sizes[2] < 0.45 * sizes[0]
    for quantised in texts[1:]:
        assert sum(a == b for a, b in zip(texts[0], quantised)) >= 35


def test_a_model_in_bfloat16_is_refused(small_run, tmp_path):
    rounded = kseq.Translator.load(small_run, precision="bfloat16")
    with pytest.raises(ValueError, match="precision=bfloat16 is not possible with format=litert"):
        rounded.export(tmp_path / "model", format="litert")


def test_what_a_model_for_litert_cannot_have_is_refused(translator, tmp_path):
    folder = tmp_path / "model"
    for options, message in (
        ({"no_repeat_ngram": 2}, "no_repeat_ngram is not possible with format=litert"),
        ({"replace_unknown": True}, "replace_unknown is not possible with format=litert"),
        ({"quantize": "int4"}, "quantize must be 'none', 'dynamic' or 'float16'; received 'int4'"),
        ({"beam_size": 0}, "beam_size must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            translator.export(folder, format="litert", **options)
    with pytest.raises(ValueError, match="format must be 'savedmodel' or 'litert'; received 'tf'"):
        translator.export(folder, format="tf")
    with pytest.raises(ValueError, match="quantize needs format=litert"):
        translator.export(folder, quantize="dynamic")
    assert not folder.exists()


@keras.saving.register_keras_serializable("tests_lite")
class OddAttention(Attention):
    """An attention with an operation that LiteRT does not have."""

    def energies(self, parameters, queries, keys, state):
        energies = parameters.multiply_rows(queries, keys, transpose=True)
        return tf.math.betainc(tf.exp(energies), 2.0 + tf.exp(energies), tf.sigmoid(energies))


def test_an_operation_that_litert_does_not_have_is_named(tmp_path):
    config = ModelConfig(attention=OddAttention(), units=8, embedding_dim=4)
    codecs = (graphs.TextCodec([*SPECIAL_TOKENS, *WORDS], "space") for _ in range(2))
    translator = kseq.Translator(kseq.build_seq2seq(config, 24, 24), *codecs)
    with pytest.raises(ValueError, match=r"operations that LiteRT has not \(tf.Betainc\); use"):
        translator.export(tmp_path / "model", format="litert")
    assert not (tmp_path / "model").exists()


def _description(name):
    """A description whose source has a file of this name."""
    rest = dict.fromkeys(["features", "copies", "search", "lengths", "plans_memory"])
    sides = {"source": {"kind": "text", "file": name}, "target": {"kind": "text", "file": "x"}}
    return json.dumps({"format": "kseq-litert", "version": 1, **sides, **rest})


def test_only_a_model_for_litert_is_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"it has no kseq.json; write one with kseq expo"):
        Translator(tmp_path)
    path = tmp_path / "kseq.json"
    for text, message in (
        ("{", "kseq.json: damaged: JSONDecodeError"),
        ("[]", "kseq.json: damaged: TypeError"),
        ('{"format": "kseq-litert", "version": 99}', "expected format kseq-litert, version 1; rec"),
        ('{"format": "kseq-litert", "version": 1}', "kseq.json: has no source, .*; export the run"),
        (_description("../secret.txt"), "expected the name of a file in this folder"),
        (_description("/etc/passwd"), "expected the name of a file in this folder"),
        (_description(None), "expected the name of a file in this folder"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            Translator(tmp_path)


@needs_litert
def test_the_command_exports_for_litert(command, small_run, tmp_path):
    words = ("export", small_run, tmp_path / "lite", "--format", "litert", "--quantize", "dynamic")
    code, output, errors = command(*words)
    assert (code, output, errors) == (0, f"exported to {tmp_path / 'lite'}\n", "")
    assert Translator(tmp_path / "lite").description["quantize"] == "dynamic"
    (tmp_path / "lite" / "notes.txt").write_text("mine")
    assert command(*words)[0] == 0
    assert (tmp_path / "lite" / "notes.txt").read_text() == "mine"
    code, _, errors = command("export", small_run, tmp_path / "x", "--quantize", "dynamic")
    assert (code, errors.count("\n")) == (2, 1) and "--quantize needs --format=litert" in errors
