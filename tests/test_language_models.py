"""A decoder alone: it learns texts, writes them, goes on with their beginnings, and scores them."""

import numpy as np
import pytest
import references
from combinations import plain_name
from untrained import untrained_reader, write_run

import kseq
from kseq import Config, ModelConfig, Sampling, Translator, load_corpus
from kseq.corpora.corpus import reopen_corpus
from kseq.corpora.corpus_settings import fitting_config, match_kind
from kseq.pipeline.batching import training_pipeline
from kseq.pipeline.survey import build_codecs
from kseq.special_tokens import END, SPECIAL_TOKENS, START

SETTINGS = ["encoder_layers=0", "attention=none", "source_tokenizer=none"]
LETTERS = list("abcde ")


def untrained(*settings, words=LETTERS):
    """A language model of characters with random weights, biases included."""
    translator = untrained_reader(
        [*SETTINGS, "target_tokenizer=character", *settings],
        SPECIAL_TOKENS,
        [*SPECIAL_TOKENS, *words],
    )
    random = np.random.default_rng(0)
    weights = [random.normal(scale=0.5, size=each.shape) for each in translator.model.get_weights()]
    translator.model.set_weights(weights)
    return translator


@pytest.fixture(scope="module")
def translator():
    return untrained()


@pytest.fixture(scope="module")
def poems(tmp_path_factory):
    """A file of 300 lines in groups of ten."""
    random = np.random.default_rng(1)
    lines = [" ".join(random.choice(["ab", "ba", "cab", "bad"], 3)) for _ in range(300)]
    stanzas = ["\n".join(lines[start : start + 10]) for start in range(0, 300, 10)]
    path = tmp_path_factory.mktemp("texts") / "poems.txt"
    path.write_text("\n\n".join(stanzas) + "\n", encoding="utf-8")
    return path


# === The model ===


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("more", [[], ["decoder_layers=2", "bridge=linear", "tie_output=true"]])
def test_scores_are_those_of_the_equations_in_numpy(cell, more):
    translator = untrained(f"cell={cell}", *more)
    config, model = translator.config.model, translator.model
    weights = {
        plain_name(weight.path.removeprefix(f"{part}/")): weight.numpy()
        for part in ("encoder", "decoder")
        for weight in model.get_layer(part).weights
    }
    text = "bad cab"
    ids = [START, *(translator.codecs.target.vocabulary.index(letter) for letter in text), END]
    activation = (lambda x: x) if config.bridge == "linear" else np.tanh
    start = weights["source_embedding/embeddings"][END]
    cells = [
        references.keras_cell(cell, weights, f"decoder_layer_{layer}")
        for layer in range(1, config.decoder_layers + 1)
    ]
    states = [
        [
            activation(references.dense(weights, f"bridge_{layer}_{part}", start))
            for part in range(1, len(each.first_state) + 1)
        ]
        for layer, each in enumerate(cells, start=1)
    ]
    embedding = weights["target_embedding/embeddings"]
    expected = []
    for last, label in zip(ids, ids[1:]):
        hidden = embedding[last]
        for number, each in enumerate(cells):
            states[number] = each.step(hidden, states[number])
            hidden = states[number][0]
        parts = np.concatenate([hidden, embedding[last]])
        readout = np.tanh(references.dense(weights, "readout", parts))
        logits = references.head(config, weights, readout[None], embedding)
        expected.append(references.log_softmax(logits)[0, label])
    (result,) = translator.score([text])
    np.testing.assert_allclose(result.token_log_probabilities, expected, atol=1e-5)
    perplexity = np.exp(-np.mean(expected))
    assert translator.evaluate([text]) == {"perplexity": pytest.approx(perplexity), "sentences": 1}


def test_samples_have_the_frequencies_of_the_model(eager_mode):
    translator = untrained(words=["a", "b"])
    probabilities = np.array([0, 0, 0, 0.25, 0.6, 0.15])  # END, a, b
    logits = translator.model.get_layer("decoder").get_layer("logits")
    kernel, _ = logits.get_weights()
    logits.set_weights([np.zeros_like(kernel), np.log(np.maximum(probabilities, 1e-30))])
    for temperature in (1.0, 0.5):
        expected = probabilities ** (1 / temperature) / np.sum(probabilities ** (1 / temperature))
        (drawn,) = translator.sample(
            [""], samples=1000, temperature=temperature, maximum_length=40, seed=3
        )
        tokens = [token for result in drawn for token in result.tokens]
        shares = [tokens.count(token) / len(tokens) for token in ("<end>", "a", "b")]
        np.testing.assert_allclose(shares, expected[3:], atol=0.02)


def test_a_text_goes_on_with_its_beginning(translator, eager_mode):
    beginnings = ["", "bad", "cab ", "e"]
    for results in (
        translator.sample(beginnings, samples=3, seed=2, maximum_length=8),
        [[result] for result in translator.translate(beginnings, beam_size=2, maximum_length=8)],
    ):
        for beginning, drawn in zip(beginnings, results):
            for result in drawn:
                assert result.text.startswith(beginning.strip())
                assert result.source == beginning


def test_a_long_beginning_leaves_room_for_more(translator):
    """The expected length is one token for the source; without more room, only END could follow."""
    beginning = "abcde" * 10
    drawn = translator.sample([beginning], samples=20, seed=1)[0]
    assert max(len(result.tokens) for result in drawn) > len(beginning) + 2


def test_the_first_token_of_a_batch_does_not_depend_on_others(translator):
    alone = translator.sample(["ab"], seed=4, maximum_length=9)[0][0].text
    assert translator.sample(["ab", "", "bad cab"], seed=4, maximum_length=9)[0][0].text == alone


def test_a_saved_run_and_a_saved_model_write_and_score_the_same(translator, tmp_path):
    tf = pytest.importorskip("tensorflow")
    loaded = Translator.load(write_run(translator, tmp_path / "run"))
    beginnings, texts = ["", "bad"], ["cab", "a bad cab"]
    strategy = {"beam_size": 3, "maximum_length": 12}
    expected = translator.translate(beginnings, **strategy)
    outputs = [result.text for result in loaded.translate(beginnings, **strategy)]
    assert outputs == [result.text for result in expected]
    scores = [result.log_probability for result in translator.score(texts)]
    translator.export(tmp_path / "exported", **strategy)
    model = tf.saved_model.load(str(tmp_path / "exported"))
    served = model.signatures["serving_default"](text=tf.constant(beginnings))
    assert [text.decode() for text in served["translation"].numpy()] == outputs
    served = model.signatures["score"](text=tf.constant(["", ""]), target=tf.constant(texts))
    np.testing.assert_allclose(served["log_probability"], scores, rtol=1e-5)
    assert "encode" not in model.signatures


def test_a_model_built_by_hand_needs_no_source():
    model = kseq.build_seq2seq(
        ModelConfig(encoder_layers=0, attention="none", units=4, embedding_dim=3), 4, 7
    )
    target = kseq.TextCodec([*SPECIAL_TOKENS, "a", "b", "c"], "character")
    translator = Translator(model, None, target)
    assert len(translator.score(["abc"])[0].tokens) == 4
    with pytest.raises(TypeError, match="a language model has no source: expected None"):
        Translator(model, target, target)


# === The texts ===


def test_texts_are_pairs_without_sources(poems):
    corpus = load_corpus(poems, language_model=True)
    texts = [text for split in (corpus.train, corpus.valid, corpus.test) for text in split]
    lines = [line for line in poems.read_text().splitlines() if line]
    assert sorted(texts) == sorted(("", line) for line in lines)
    assert corpus.train.blank == 0  # the lines between stanzas are not worth a report
    held_out = {text for _, text in corpus.valid} | {text for _, text in corpus.test}
    assert held_out and not held_out & {text for _, text in corpus.train}


def test_a_list_of_strings_is_a_corpus_too(poems):
    lines = [line for line in poems.read_text().splitlines() if line]
    from_files = load_corpus(poems, language_model=True, valid=[poems])
    in_memory = load_corpus(lines, language_model=True, valid=iter(lines))
    for split in ("train", "valid"):
        assert list(getattr(from_files, split)) == list(getattr(in_memory, split))
    assert in_memory.origin is None
    reopened = reopen_corpus(from_files.origin)
    assert list(reopened.train) == list(from_files.train)
    assert list(reopened.valid) == list(from_files.valid)


def test_a_batch_has_a_source_of_end_alone(poems):
    corpus = load_corpus(poems, language_model=True)
    codecs, survey = build_codecs(corpus.train, corpus.config)
    assert survey.kept == len(list(corpus.train))
    assert survey.blank == survey.overlong == 0
    lengths = [len(text) for _, text in corpus.train]
    assert survey.length_ratio == pytest.approx(np.mean(lengths), abs=1e-3)
    read = []
    for inputs, labels, weights in training_pipeline(corpus.train, codecs, corpus.config.training):
        assert (inputs["source_ids"].numpy() == END).all()
        assert inputs["source_ids"].shape[1] == 1
        texts = codecs.target.decode(labels).numpy()
        read += [text.decode() for text in texts]
        np.testing.assert_array_equal(weights.numpy().sum(axis=1), [len(t) + 1 for t in texts])
    assert sorted(read) == sorted(text for _, text in corpus.train)


def test_small_files_are_split_into_characters_and_large_ones_into_words():
    few, many = (
        load_corpus(["some words " * 90] * count, language_model=True, valid=["some words"])
        for count in (10, 5100)
    )
    for corpus, tokenizer in ((few, "character"), (many, "word")):
        config = fitting_config(corpus.train)
        assert config.text.target_tokenizer == tokenizer
        assert (config.model.encoder_layers, config.model.attention) == (0, "none")


def test_settings_without_an_encoder_are_filled_in():
    texts = load_corpus(["a b", "b a"] * 5, language_model=True, valid=["a b"])
    config = match_kind(Config().with_settings(["units=16"]), texts.train)
    assert config.model.is_language_model
    assert config.model.units == 16
    for settings, message in (
        (["attention=luong_dot"], "attention=none"),
        (["encoder_layers=2"], "encoder_layers=2 needs pairs"),
        (["source_tokenizer=character"], "source_tokenizer=character needs pairs"),
        (["bidirectional=false"], "bidirectional=false needs a source"),
        (["monitor=val_bleu"], "decoded_pairs compares outputs with references"),
    ):
        with pytest.raises(ValueError, match=message):
            match_kind(Config().with_settings(settings), texts.train)
    pairs = load_corpus([("a", "b")] * 5, valid=[("a", "b")])
    with pytest.raises(ValueError, match="learns texts; pairs in memory has pairs"):
        match_kind(Config().with_settings(SETTINGS), pairs.train)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"attention": "bahdanau"}, "which has nothing to attend to; use attention=none"),
        ({"architecture": "transformer"}, "has to be recurrent"),
        ({"bridge": "none"}, "use bridge=tanh"),
        ({"context_every_step": True}, "needs a source"),
        ({"share_embeddings": True}, "needs a source"),
        ({"target_features": 2}, "which writes text"),
    ],
)
def test_what_needs_a_source_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"encoder_layers": 0, "attention": "none", **settings})


def test_what_has_no_meaning_without_a_source_is_refused(translator, tmp_path):
    for call, message in (
        (lambda: translator.translate(["a"], prefix="b"), "goes on with the texts"),
        (lambda: translator.translate(["a"], maximum_ratio=2.0), "use maximum_length"),
        (lambda: translator.translate(["xyz"]), "'x' is not in the target vocabulary"),
        (lambda: translator.translate(["x" * 999]), "with 'x{12}.{3}x{13}': 'x' is not"),
        (lambda: translator.translate(["a" * 99], maximum_length=9), "'a{12}.{3}a{13}' has 99"),
        (lambda: translator.evaluate(["a"], beam_size=2), "measured by its perplexity"),
        (lambda: translator.export(tmp_path / "x", format="litert"), "use format=savedmodel"),
        (lambda: load_corpus(["a"], language_model=True, swap=True), "swap is for pairs"),
        (lambda: load_corpus(["a"], language_model=True, apart="both"), "is for pairs"),
        (lambda: load_corpus(["a"], language_model=True, context=1), "is for conversations"),
        (lambda: load_corpus([1], language_model=True), "text 1: expected a string"),
        (lambda: load_corpus([" "], language_model=True), "no text"),
        (lambda: load_corpus(["a"] * 9, language_model=True), "too few different texts"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="expected texts, as a language model has no source; rece"):
        translator.score([("a", "b")])


# === The command ===


@pytest.fixture(scope="module")
def run(poems, tmp_path_factory):
    """A run of the command that has begun to learn."""
    from kseq.cli.main import main

    out = tmp_path_factory.mktemp("runs") / "poems"
    words = ["train", "--language-model", str(poems), "--out", str(out), "--set", "units=24"]
    assert main([*words, "epochs=4", "learning_rate=0.02", "warmup_steps=0"]) == 0
    return out


def test_the_command_trains_and_measures(command, run, poems):
    code, output, _ = command("evaluate", run)
    assert code == 0
    name, value = output.splitlines()[0].split()
    assert name == "perplexity"
    assert 1 < float(value) < 6  # of seven characters and END
    code, scores, _ = command("score", run, "--test", poems)
    assert code == 0
    assert [line.split("\t")[2] for line in scores.splitlines()] == poems.read_text().splitlines()
    test = list(load_corpus(poems, language_model=True).test)
    scored = [Translator.load(run).score([text])[0] for _, text in test]
    mean = np.mean(np.concatenate([result.token_log_probabilities for result in scored]))
    assert float(value) == pytest.approx(np.exp(-mean), abs=1e-3)


def test_the_command_writes_texts_and_goes_on_with_lines(command, run):
    words = ["translate", run, "--samples", 2, "--temperature", 0.8, "--seed", 1]
    code, output, _ = command(*words, data=b"\nbad\n")
    assert code == 0
    first, second = (line.split("\t") for line in output.splitlines())
    assert len(first) == 2 and all(first)
    assert all(text.startswith("bad") for text in second)


def test_a_mistake_is_one_line(command, poems, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a\tb\nc\td\n")
    out = ["--out", tmp_path / "run"]
    for words, message in (
        (["--language-model", "missing.txt"], "file not found: missing.txt"),
        (["--language-model", pairs], "expected a text on each line, without tabs"),
        (["--language-model", poems, "--set", "attention=bahdanau"], "use attention=none"),
        (["--language-model", poems, "--context", "2"], "--context is for conversations"),
        (["--language-model", poems, "--columns", "1", "2"], "leave it out with --language-model"),
        (["--train", pairs, "--valid", pairs, "--set", *SETTINGS], "learns texts"),
        (["--train", pairs, "--valid", pairs, "--set", "encoder_layers=0"], "use attention=none"),
    ):
        code, _, errors = command("train", *words, *out)
        assert code == 2
        assert message in errors.splitlines()[-1]
        assert "Traceback" not in errors


def test_a_heatmap_is_refused_before_anything_is_written(command, run, tmp_path):
    code, output, errors = command("heatmap", run, "bad", "--out", tmp_path / "a.png")
    assert (code, output) == (2, "")
    assert "expected a run with attention; the model has none" in errors


def test_a_language_model_is_served(run):
    from kseq.serving.batches import Batch
    from kseq.serving.run_engine import load

    engine = load(run)
    assert engine.description.task == "language model"
    engine.warm_up({})
    batch = Batch(method="sample", sources=["bad"], options={"samples": 2, "seed": 1})
    (texts,) = engine.answer(batch)
    assert all(text["text"].startswith("bad") for text in texts)


def test_a_strategy_and_a_seed_give_the_same_texts(translator):
    strategy = Sampling(samples=2, seed=5, maximum_length=8)
    first, again = (list(translator.stream([""], strategy)) for _ in range(2))
    assert [each.text for each in first[0]] == [each.text for each in again[0]]
