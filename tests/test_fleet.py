"""The examples in `deploy/`, as far as they can run without a cluster."""

import importlib.util
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request

import pytest
import yaml
from conftest import ROOT
from untrained import untrained_translator

DEPLOY = ROOT / "deploy"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def test_tensorflow_serving_finds_its_model_and_its_clients_find_it():
    deployment, service = documents("tensorflow_serving.yaml")
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    arguments = dict(each.removeprefix("--").split("=") for each in container["args"])
    (mount,) = container["volumeMounts"]
    assert arguments["model_base_path"] == f"{mount['mountPath']}/{arguments['model_name']}"
    (volume,) = template["spec"]["volumes"]
    assert volume["name"] == mount["name"] and mount["readOnly"]
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports["rest"] == int(arguments["rest_api_port"])
    assert {each["targetPort"] for each in service["spec"]["ports"]} == set(ports)
    probe = container["readinessProbe"]["httpGet"]
    assert probe == {"path": f"/v1/models/{arguments['model_name']}", "port": "rest"}


def test_kserve_probes_the_port_of_the_container():
    (service,) = documents("kserve.yaml")
    (container,) = service["spec"]["predictor"]["containers"]
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    (port,) = re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)
    command = json.loads(re.search(r"^CMD (.+)$", text, re.MULTILINE)[1])
    assert command[:2] == ["kseq", "serve"] and command[-2:] == ["--port", port]
    assert [each["containerPort"] for each in container["ports"]] == [int(port)]
    for probe, path in (("readinessProbe", "ready"), ("livenessProbe", "live")):
        expected = {"path": f"/v2/health/{path}", "port": int(port)}
        assert container[probe]["httpGet"] == expected
    (user,) = re.findall(r"^USER (\d+)$", text, re.MULTILINE)
    assert container["securityContext"]["runAsUser"] == int(user) > 0


class Container:
    """The steps of the Containerfile without a container: in a folder, and a virtual environment.

    Args:
        folder: Folder in place of the root of the file system.
    """

    def __init__(self, folder):
        text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self._steps = [line.split(maxsplit=1) for line in lines]
        self._folder = folder

    def build(self, context):
        """Runs the steps that make the image, with the files of `context`."""
        subprocess.run([sys.executable, "-m", "venv", self._folder / "venv"], check=True)
        for kind, text in self._steps:
            words = shlex.split(text)
            if kind == "COPY":
                shutil.copytree(context / words[0], self._inside(words[1]))
            elif kind == "RUN" and words[0] == "pip":
                program = self._folder / "venv/bin/pip"
                subprocess.run([program, *map(self._inside, words[1:])], check=True)
            else:
                assert kind in ("FROM", "USER", "EXPOSE", "CMD") or words[0] == "useradd", text

    def start(self, port):
        """Starts the command of the image, as the user of the test."""
        program, *words = json.loads(dict(self._steps)["CMD"])
        words[words.index("--host") + 1 :] = ["127.0.0.1", "--port", str(port)]
        command = [self._folder / "venv/bin" / program, *map(self._inside, words)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"]},
        )

    def _inside(self, path):
        return f"{self._folder}{path}" if path.startswith("/") else path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def ask(port, text):
    data = json.dumps({"text": text}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/translate", data, timeout=60) as answer:
        return json.load(answer)["translations"][0]["text"]


@pytest.mark.slow  # installs everything into a new environment
def test_the_steps_of_the_containerfile_serve_a_model(tmp_path):
    translator = untrained_translator([], ["a", "b", "c"], ["x", "y"])
    context = tmp_path / "context"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, context / name)
    (context / "models").mkdir()
    translator.export(context / "models" / "en-fr", version=1, maximum_length=4)
    with tempfile.TemporaryDirectory() as name:
        container, port = Container(pathlib.Path(name)), free_port()
        container.build(context)
        with container.start(port) as process:
            try:
                lines = list(
                    itertools.takewhile(lambda line: "serving en-fr" not in line, process.stdout)
                )
                assert process.poll() is None, lines
                answers = [ask(port, text) for text in ("a b", "c", "")]
            finally:
                process.terminate()
                process.communicate()
        assert process.returncode == 0
    results = translator.translate(["a b", "c", ""], maximum_length=4)
    assert answers == [each.text for each in results]


PROGRAM = """
import concurrent.futures, json, sys, urllib.request
import ray
from ray import serve

ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20,
         _node_ip_address="127.0.0.1", log_to_driver=False)
port = int(sys.argv[1])
serve.start(http_options={"host": "127.0.0.1", "port": port})
from deploy.ray_serve import app

def ask(text):
    data = json.dumps({"text": text}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}", data, timeout=60) as answer:
        return json.load(answer)["translation"]

serve.run(app)
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(ask, json.loads(sys.argv[2])))
states = serve.status().applications["default"].deployments["Translation"].replica_states
print(json.dumps([answers, {str(state): count for state, count in states.items()}]))
serve.shutdown()
ray.shutdown()
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray[serve]")
def test_two_replicas_of_ray_answer_as_the_model_does(tmp_path):
    translator = untrained_translator([], ["a", "b", "c"], ["x", "y"])
    folder = translator.export(tmp_path / "model", maximum_length=4)
    requests = [["a b", "c"], ["b"], ["c a b"]] * 10
    expected = [
        [each.text for each in translator.translate(texts, maximum_length=4)] for texts in requests
    ]
    port = free_port()
    environment = {**os.environ, "KSEQ_MODEL": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(port), json.dumps(requests)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        cwd=ROOT,
    )
    assert output.returncode == 0, output.stderr[-2000:]
    # Ray writes messages of its own to the output.
    (line,) = (each for each in output.stdout.splitlines() if each.startswith("[["))
    answers, states = json.loads(line)
    assert answers == expected and list(states.values()) == [2]
