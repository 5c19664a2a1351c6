"""The parts of a server without a server: limits, inputs, the queue, places, tensors."""

import asyncio
import dataclasses
import io
import json
import socket
import subprocess
import sys

import pytest
from run_folders import write_run_folder

from kseq.errors import SettingError
from kseq.serving.batches import Batch, Job, deliver, join
from kseq.serving.descriptions import Description
from kseq.serving.inputs import Question, check_defaults, make_job, read_body
from kseq.serving.job_queue import JobQueue
from kseq.serving.limits import Limits
from kseq.serving.log import JsonLog
from kseq.serving.messages import pack_message, read_message
from kseq.serving.places import Place, parse_place, parse_places, state_of
from kseq.serving.refusals import Refusal
from kseq.serving.requests import read_json
from kseq.serving.tensors import make_outputs

TEXT = Description(engine="run", fingerprint="", has_attention=True)
EXPORTED = dataclasses.replace(TEXT, fixed_n_best=0)
VALUES = Description(engine="run", fingerprint="", source_width=2, target_width=1)
FEATURED = dataclasses.replace(TEXT, reads_features=True)


def job_of(count, **options):
    """A job with that many sources of one letter; must be called within a loop."""
    return Job(Batch(sources=["a"] * count, options=options), options.get("beam_size", 1))


def ask(description=TEXT, limits=None, defaults=None, **question):
    """The job of a question, made within a loop."""

    async def make():
        return make_job(Question(**question), description, limits or Limits(), defaults or {})

    return asyncio.run(make())


def refusal_of(*arguments, **question):
    with pytest.raises(Refusal) as caught:
        ask(*arguments, **question)
    return caught.value


def in_loop(test):
    """Runs an asynchronous test."""

    def run():
        asyncio.run(asyncio.wait_for(test(), 10))

    return run


@in_loop
async def test_a_free_worker_takes_all_that_waits_within_the_limits():
    queue = JobQueue(Limits(batch=5, queue=100, max_sources=10))
    jobs = [job_of(count) for count in (2, 2, 2, 1)]
    for job in jobs:
        queue.put(job)
    assert queue.waiting == 7
    assert await queue.take() == [jobs[0], jobs[1], jobs[3]]  # 2 + 2 + 2 would be more than 5
    assert await queue.take() == [jobs[2]]
    assert queue.waiting == 0


@in_loop
async def test_a_job_larger_than_a_batch_runs_alone():
    queue = JobQueue(Limits(batch=3))
    large, small = job_of(8), job_of(1)
    queue.put(large), queue.put(small)
    assert await queue.take() == [large]
    assert await queue.take() == [small]


@in_loop
async def test_the_width_of_the_search_and_the_padding_count_in_a_batch():
    queue = JobQueue(Limits(batch=10, batch_length=100))
    for job in (job_of(1, beam_size=5), job_of(2, beam_size=5)):
        queue.put(job)
    assert len(await queue.take()) == 1
    long, short = Job(Batch(sources=["a" * 60])), Job(Batch(sources=["a"]))
    queue = JobQueue(Limits(batch_length=100))
    queue.put(short), queue.put(long)
    assert await queue.take() == [short]  # padded, both have 120 characters


@in_loop
async def test_only_jobs_with_the_same_options_share_a_batch():
    queue = JobQueue(Limits())
    jobs = [job_of(1), job_of(1, beam_size=2), job_of(1), job_of(1, beam_size=2)]
    for job in jobs:
        queue.put(job)
    assert await queue.take() == [jobs[0], jobs[2]]
    assert await queue.take() == [jobs[1], jobs[3]]


@in_loop
async def test_samples_and_jobs_that_failed_run_alone():
    queue = JobQueue(Limits())
    sampled = [Job(Batch(method="sample", sources=["a"], options={"seed": 1})) for _ in range(2)]
    for job in sampled:
        queue.put(job)
    assert await queue.take() == [sampled[0]]
    failed, fresh = job_of(1), job_of(1)
    queue.put(fresh)
    queue.put_back(failed)
    assert await queue.take() == [failed]


@in_loop
async def test_a_full_queue_refuses_with_the_time_to_wait():
    queue = JobQueue(Limits(queue=4, max_sources=4))
    queue.put(job_of(3))
    queue.note(2000.0, 100)
    with pytest.raises(
        Refusal, match="too many requests: 3 sources wait for this model, of at most 4"
    ) as caught:
        queue.put(job_of(2))
    assert caught.value.status == 429
    assert caught.value.headers == {"Retry-After": "6"}  # 3 sources of 2 s each
    queue.put(job_of(1))


@in_loop
async def test_jobs_that_were_given_up_are_skipped():
    queue = JobQueue(Limits())
    given_up, wanted = job_of(1), job_of(1)
    queue.put(given_up), queue.put(wanted)
    given_up.future.cancel()
    assert await queue.take() == [wanted]
    assert queue.waiting == 0


@in_loop
async def test_a_taker_that_ends_leaves_its_job_to_another():
    queue = JobQueue(Limits())
    first, second = (asyncio.ensure_future(queue.take()) for _ in range(2))
    await asyncio.sleep(0)
    job = job_of(1)
    queue.put(job)  # It wakes the first taker,
    first.cancel()  # which ends before it takes the job.
    assert await second == [job]


@in_loop
async def test_a_closed_queue_is_emptied_before_takers_end():
    queue = JobQueue(Limits())
    idle = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.close()
    assert await idle == []
    job = job_of(1)
    queue.put_back(job)  # after a worker died
    assert await queue.take() == [job]
    assert await queue.take() == []


@in_loop
async def test_joined_jobs_get_their_own_results():
    jobs = [
        Job(Batch(sources=["a", "b"], columns={"features": ["X", "Y"]})),
        Job(Batch(sources=["c"], columns={"features": ["Z"]})),
    ]
    batch = join(jobs)
    assert (batch.sources, batch.columns) == (["a", "b", "c"], {"features": ["X", "Y", "Z"]})
    jobs[0].future.cancel()
    deliver(jobs, [1, 2, 3])
    assert await jobs[1].future == [3]
    assert jobs[1].batch_size == 3


def test_options_become_those_of_a_search():
    job = ask(sources=["a"], options={"beam": 4, "n_best": 2}, defaults={"alpha": 0.5})
    assert job.batch.options == {"beam_size": 4, "n_best": 2, "alpha": 0.5}
    assert (job.batch.method, job.width) == ("translate", 4)
    sampled = ask(
        sources=["a"],
        options={"samples": 3, "temperature": 0.5},
        defaults={"beam_size": 5, "minimum_length": 2},
    )
    assert sampled.batch.options == {"samples": 3, "temperature": 0.5, "minimum_length": 2}
    assert (sampled.batch.method, sampled.width, sampled.is_alone) == ("sample", 3, True)


def test_one_prefix_is_spread_over_all_sources():
    job = ask(sources=["a", "b"], prefix="x")
    assert job.batch.columns == {"prefix": ["x", "x"]}
    job = ask(VALUES, sources=[[[1, 2]], [[3, 4.5]]], steps=[3, 4])
    assert job.batch.columns == {"steps": [3, 4]} and job.batch.method == "predict"


SMALL = Limits(max_sources=2, max_length=10, max_beam=4)
WRONG = {
    "no source": (TEXT, {"sources": []}, "expected at least one source"),
    "too many sources": (
        TEXT,
        {"sources": ["a"] * 3},
        "at most 2 sources in a request; received 3",
    ),
    "not a string": (TEXT, {"sources": ["a", 1]}, "source 2: expected a string, as this model"),
    "too long": (TEXT, {"sources": ["a" * 11]}, "source 1: expected at most 10 characters; rec"),
    "a path": (VALUES, {"sources": ["/etc/x.npy"], "steps": 1}, "source 1: expected a list of st"),
    "no steps": (VALUES, {"sources": [[]], "steps": 1}, "source 1: expected a list of steps"),
    "another width": (VALUES, {"sources": [[[1]]], "steps": 1}, "each a list of 2 finite numbers"),
    "true": (VALUES, {"sources": [[[1, True]]], "steps": 1}, "each a list of 2 finite numbers"),
    "a huge number": (VALUES, {"sources": [[[1, 10**400]]], "steps": 1}, "2 finite numbers"),
    "steps out of range": (VALUES, {"sources": [[[1, 2]]], "steps": 11}, "steps must be from 1 to"),
    "steps missing": (VALUES, {"sources": [[[1, 2]]]}, "steps: expected the number of steps"),
    "steps for text": (TEXT, {"sources": ["a"], "steps": 1}, "steps: they are for models that"),
    "no features": (FEATURED, {"sources": ["a"]}, "features: this model reads some with each"),
    "features": (TEXT, {"sources": ["a"], "features": "X"}, "features: this model reads none"),
    "prefixes": (TEXT, {"sources": ["a"], "prefix": ["x", "y"]}, "prefix: expected one for all"),
    "a prefix": (TEXT, {"sources": ["a"], "prefix": [1]}, "prefix: expected a string; received 1"),
    "no attention": (
        VALUES,
        {"sources": [[[1, 2]]], "steps": 1, "attention": True},
        "attention: t",
    ),
    "an option": (
        TEXT,
        {"sources": ["a"], "options": {"beem": 1}},
        "unknown option: 'beem' (known",
    ),
    "a file": (
        TEXT,
        {"sources": ["a"], "options": {"dictionary": "/etc/passwd"}},
        "unknown option",
    ),
    "a beam": (TEXT, {"sources": ["a"], "options": {"beam": 0}}, "beam must be at least 1 and at"),
    "n_best": (
        TEXT,
        {"sources": ["a"], "options": {"n_best": 2}},
        "n_best must be at most beam (1)",
    ),
    "a wide beam": (
        TEXT,
        {"sources": ["a"], "options": {"beam": 5}},
        "beam must be at most 4; rec",
    ),
    "samples": (TEXT, {"sources": ["a"], "options": {"samples": 5}}, "samples must be at most 4"),
    "sampling": (
        TEXT,
        {"sources": ["a"], "options": {"top_k": 5}},
        "'top_k', which is for sampling",
    ),
    "lengths": (TEXT, {"sources": ["a"], "options": {"minimum_length": 11}}, "minimum_length must"),
    "a ratio": (
        TEXT,
        {"sources": ["aaa"], "options": {"minimum_ratio": 5}},
        "minimum_ratio: expec",
    ),
    "an option twice": (
        TEXT,
        {"sources": ["a"], "options": {"beam": 2, "beam_size": 3}},
        "expected either beam or beam_size",
    ),
    "a type": (TEXT, {"sources": ["a"], "options": {"beam": "x"}}, "beam must be a whole number"),
    "long options": (TEXT, {"sources": ["a"], "options": {"forbid": ["a" * 9999]}}, "at most 4000"),
    "fixed": (
        EXPORTED,
        {"sources": ["a"], "options": {"beam": 2}},
        "beam: the search of this model",
    ),
    "values": (VALUES, {"sources": [[[1, 2]]], "steps": 1, "options": {"beam": 2}}, "beam: real v"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_question_is_refused_with_its_reason(name):
    description, question, message = WRONG[name]
    refusal = refusal_of(description, SMALL, **question)
    assert refusal.status == 400
    assert message in str(refusal)


@pytest.mark.parametrize(
    "body, message",
    [
        (b"", "the body must be JSON"),
        (b"\xff", "the body must be JSON"),
        (b'{"text": "\xed\xa0\x80"}', "the body must be JSON"),  # half of a surrogate pair
        (b'{"text": NaN}', "the body must be JSON: NaN is not a number"),
        (b"[" * 100_000, "the body must be JSON"),
        (b"[1]", "the body must be a JSON object; received [1]"),
    ],
)
def test_a_body_must_be_a_json_object(body, message):
    with pytest.raises(Refusal) as caught:
        read_body(body)
    assert message in str(caught.value)


def test_half_of_a_surrogate_pair_is_replaced():
    body = rb'{"text": ["\ud83d", "\ud83d\ude00", "\\ud83d"], "\uDE00": 1}'
    assert read_body(body) == {"text": ["\ufffd", "\N{GRINNING FACE}", r"\ud83d"], "\ufffd": 1}


@in_loop
async def test_a_body_that_does_not_come_is_given_up():
    class Request:
        headers = {}

        async def stream(self):
            yield b'{"text":'
            await asyncio.Event().wait()

    with pytest.raises(Refusal, match="the body did not arrive within 0.1 s") as caught:
        await read_json(Request(), Limits(timeout=0.1))
    assert caught.value.status == 408


def test_a_limit_out_of_range_is_an_error():
    with pytest.raises(SettingError, match="max_sources must be at most queue"):
        Limits(max_sources=20, queue=10)
    with pytest.raises(SettingError, match="batch must be at least 1"):
        Limits(batch=0)


def test_messages_come_back_as_they_were():
    message = {"sources": ["é\ud800\n", ""], "values": [[1e-300, -0.1]]}
    stream = io.BytesIO(pack_message(message) * 2)
    assert [read_message(stream) for _ in range(3)] == [message, message, None]
    assert read_message(io.BytesIO(pack_message(message)[:-1])) is None


def test_a_log_that_cannot_be_written_stops_nothing():
    stream = io.StringIO()
    log = JsonLog(stream)
    log.write("request", path="/\n")
    entry = json.loads(stream.getvalue())
    assert (entry["event"], entry["path"]) == ("request", "/\n")
    stream.close()
    log.write("request")


def test_places_are_named_by_their_folder_or_by_the_user(tmp_path):
    write_run_folder(tmp_path / "en-fr")
    for version in ("1", "10", "2"):
        write_run_folder(tmp_path / "dates" / version)
    (tmp_path / "dates" / "11").mkdir()  # holds no model
    (tmp_path / "dates" / "notes").mkdir()
    place = parse_place(str(tmp_path / "en-fr"))
    assert (place.name, place.is_versioned, list(place.versions())) == ("en-fr", False, ["1"])
    place = parse_place(f"days={tmp_path / 'dates'}")
    assert (place.name, place.is_versioned) == ("days", True)
    assert list(place.versions()) == ["10", "2", "1"]


def test_a_version_that_cannot_be_read_is_left_to_its_worker(tmp_path, monkeypatch):
    """It says why in the log, and the server goes on watching."""

    def kind_of(folder):
        if folder.name == "2":
            raise PermissionError(13, "Permission denied", str(folder))
        return "run" if folder.name == "1" else None

    for version in ("1", "2", "3"):
        (tmp_path / version).mkdir()
    monkeypatch.setattr("kseq.serving.places.kind_of", kind_of)
    assert list(Place("dates", tmp_path).versions()) == ["2", "1"]


def test_wrong_places_are_named(tmp_path):
    write_run_folder(tmp_path / "run")
    write_run_folder(tmp_path / "my run")
    with pytest.raises(FileNotFoundError, match="model not found: .*nowhere"):
        parse_place(f"a={tmp_path / 'nowhere'}")
    with pytest.raises(
        ValueError, match="expected a run, a SavedModel, .* or a folder of versions"
    ):
        parse_place(str(tmp_path))
    with pytest.raises(ValueError, match="name of a model must consist of .*; received 'my run'"):
        parse_place(str(tmp_path / "my run"))
    with pytest.raises(ValueError, match="two models have the name run"):
        parse_places([str(tmp_path / "run"), f"run={tmp_path / 'my run'}"])


def test_the_state_of_a_folder_changes_with_its_files(tmp_path):
    folder = write_run_folder(tmp_path / "run")
    before = state_of(folder)
    assert state_of(folder) == before
    (folder / "more").mkdir()
    (folder / "more" / "file").write_text("a")
    assert state_of(folder) != before


def test_tensors_are_padded_to_the_longest_row():
    translation = {"text": "x y", "tokens": ["x", "y"], "source_tokens": ["a"]}
    other = {"text": "z", "tokens": ["z"], "source_tokens": ["b", "c"]}
    results = [
        [{**translation, "attention": [[1.0], [1.0]]}],
        [{**other, "attention": [[0.5, 0.5]]}] * 2,
    ]
    names = ["translation", "output_tokens", "source_tokens", "attention"]
    first = {output["name"]: output for output in make_outputs(names, results, has_axis=False)}
    assert first["translation"]["shape"] == [2] and first["translation"]["data"] == ["x y", "z"]
    assert first["output_tokens"]["shape"] == [2, 2]
    assert first["output_tokens"]["data"] == ["x", "y", "z", ""]
    assert first["attention"]["shape"] == [2, 2, 2]
    assert first["attention"]["data"] == [1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0]
    all_of_them = {each["name"]: each for each in make_outputs(names, results, has_axis=True)}
    assert all_of_them["translation"]["data"] == ["x y", "", "z", "z"]
    assert all_of_them["source_tokens"]["shape"] == [2, 2]
    assert all_of_them["attention"]["shape"] == [2, 2, 2, 2]


def test_the_server_itself_does_not_import_tensorflow():
    """Its workers do: so it starts at once, and its memory stays small."""
    pytest.importorskip("starlette", reason="needs pip install kseq[serve]")
    pytest.importorskip("uvicorn", reason="needs pip install kseq[serve]")
    program = """
import sys
import kseq.cli.main
import kseq.cli.serving, kseq.serving.app, kseq.serving.metrics, uvicorn
print(sorted({"tensorflow", "keras", "matplotlib"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere"], "model not found: nowhere"),
        (["en-fr", "--workers", "0"], "--workers must be at least 1; received 0"),
        (["en-fr", "--max-sources", "600"], "--max-sources must be at most --queue (512)"),
        (["en-fr", "--beam", "0"], "--beam must be at least 1"),
        (["en-fr", "en-fr"], "two models have the name en-fr"),
        (["exported", "--beam", "5"], "--beam: the search of an exported model was fixed when"),
        (["a b=en-fr"], "the name of a model must consist of letters"),
    ],
)
def test_a_wrong_command_ends_before_anything_starts(
    words, message, command, tmp_path, monkeypatch
):
    write_run_folder(tmp_path / "en-fr")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "saved_model.pb").touch()
    monkeypatch.chdir(tmp_path)
    code, output, errors = command("serve", *words)
    assert (code, output) == (2, "")
    assert message in errors and errors.count("\n") == 1


def test_a_port_in_use_is_an_error(command, tmp_path):
    pytest.importorskip("uvicorn", reason="needs pip install kseq[serve]")
    folder = write_run_folder(tmp_path / "en-fr")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, _, errors = command("serve", folder, "--port", port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in errors


def test_missing_packages_are_named(monkeypatch, command, tmp_path):
    folder = write_run_folder(tmp_path / "en-fr")
    monkeypatch.setattr("kseq.serving.server._PACKAGES", ("starlette_of_nobody",))
    code, _, errors = command("serve", folder)
    assert code == 1
    assert errors == "kseq: serving needs starlette_of_nobody: pip install kseq[serve]\n"


def test_defaults_beyond_the_limits_are_refused_at_the_start():
    check_defaults({"beam_size": 5}, Limits())
    with pytest.raises(ValueError, match="beam must be at most 16; received 20; .*--max-beam"):
        check_defaults({"beam_size": 20}, Limits())
    with pytest.raises(ValueError, match="maximum_length must be at most 2000; received 3000"):
        check_defaults({"maximum_length": 3000}, Limits())
