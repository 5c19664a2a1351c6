"""Batches of sources of similar length, and their contents."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from kseq.pipeline.value_codec import ValueCodec
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, UNK
from kseq.text.codec import TextCodec
from kseq.text.display import to_str
from kseq.translation import batches
from kseq.translation.batches import (
    AT_ONCE,
    BATCH_SENTENCES,
    BATCH_TOKENS,
    LOGITS_AT_ONCE,
    MIN_SENTENCES,
    run_by_length,
)
from kseq.translation.sources import Sequences, refuse_single_source

TOKENS = [*SPECIAL_TOKENS, "a", "b", "￭."]


@pytest.fixture(autouse=True, scope="module")
def two_cores():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "usable_cores", lambda: 2)
        yield


def batches_of(lengths, **logits):
    rows_by_batch = []

    def run(rows):
        rows_by_batch.append(rows)
        return [f"result {row}" for row in rows]

    assert run_by_length(run, lengths, **logits) == [f"result {row}" for row in range(len(lengths))]
    # Two batches run at the same time, in either order.
    return sorted(rows_by_batch, key=lambda rows: (-lengths[rows[0]], rows[0]))


@given(st.lists(st.sampled_from([1, 2, 30, 31, 64, 65, 2048, 2049, 4096, 9000]), max_size=300))
def test_batches_are_limited_and_have_rows_of_similar_length(lengths):
    rows_by_batch = batches_of(lengths)
    rows = [row for batch in rows_by_batch for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    minimum_count = max(1, -(-len(lengths) // BATCH_SENTENCES))
    if len(lengths) >= AT_ONCE * MIN_SENTENCES:
        minimum_count = max(minimum_count, AT_ONCE)
    maximum_size = -(-len(lengths) // minimum_count)
    for batch, is_last in zip(rows_by_batch, [*[False] * (len(rows_by_batch) - 1), True]):
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= maximum_size
        assert len(batch) == 1 or len(batch) * longest <= BATCH_TOKENS
        # Only the last batch may be smaller than necessary.
        if not is_last:
            assert len(batch) == maximum_size or (len(batch) + 1) * longest > BATCH_TOKENS


@pytest.mark.parametrize(
    "lengths, sizes",
    [
        ([1] * 514, [172, 172, 170]),  # three of about the same size
        ([1] * 256, [128, 128]),  # two, to run at the same time
        ([1] * 32, [16, 16]),
        ([1] * 31, [31]),  # too few for two batches
        ([BATCH_TOKENS // 2] * 3, [2, 1]),
        ([BATCH_TOKENS + 1] * 2, [1, 1]),
    ],
)
def test_batches_have_the_expected_sizes(lengths, sizes):
    assert [len(batch) for batch in batches_of(lengths)] == sizes


def test_a_large_vocabulary_makes_batches_smaller():
    third = LOGITS_AT_ONCE // AT_ONCE // 3
    assert [len(batch) for batch in batches_of([9] * 5, sentence_logits=third)] == [3, 2]
    assert [len(batch) for batch in batches_of([1, 1, 2, 4], token_logits=third)] == [1, 1, 2]
    assert [len(batch) for batch in batches_of([1, 1], sentence_logits=9 * third)] == [1, 1]


def test_two_batches_run_at_the_same_time_and_no_more():
    barrier, running, running_counts = threading.Barrier(2, timeout=60), set(), []

    def run(rows):
        running.add(rows[0])
        barrier.wait()
        running_counts.append(len(running))
        barrier.wait()
        running.remove(rows[0])
        return rows

    number = 8 * BATCH_SENTENCES
    assert run_by_length(run, [1] * number) == list(range(number))
    assert running_counts == [2] * 8


@pytest.mark.parametrize("cores, processors", [(2, ["GPU"]), (1, [])])
def test_batches_run_one_after_another_if_two_would_be_no_faster(cores, processors, monkeypatch):
    monkeypatch.setattr(batches, "usable_cores", lambda: cores)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: processors)
    calls = []

    def run(rows):
        calls.append(threading.get_ident())
        return rows

    run_by_length(run, [1] * BATCH_SENTENCES)
    assert calls == [threading.get_ident()]  # one batch, not two


@pytest.mark.parametrize("helper_fails", [False, True])
def test_no_batch_is_started_after_an_error(helper_fails, monkeypatch):
    """The thread that does not fail finishes its batch after the other has failed."""
    barrier, started, failed = threading.Barrier(2, timeout=60), [], threading.Event()

    class Helper(threading.Thread):
        def run(self):
            super().run()
            failed.set()

        def join(self, timeout=None):
            failed.set()
            super().join(timeout)

    def run(rows):
        started.append(rows)
        barrier.wait()
        if isinstance(threading.current_thread(), Helper) == helper_fails:
            raise ValueError("the batch failed")
        assert failed.wait(60)
        return rows

    monkeypatch.setattr(threading, "Thread", Helper)
    threads = threading.active_count()
    with pytest.raises(ValueError, match="the batch failed"):
        run_by_length(run, [1] * 8 * BATCH_SENTENCES)
    assert len(started) == 2 and threading.active_count() == threads


def test_one_thread_runs_all_batches_if_no_other_can_be_started(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run_by_length(lambda rows: rows, [1] * 600) == list(range(600))


@pytest.mark.slow  # a process of its own
def test_batches_run_even_when_the_main_thread_has_ended():
    program = """
import threading
from kseq.translation.batches import run_by_length

def work():
    threading.main_thread().join()
    print(len(run_by_length(lambda rows: rows, [1] * 600)))

threading.Thread(target=work).start()
"""
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert process.stdout == "600\n"


def test_without_rows_no_batch_runs():
    assert run_by_length(pytest.fail, []) == []


def test_sentences_become_the_inputs_of_every_codec():
    """Tokens are the same for every codec; ids are those of its vocabulary, END last."""
    codecs = [TextCodec(TOKENS), TextCodec([*SPECIAL_TOKENS, "b", "a"])]
    sequences = Sequences(codecs, ["a b.", "", "b xyzzy"])
    assert sequences.lengths.tolist() == [4, 1, 3]
    assert sequences.displayed_tokens() == [
        ["a", "b", ".", "<end>"],
        ["<end>"],
        ["b", "xyzzy", "<end>"],
    ]
    first, second = (inputs["source_ids"].numpy().tolist() for inputs in sequences.inputs([2, 1]))
    assert first == [[5, UNK, END], [END, PAD, PAD]]
    assert second == [[4, UNK, END], [END, PAD, PAD]]
    assert sequences.token_matrix([2, 1]).numpy().tolist() == [[b"b", b"xyzzy"], [b"", b""]]


def test_an_invalid_character_becomes_a_question_mark_in_its_place():
    """Half of a surrogate pair, which UTF-8 cannot hold."""
    sequences = Sequences([TextCodec(TOKENS)], ["a \ud800 b"])
    assert sequences.displayed_tokens() == [["a", "?", "b", "<end>"]]


def test_real_values_become_standardised_padded_inputs():
    arrays = [np.full((2, 1), 3.0, np.float32), np.full((3, 1), 5.0, np.float32)]
    sequences = Sequences([ValueCodec([1.0], [2.0])], arrays)
    assert sequences.lengths.tolist() == [2, 3]
    assert sequences.displayed_tokens() == [None, None]
    assert sequences.token_matrix([0, 1]).shape == (2, 0)
    (inputs,) = sequences.inputs([1, 0])
    np.testing.assert_allclose(inputs["source"][:, :, 0], [[2, 2, 2], [1, 1, 0]])
    assert inputs["source_mask"].numpy().tolist() == [[True] * 3, [True, True, False]]


def test_a_source_must_be_of_the_kind_that_the_codec_reads(tmp_path):
    text, values = TextCodec(TOKENS), ValueCodec([0.0, 0.0], [1.0, 1.0])
    assert text.check("a", "source") == "a"
    with pytest.raises(TypeError, match="expected sentences as strings; received b'a'"):
        text.check(b"a", "source")
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    assert values.check(tmp_path / "x.npy", "source").dtype == np.float32
    for wrong, name in ((np.ones((3, 1)), "a target of real values"), (str(tmp_path), "expected")):
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            values.check(wrong, "target")
    with pytest.raises(ValueError, match="expected 2 values per step, as the .*; received 3"):
        values.check(np.ones((4, 3)), "source")


def test_a_single_source_instead_of_a_list_is_an_error(tmp_path):
    for single in ("a b", tmp_path, np.ones((3, 2))):
        with pytest.raises(TypeError, match=r"expected a list of .*wrap it in \[ \]"):
            refuse_single_source(single)
    refuse_single_source(["a"])
    refuse_single_source([np.ones((3, 2))])
    refuse_single_source(np.ones((5, 3, 2)))


def test_nested_bytes_become_nested_strings():
    nested = [[b"a", b"\xc3\xa9"], [], [b""]]
    expected = [["a", "é"], [], [""]]
    assert to_str(nested) == expected
    assert to_str(tf.ragged.constant(nested)) == expected
    assert to_str(tf.constant([[b"a"], [b"b"]])) == [["a"], ["b"]]
