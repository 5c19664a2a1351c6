"""Conversations: read as turns and replies, kept apart between splits, and gone on with."""

import contextlib
import io
import itertools
import json
import sys

import numpy as np
import pytest
from untrained import untrained_reader

from kseq import Config, TextCodec, Translator, load_corpus
from kseq.cli.main import main
from kseq.corpora.corpus import reopen_corpus
from kseq.corpora.corpus_settings import match_kind
from kseq.corpora.turns import TURN, join_turns
from kseq.pipeline.survey import build_codecs
from kseq.special_tokens import SPECIAL_TOKENS

TURNS = ["hello", "hi there", "how are you", "fine", "good"]


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory):
    """A file of 100 conversations of two to five turns, all different."""
    path = tmp_path_factory.mktemp("dialogues") / "dialogues.txt"
    path.write_text("\n\n\n".join("\n".join(turns) for turns in conversations()) + "\n")
    return path


def conversations():
    return [
        [f"{turn} {number}" if place == 0 else turn for place, turn in enumerate(TURNS)][
            : 2 + number % 4
        ]
        for number in range(100)
    ]


def expected_pairs(turns, count):
    """Written out: a reply and the turns before it, at most `count`."""
    for place in range(1, len(turns)):
        yield f" {TURN} ".join(turns[max(0, place - count) : place]), turns[place]


@pytest.mark.parametrize("context", [1, 2, 3])
def test_a_source_holds_the_last_turns(dialogues, context):
    corpus = load_corpus(dialogues, context=context, valid=dialogues)
    expected = [pair for turns in conversations() for pair in expected_pairs(turns, context)]
    assert list(corpus.train) == expected
    assert list(load_corpus(conversations(), context=context, valid=dialogues).train) == expected
    assert corpus.config.text.previous_turns == corpus.train.previous_turns == context


def test_splits_may_be_read_at_the_same_time(dialogues):
    """As in training, which reads ahead while it validates."""
    corpus = load_corpus(dialogues, context=3)
    splits = corpus.train, corpus.valid, corpus.test
    at_once = zip(*itertools.zip_longest(*splits))
    for split, pairs in zip(splits, at_once):
        assert [pair for pair in pairs if pair is not None] == list(split)


def test_a_conversation_is_in_one_split(dialogues):
    corpus = load_corpus(dialogues, context=3)
    splits = [list(split) for split in (corpus.train, corpus.valid, corpus.test)]
    expected = [pair for turns in conversations() for pair in expected_pairs(turns, 3)]
    assert sorted(sum(splits, [])) == sorted(expected)
    # The number in the first turn names the conversation; the first source of each begins with it.
    named = [
        {pair[0].split(f" {TURN} ")[0] for pair in split if "hello" in pair[0]} for split in splits
    ]
    assert all(named)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not named[one] & named[other]
    whole = {turns[0]: list(expected_pairs(turns, 3)) for turns in conversations()}
    for split, names in zip(splits, named):
        assert sorted(split) == sorted(pair for name in names for pair in whole[name])
    assert list(reopen_corpus(corpus.origin).valid) == splits[1]


def test_a_turn_may_hold_the_separator():
    assert join_turns(["a ⏎ b", " c  d "], 5) == "a b ⏎ c d"
    assert join_turns(["a", "b", "c"], 2) == "b ⏎ c"
    for turns, kind in (([], ValueError), (["a", 1], TypeError), ("ab", TypeError)):
        with pytest.raises(kind, match="turn"):
            join_turns(turns, 2)


def test_a_turn_with_the_separator_is_read_without_it_as_source_and_as_target(tmp_path):
    path = tmp_path / "turns.txt"
    path.write_text("a ⏎ b\nc ⏎ d\n ⏎ \ne\nf\n", "utf-8")
    turns = [["a ⏎ b", "c ⏎ d"], ["⏎", "e", "f"]]
    for data in (path, turns):
        pairs = list(load_corpus(data, context=2, valid=[["a", "b"]]).train)
        assert [[" ".join(side.split()) for side in pair] for pair in pairs] == [
            ["a b", "c d"],
            ["e", "f"],
        ]


def test_a_turn_after_a_faulty_one_does_not_reply_to_those_before(tmp_path):
    (tmp_path / "turns.txt").write_bytes(b"a\nb\n\xff\nc\nd\ne\n")
    given = {"context": 2, "valid": [["a", "b"]], "skip_faulty": True}
    corpus = load_corpus(tmp_path / "turns.txt", **given)
    assert list(corpus.train) == [("a", "b"), ("c", "d"), ("c ⏎ d", "e")]
    assert corpus.train.faulty == 1


@pytest.mark.parametrize("case", ["keep", "lower", "mark"])
@pytest.mark.parametrize("tokenizer", ["word", "character", "space"])
def test_every_tokenizer_keeps_the_separator(tokenizer, case):
    check_separator(TextCodec([*SPECIAL_TOKENS, "a"], tokenizer, case))


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize("case", ["keep", "mark"])
def test_subwords_keep_the_separator(algorithm, case):
    """Without a subword of its own, it would be joined to the words around it."""
    sentences = [source for source, _ in itertools.islice(load_corpus("en-fr").train, 1200)]
    turns = [sentences[start : start + 4] for start in range(0, 1200, 4)]
    corpus = load_corpus(turns, context=4, valid=turns[:1])
    config = corpus.config.with_settings(
        ["source_tokenizer=subword", "subword_vocabulary_size=700", f"case={case}"]
        + [f"subword_algorithm={algorithm}"]
    )
    codecs, _ = build_codecs(corpus.train, config)
    holders = [piece for piece in codecs.source.vocabulary if TURN in piece]
    assert sorted(holders) == sorted([f"▁{TURN}", TURN])
    check_separator(codecs.source)


def check_separator(codec):
    """It is three tokens of a source of four turns, as it is displayed, too."""
    source = join_turns(["Hello, you!", "“Yes.”", "今日は", "IT IS"], 4)
    (tokens,) = codec.displayed_tokens(codec.split([source]))
    holders = [token for token in tokens if TURN in token]
    assert [token.strip("▁") for token in holders] == [TURN] * 3


def test_settings_follow_the_corpus(dialogues):
    corpus = load_corpus(dialogues, context=2)
    assert match_kind(Config(), corpus.train).text.previous_turns == 2
    with pytest.raises(ValueError, match="previous_turns=3, but the corpus has 2"):
        match_kind(Config().with_settings(["previous_turns=3"]), corpus.train)
    pairs = load_corpus([("a", "b")] * 3, valid=[("a", "b")])
    with pytest.raises(ValueError, match="previous_turns=3, but the corpus has 0"):
        match_kind(Config().with_settings(["previous_turns=3"]), pairs.train)


@pytest.mark.parametrize(
    "data, options, error, message",
    [
        ([["a", "b"]], {"context": 0}, ValueError, "context must be a number of turns"),
        ([["a", "b"]], {"context": True}, ValueError, "context must be a number of turns"),
        ([["a", "b"]], {"context": 2, "swap": True}, ValueError, "swap is for pairs"),
        ([["a", 1]], {"context": 2}, ValueError, "turn 2: expected a conversation"),
        ([["a"], ["b"]], {"context": 2}, ValueError, "no turn and its reply"),
        ([["a", "b"]] * 9, {"context": 2}, ValueError, r"different conversations \(with an empty"),
        (["missing.txt"], {"context": 2}, FileNotFoundError, "missing.txt"),
        (3, {"context": 2}, TypeError, "expected conversations"),
    ],
)
def test_what_is_not_a_conversation_is_an_error(data, options, error, message):
    with pytest.raises(error, match=message):
        load_corpus(data, **options)


def test_a_table_is_not_a_file_of_conversations(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n" * 5)
    with pytest.raises(ValueError, match="expected a turn on each line, without tabs"):
        load_corpus(path, context=2)


# === Replies ===


@pytest.fixture(scope="module")
def translator():
    """An untrained model that reads two turns."""
    words = [TURN, *"abcde"]
    translator = untrained_reader(
        ["previous_turns=2", "source_tokenizer=word"],
        [*SPECIAL_TOKENS, *words],
        [*SPECIAL_TOKENS, *words[1:]],
    )
    random = np.random.default_rng(0)
    weights = [random.normal(scale=0.7, size=each.shape) for each in translator.model.get_weights()]
    translator.model.set_weights(weights)
    return translator


def test_turns_are_a_source(translator, eager_mode):
    options = {"maximum_length": 5}
    turns, joined = ["a", "b", "c"], "b ⏎ c"
    (result,) = translator.translate([turns], **options)
    (same,) = translator.translate([joined], **options)
    assert result.text == same.text
    assert result.source == joined
    assert result.source_tokens == ["b", TURN, "c", "<end>"]
    scores = [translator.score([(source, "d e")])[0].score for source in (turns, joined)]
    assert scores[0] == scores[1]
    with pytest.raises(TypeError, match="expected turns"):
        translator.translate([["a", 1]])
    with pytest.raises(TypeError, match="expected pairs of source and target; received .'a', 'b',"):
        translator.evaluate([["a", "b", "c"]])  # a conversation, not a pair and another column


class Recorder:
    """A translator that replies with the number of turns it was given, and keeps them."""

    def __init__(self, previous_turns=2):
        self.given = []
        self.codecs = type("Codecs", (), {"previous_turns": previous_turns})

    def stream(self, conversations, strategy, read_ahead):
        self.strategy = strategy
        assert read_ahead == 1
        for turns in conversations:
            self.given.append(turns)
            yield [type("Reply", (), {"text": f"reply {len(turns)}"})]


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr("kseq.cli.chatting.load_translator", lambda options: recorder)
    return recorder


def test_chat_remembers_both_speakers_until_an_empty_line(command, recorder):
    turns = "one\ntwo\n⏎\nthree\n"  # A separator counts as a space, so its line is empty.
    code, output, _ = command("chat", "run", data=turns.encode())
    assert code == 0
    assert output == "reply 1\nreply 3\n\nreply 1\n"
    assert recorder.given == [["one"], ["one", "reply 1", "two"], ["three"]]


def test_chat_searches_or_samples(command, recorder):
    assert command("chat", "run", "--beam", "3", data=b"one\n")[0] == 0
    assert (type(recorder.strategy).__name__, recorder.strategy.beam_size) == ("BeamSearch", 3)
    assert command("chat", "run", "--top-p", "0.9", "--seed", "2", data=b"one\n")[0] == 0
    assert (recorder.strategy.samples, recorder.strategy.top_p) == (1, 0.9)


def test_a_person_sees_a_prompt(recorder, monkeypatch, capsys):
    from kseq.cli import chatting
    from kseq.corpora import sources

    lines = io.StringIO("one\ntwo\n")
    monkeypatch.setattr(lines, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", lines)
    monkeypatch.setattr(
        sources, "open_sources", lambda: contextlib.nullcontext(map(str.strip, lines))
    )
    options = type("Options", (), {"run_directory": "run"})
    chatting.chat(options)
    captured = capsys.readouterr()
    assert captured.out == "reply 1\nreply 3\n"
    assert captured.err.count("> ") == 3
    assert "an empty line begins a new conversation" in captured.err


def test_chat_is_for_models_of_conversations(command, recorder):
    recorder.codecs.previous_turns = 0
    code, _, errors = command("chat", "run")
    assert code == 2
    assert "was not trained on conversations" in errors


def test_the_command_trains_on_conversations_and_replies(command, dialogues, tmp_path):
    run = tmp_path / "run"
    settings = ["units=24", "embedding_dim=16", "epochs=2", "warmup_steps=0", "learning_rate=0.02"]
    code, output, _ = command(
        *("train", "--train", dialogues, "--context", 2, "--out", run, "--set", *settings)
    )
    assert code == 0
    code, output, _ = command("chat", run, "--top-k", "3", data=b"hello 1\nfine\n\nhello 2\n")
    assert code == 0
    assert len(output.splitlines()) == 4
    assert output.splitlines()[2] == ""
    code, output, _ = command("score", run, "--test", dialogues)
    assert code == 0
    pairs = [pair for turns in conversations() for pair in expected_pairs(turns, 2)]
    assert [line.split("\t")[2] for line in output.splitlines()] == [reply for _, reply in pairs]
    (result,) = Translator.load(run).translate([["hello 1", "hi there"]])
    assert TURN in result.source_tokens


def test_inspect_reads_conversations(dialogues, capsys):
    assert main(["inspect", str(dialogues), "--context", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    pairs = [pair for turns in conversations() for pair in expected_pairs(turns, 2)]
    assert figures["pairs"] == len(pairs)
    assert figures["source"]["characters"]["longest"] == max(len(source) for source, _ in pairs)
