"""The examples in `deploy/`, as far as they can run without a cluster."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys

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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
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
