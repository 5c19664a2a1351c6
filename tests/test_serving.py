"""`kseq serve`, as a process that is asked over HTTP; answers must equal those in this process."""

import base64
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import signal
import threading

import numpy as np
import pytest
from served import Served
from untrained import write_run

pytest.importorskip("starlette", reason="needs pip install kseq[serve]")
pytest.importorskip("uvicorn", reason="needs pip install kseq[serve]")
pytest.importorskip("prometheus_client", reason="needs pip install kseq[serve]")

SENTENCES = ["The cat is small.", "Where is he?", "xyzzy 👍 !", "", "She sees the old red car."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, translator, small_run, values_translator):
    """Folders of models by name; `versions` holds SavedModels."""
    folder = tmp_path_factory.mktemp("models")
    write_run(values_translator, folder / "curves")
    (folder / "exported").mkdir()
    translator.export(folder / "exported" / "3", beam_size=3, n_best=2)
    return {
        "text": small_run,
        "curves": folder / "curves",
        "exported": folder / "exported",
        "log": folder,
    }


@pytest.fixture(scope="module")
def server(folders):
    models = [f"{name}={folders[name]}" for name in ("text", "curves", "exported")]
    options = ["--workers", "1", "--max-body", "5000", "--max-length", "500"]
    options += ["--allow-host", "demo.example.org"]
    with Served(folders["log"], *models, *options) as server:
        status, answer, headers = server.ask("/translate", {"text": "a", "model": "text"})
        assert (status, headers["retry-after"]) == (503, "1")
        assert answer == {"error": "the model text is being loaded"}
        server.wait_for("serving")
        yield server


def test_answers_equal_those_of_the_translator(server, translator):
    """Scores may differ in the last bits: a batch holds other sentences."""
    question = {"text": SENTENCES, "model": "text", "beam": 4, "n_best": 2, "alpha": 0.5}
    status, answer, _ = server.ask("/translate", {**question, "attention": True})
    assert status == 200 and (answer["model"], answer["version"]) == ("text", "1")
    expected = translator.translate(SENTENCES, beam_size=4, n_best=2, alpha=0.5)
    for results, translations in zip(answer["translations"], expected, strict=True):
        for result, translation in zip(results, translations, strict=True):
            assert result["text"] == translation.text
            assert result["tokens"] == translation.tokens
            assert result["source_tokens"] == translation.source_tokens
            assert result["is_cut"] == translation.is_cut
            np.testing.assert_allclose(result["score"], translation.score, atol=1e-5)
            np.testing.assert_allclose(
                result["log_probability"], translation.log_probability, atol=1e-5
            )
            weights = np.reshape(result["attention"], translation.attention.shape)
            np.testing.assert_allclose(weights, translation.attention, atol=1e-5)


def test_the_page_is_one_file_with_a_policy_that_allows_nothing_else(server):
    """tests/test_page.py uses it in a browser."""
    status, page, headers = server.ask("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in page
    assert "default-src 'none'" in page and "connect-src 'self'" in page
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a request


def test_samples_depend_on_nothing_but_the_request(server, translator):
    question = {"text": SENTENCES[:3], "model": "text", "samples": 3, "seed": 5}
    expected = [
        [each.text for each in samples]
        for samples in translator.sample(SENTENCES[:3], samples=3, seed=5)
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.ask("/translate", question)[1], range(4)))
    for answer in answers:
        texts = [[each["text"] for each in samples] for samples in answer["translations"]]
        assert texts == expected


def test_requests_at_the_same_time_share_batches_and_get_their_own_answers(server, translator):
    sources = [f"The {word} is old." for word in ("cat", "dog", "car", "house", "man", "tree")] * 8
    expected = [each.text for each in translator.translate(sources)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda text: server.ask("/translate", {"text": text, "model": "text"}), sources
            )
        )
    assert [answer["translations"][0]["text"] for _, answer, _ in answers] == expected
    sizes = [event["batch"] for event in server.events("request") if event.get("batch")]
    assert max(sizes) > 1


def test_real_values_are_predicted(server, values_translator):
    sources = [[[0.5, -1.0], [2.0, 0.25]], [[1.0, 1.0]]]
    question = {"values": sources, "model": "curves", "steps": [3, 5]}
    status, answer, _ = server.ask("/translate", {**question, "attention": True})
    assert status == 200
    for result, expected in zip(
        answer["predictions"], values_translator.predict(list(map(np.array, sources)), [3, 5])
    ):
        np.testing.assert_allclose(result["values"], expected.values, atol=1e-5)
        np.testing.assert_allclose(result["attention"], expected.attention, atol=1e-5)


def test_an_exported_model_gives_the_same_answers(server, translator):
    question = {"text": SENTENCES, "model": "exported", "attention": True}
    status, answer, _ = server.ask("/translate", question)
    assert (status, answer["version"]) == (200, "3")
    expected = translator.translate(SENTENCES, beam_size=3, n_best=2)
    for results, translations in zip(answer["translations"], expected, strict=True):
        assert [each["text"] for each in results] == [each.text for each in translations]
        assert [each["tokens"] for each in results] == [each.tokens for each in translations]
        for result, translation in zip(results, translations):
            np.testing.assert_allclose(result["score"], translation.score, atol=1e-5)
            weights = np.reshape(result["attention"], translation.attention.shape)
            np.testing.assert_allclose(weights, translation.attention, atol=1e-5)


def test_tensorflow_serving_rows_and_columns(server, translator):
    texts = [each.text for each in translator.translate(SENTENCES)]
    for path in ("/v1/models/text", "/v1/models/text/versions/1"):
        for instances in (SENTENCES, [{"text": text} for text in SENTENCES]):
            status, answer, _ = server.ask(f"{path}:predict", {"instances": instances})
            assert status == 200
            assert [row["translation"] for row in answer["predictions"]] == texts
    for inputs in (SENTENCES, {"text": SENTENCES}):
        _, answer, _ = server.ask("/v1/models/text:predict", {"inputs": inputs})
        assert answer["outputs"]["translation"] == texts
    _, answer, _ = server.ask("/v1/models/exported:predict", {"instances": SENTENCES[:1]})
    assert len(answer["predictions"][0]["translation"]) == 2
    _, answer, _ = server.ask("/v1/models/text")
    assert answer["model_version_status"][0]["state"] == "AVAILABLE"
    _, answer, _ = server.ask("/v1/models/text/versions/1/metadata")
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"


def test_tensorflow_serving_takes_padded_values(server, values_translator):
    source = [[[0.5, -1.0], [2.0, 0.25]], [[1.0, 1.0], [9.0, 9.0]]]
    inputs = {"source": source, "lengths": [2, 1], "steps": [2, 2]}
    _, answer, _ = server.ask("/v1/models/curves:predict", {"inputs": inputs})
    sources = [np.array(source[0]), np.array(source[1][:1])]
    expected = [each.values for each in values_translator.predict(sources, 2)]
    np.testing.assert_allclose(answer["outputs"], expected, atol=1e-5)


def text_tensor(texts):
    return {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}


def test_open_inference_gives_padded_tensors(server, translator):
    names = ["translation", "output_tokens", "attention"]
    body = {
        "id": "seven",
        "inputs": [text_tensor(SENTENCES)],
        "outputs": [{"name": name} for name in names],
        "parameters": {"beam_size": 3, "n_best": 2},
    }
    status, answer, _ = server.ask("/v2/models/text/versions/1/infer", body)
    assert status == 200
    assert [answer[name] for name in ("model_name", "model_version", "id")] == [
        "text",
        "1",
        "seven",
    ]
    outputs = {
        each["name"]: np.reshape(np.array(each["data"]), each["shape"])
        for each in answer["outputs"]
    }
    for row, translations in enumerate(translator.translate(SENTENCES, beam_size=3, n_best=2)):
        for rank, translation in enumerate(translations):
            assert outputs["translation"][row, rank] == translation.text
            steps, width = translation.attention.shape
            tokens = outputs["output_tokens"][row, rank].tolist()
            assert tokens == translation.tokens + [""] * (len(tokens) - steps)
            weights = outputs["attention"][row, rank]
            np.testing.assert_allclose(weights[:steps, :width], translation.attention, atol=1e-5)
            assert not weights[steps:].any() and not weights[:, width:].any()


def test_open_inference_describes_models(server):
    assert server.ask("/v2")[1]["name"] == "kseq"
    assert server.ask("/v2/health/live")[0] == 200
    assert server.ask("/v2/health/ready")[0] == 200
    assert server.ask("/v2/models/exported/versions/3/ready")[0] == 200
    _, answer, _ = server.ask("/v2/models/curves")
    assert answer["versions"] == ["1"] and answer["platform"] == "kseq_run"
    assert answer["inputs"][0] == {"name": "source", "datatype": "FP32", "shape": [-1, -1, 2]}
    assert {output["name"] for output in answer["outputs"]} == {"values", "attention"}
    names = {model["name"] for model in server.ask("/models")[1]["models"]}
    assert names == {"text", "curves", "exported"}


WRONG = {
    "json": ("/translate", b"{", 400, "the body must be JSON"),
    "large": ("/translate", {"text": "a" * 6000}, 413, "the body must have at most 5,000 bytes"),
    "long": ("/translate", {"text": "a" * 600, "model": "text"}, 400, "at most 500 characters"),
    "no model": ("/translate", {"text": "a"}, 400, "model: expected one of text, curves, exported"),
    "model": ("/translate", {"text": "a", "model": "b"}, 404, "unknown model: 'b' (known: text,"),
    "version": ("/v2/models/exported/versions/9/infer", {}, 404, "the one in use is 3"),
    "entry": ("/translate", {"text": "a", "model": "text", "x": 1}, 400, "unknown entry: 'x'"),
    "kind": ("/translate", {"text": "a", "model": "curves"}, 400, "values: expected a list, as th"),
    "prefix": (
        "/translate",
        {"text": "a", "model": "text", "prefix": "qqq"},
        400,
        "an output cannot begin with 'qqq'",
    ),
    "no method": ("/metrics", {}, 405, "Method Not Allowed: /metrics"),
    "no path": ("/nowhere", None, 404, "Not Found: /nowhere"),
    "signature": (
        "/v1/models/text:predict",
        {"instances": ["a"], "signature_name": "x"},
        400,
        "signature_name: expected serving_default; received 'x'",
    ),
    "rows": ("/v1/models/text:predict", {"instances": [{"text": "a"}, "b"]}, 400, "in all of them"),
    "nothing": ("/v1/models/text:predict", {}, 400, "either instances or inputs"),
    "input": ("/v1/models/text:predict", {"inputs": {"texts": []}}, 400, "unknown input: 'texts'"),
    "tensor": ("/v2/models/text/infer", {"inputs": [{"name": "x"}]}, 400, "unknown input: 'x'"),
    "output": (
        "/v2/models/text/infer",
        {"inputs": [text_tensor(["a"])], "outputs": [{"name": "x"}]},
        400,
        "unknown output: 'x' (known: translation,",
    ),
    "datatype": (
        "/v2/models/text/infer",
        {"inputs": [{**text_tensor(["a"]), "datatype": "FP32"}]},
        400,
        "text: expected the datatype BYTES; received 'FP32'",
    ),
    "shape": (
        "/v2/models/text/infer",
        {"inputs": [{**text_tensor(["a", "b"]), "shape": [1]}]},
        400,
        "text: shape [1] is of size 1; received 2 values",
    ),
    "a shape too large to multiply": (
        "/v2/models/text/infer",
        {"inputs": [{**text_tensor(["a"]), "shape": [10**300] * 5}]},
        400,
        "text: its shape does not fit its data, of size 1",
    ),
    "an input without a name": (
        "/v2/models/text/infer",
        {"inputs": [{"name": ["x"]}]},
        400,
        "unknown input: ['x']",
    ),
    "no list": ("/v1/models/text:predict", {"instances": None}, 400, "instances: expected a list"),
    "half of a surrogate pair": (
        "/translate",
        {"text": "a", "model": "text", "version": "\ud800"},
        404,
        "version \ufffd of the model text is not in use",
    ),
    "an output twice": (
        "/v2/models/text/infer",
        {"inputs": [text_tensor(["a"])], "outputs": [{"name": "score"}] * 2},
        400,
        "outputs: expected each name once",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_explained(server, name):
    path, body, status, message = WRONG[name]
    received, answer, _ = server.ask(path, body)
    assert received == status
    assert message in answer["error"]


@pytest.mark.parametrize(
    "name, status",
    [
        ("localhost:80", 200),
        ("LOCALHOST", 200),
        ("a.localhost", 200),
        ("192.168.0.7:80", 200),
        ("[::1]:80", 200),
        ("Demo.example.org", 200),
        ("evil.example.org", 403),
        ("localhost.evil.example.org", 403),
        ("127.0.0.1.evil.example.org:8080", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_a_name_of_a_stranger_that_points_at_this_machine_is_refused(server, name, status):
    received, answer, _ = server.ask("/models", headers={"Host": name})
    assert received == status
    if status == 403:
        assert "unknown host name" in answer["error"] and "--allow-host" in answer["error"]


def test_a_mistake_in_a_batch_is_not_that_of_others(server, translator):
    bad = {"text": "a", "model": "text", "prefix": "qqq"}
    good = {"text": "The cat is small.", "model": "text", "prefix": ""}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: server.ask("/translate", body), [bad, good] * 16))
    assert [status for status, *_ in answers] == [400, 200] * 16
    (expected,) = translator.translate(["The cat is small."])
    assert all(answer["translations"][0]["text"] == expected.text for _, answer, _ in answers[1::2])


def test_requests_have_ids_and_are_logged_without_texts(server):
    secret = "Geheimnis"
    question = {"text": secret, "model": "text"}
    *_, headers = server.ask("/translate", question, {"X-Request-Id": "mine-7"})
    assert headers["x-request-id"] == "mine-7"
    *_, headers = server.ask("/translate", question, {"X-Request-Id": "not valid"})
    assert headers["x-request-id"] != "not valid"
    events = server.events("request")
    (event,) = [event for event in events if event["id"] == "mine-7"]
    assert event["status"] == 200 and event["path"] == "/translate"
    assert (event["model"], event["sources"]) == ("text", 1)
    assert secret not in str(events)


def test_metrics_count_requests_and_sources(server):
    def count(name):
        _, text, _ = server.ask("/metrics")
        values = [line.split()[-1] for line in text.splitlines() if line.startswith(name + " ")]
        return float(values[0]) if values else 0.0

    requests = 'kseq_requests_total{protocol="translate",status="200"}'
    before = count(requests), count('kseq_sources_total{model="text"}')
    server.ask("/translate", {"text": ["a", "b"], "model": "text"})
    assert (count(requests), count('kseq_sources_total{model="text"}')) == (
        before[0] + 1,
        before[1] + 2,
    )
    assert count('kseq_workers{model="text"}') == 1


class Load:
    """Clients that ask for the translation of one sentence until they are stopped."""

    def __init__(self, server, model, clients=8):
        self._server, self._model = server, model
        self._is_over = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(clients)
        self._clients = [self._pool.submit(self._run) for _ in range(clients)]

    def _run(self):
        answers = set()
        while not self._is_over.is_set():
            question = {"text": SENTENCES[0], "model": self._model}
            status, answer, _ = self._server.ask("/translate", question)
            best = answer["translations"][0] if status == 200 else {"text": str(answer)}
            best = best[0] if isinstance(best, list) else best
            answers.add((status, best["text"], answer.get("version")))
        return answers

    def stop(self):
        """Returns the different answers, a set of status, text and version."""
        self._is_over.set()
        with self._pool:
            return set().union(*(client.result() for client in self._clients))


def test_a_worker_that_is_killed_is_replaced_and_no_request_is_lost(server, translator):
    (expected,) = translator.translate(SENTENCES[:1])
    ready = server.events("worker_ready")
    pid = [each["pid"] for each in ready if each["model"] == "text"][-1]
    load = Load(server, "text", clients=4)
    os.kill(pid, signal.SIGKILL)
    assert server.wait_for("worker_died")["pid"] == pid
    assert server.wait_for("worker_ready", len(ready) + 1)["model"] == "text"
    assert load.stop() == {(200, expected.text, "1")}
    assert server.ask("/v2/models/text/ready")[0] == 200


@pytest.mark.slow
def test_versions_change_without_losing_a_request(server, folders, translator):
    """A broken version is refused, and the old one stays; a good one replaces the old one."""
    place = folders["exported"]
    text = translator.translate(SENTENCES[:1], beam_size=3)[0].text
    load = Load(server, "exported")
    shutil.copytree(place / "3", place.parent / "broken")
    (place.parent / "broken" / "saved_model.pb").write_bytes(b"not a model")
    os.rename(place.parent / "broken", place / "4")
    refused = server.wait_for("refused")
    assert (refused["model"], refused["version"]) == ("exported", "4")
    assert "damaged" in refused["reason"]
    assert server.ask("/v1/models/exported")[1]["model_version_status"][0]["version"] == "3"
    shutil.copytree(place / "3", place / "5")
    drained = server.wait_for("drained")
    assert (drained["model"], drained["version"]) == ("exported", "3")
    assert load.stop() == {(200, text, "3"), (200, text, "5")}


@pytest.mark.slow
def test_a_model_for_litert_is_served_without_tensorflow(translator, tmp_path):
    lite = pytest.importorskip("kseq.lite", reason="needs kseq.lite")
    pytest.importorskip("ai_edge_litert", reason="needs pip install kseq[lite]")
    translator.export(tmp_path / "exported", format="litert", beam_size=3, n_best=2)
    with Served(tmp_path, tmp_path / "exported", "--workers", "1") as server:
        server.wait_for("serving")
        pid = server.events("worker_ready")[0]["pid"]
        maps = pathlib.Path(f"/proc/{pid}/maps")
        assert not maps.exists() or "libtensorflow" not in maps.read_text()
        question = {"text": SENTENCES, "attention": True}
        status, answer, _ = server.ask("/translate", question)
    assert status == 200
    expected = lite.Translator(tmp_path / "exported").translate(SENTENCES)
    for results, translations in zip(answer["translations"], expected, strict=True):
        assert [each["text"] for each in results] == [each.text for each in translations]
        for result, translation in zip(results, translations):
            np.testing.assert_allclose(result["score"], translation.score, atol=1e-5)
            weights = np.reshape(result["attention"], translation.attention.shape)
            np.testing.assert_allclose(weights, translation.attention, atol=1e-5)


@pytest.mark.slow
def test_requests_that_end_or_stop_workers_are_given_up(folders, tmp_path):
    small = {"values": [[[1.0, 1.0]]], "steps": 2}
    large = {"values": [[[1.0, 1.0]] * 50] * 128, "steps": 2000}  # takes seconds
    with Served(tmp_path, folders["curves"], "--workers", "1", "--timeout", "20") as server:
        pids = [server.wait_for("worker_ready")["pid"]]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.ask, "/translate", large)
            for count in (2, 3):
                wait_until_busy(pids[-1])
                os.kill(pids[-1], signal.SIGKILL)
                pids.append(server.wait_for("worker_ready", count)["pid"])
            status, body, _ = answer.result()
        assert status == 500
        assert body["error"] == "2 workers ended while they answered this request"
        assert server.ask("/translate", small)[0] == 200
        os.kill(pids[-1], signal.SIGSTOP)
        status, body, _ = server.ask("/translate", small)
        assert (status, body["error"]) == (504, "no answer within 20 s")
        server.wait_for("worker_ready", 4)
        assert server.events("worker_died")[-1]["reason"] == "no answer within 20 s"
        assert server.ask("/translate", small)[0] == 200


def wait_until_busy(pid, seconds=0.3):
    """Waits until a process has used the processor for some time."""
    begin = processor_seconds(pid)
    while processor_seconds(pid) < begin + seconds:
        pass


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_damaged_model_ends_the_command_with_the_reason(folders, tmp_path):
    shutil.copytree(folders["curves"], tmp_path / "curves")
    (tmp_path / "curves" / "model.weights.h5").write_bytes(b"no weights")
    with Served(tmp_path, tmp_path / "curves") as server:
        assert server.process.wait(120) == 1
    (line,) = [line for line in server.errors().splitlines() if line.startswith("kseq: curves")]
    assert line.startswith("kseq: curves: version 1: ") and "model.weights.h5" in line
    assert server.events("refused")[0]["model"] == "curves"


def test_a_signal_ends_the_server_after_the_last_answer(server):
    """The last test of this file, as it ends the server."""

    def waiting():
        lines = server.ask("/metrics")[1].splitlines()
        (line,) = (line for line in lines if line.startswith('kseq_waiting_sources{model="curves"'))
        return float(line.split()[-1])

    question = {"values": [[[1.0, 1.0]]], "steps": 500, "model": "curves"}
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = [pool.submit(server.ask, "/translate", question) for _ in range(128)]
        while not waiting():
            assert not all(answer.done() for answer in answers)
        server.process.send_signal(signal.SIGTERM)
        statuses = [answer.exception() or answer.result()[0] for answer in answers]
    # Whoever comes after the signal finds no server; nobody else is turned away.
    assert all(status == 200 or isinstance(status, ConnectionError) for status in statuses)
    assert statuses.count(200) >= 2
    assert server.process.wait(60) == 0
    assert server.events()[-1]["event"] == "stopped"
    assert "Traceback" not in server.errors()
