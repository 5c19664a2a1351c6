"""Several processes that train together: how they are named, started and ended."""

import json
import os
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
import yaml
from conftest import ROOT
from documents import sections_of

from kseq.cli import devices, launching
from kseq.cluster import Cluster, local_config
from kseq.training.workers import Workers, explain_end

HOSTS = ["a:1", "b:2", "c:3"]
TASK = {"type": "worker", "index": 1}
# As TensorFlow 2.21 words them.
LOST = """Graph execution error:
Collective ops is aborted by: Error reported from /job:worker/task:2: The following tasks are \
unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:2
The tasks have crashed."""
RESET = """Collective ops is aborted by: recvmsg:Connection reset by peer
Additional GRPC error information from remote target /job:worker/replica:0/task:0 while calling"""
REPORTED = """Collective ops is aborted by: Error reported from /job:chief/task:0: kseq: runs/x \
already holds a run [type.googleapis.com/tensorflow.DerivedStatus='']
The error could be from a previous operation."""


def config(cluster, task):
    return json.dumps({"cluster": cluster, "task": task})


def test_a_cluster_is_read_as_tensorflow_reads_it():
    cluster = Cluster.read(config({"chief": HOSTS[:1], "worker": HOSTS[1:]}, TASK))
    assert cluster.jobs == (("chief", 0), ("worker", 0), ("worker", 1))
    assert cluster.number == 2 and not cluster.is_chief
    assert cluster.name() == "worker 2 of 3 (c:3)"
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": HOSTS}), task_type="worker", task_id=0
    )
    cluster = Cluster.read(config(resolver.cluster_spec().as_dict(), {**TASK, "index": 0}))
    assert cluster.is_chief and cluster.addresses == tuple(HOSTS)


@pytest.mark.parametrize("text", ["", "{}", config({"worker": HOSTS[:1]}, {**TASK, "index": 0})])
def test_without_others_there_is_no_cluster(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert Cluster.read() is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", r"TF_CONFIG must be like .*; received \{"),
        ("[]", r"must be like .*received \[\]"),
        (config({"worker": 5}, TASK), "must be like"),
        (config({"worker": HOSTS}, {"type": "worker", "index": "x"}), "must be like"),
        (config({"worker": HOSTS, "ps": ["d:4"]}, TASK), "of the type ps; kseq trains with"),
        (config({"worker": HOSTS}, {**TASK, "index": 3}), "the worker with the index 3, which is"),
        (config({"worker": HOSTS}, {}), "which of the 3 workers this process is: add"),
        (config({"worker": "a:1"}, TASK), "must be like"),
        (config({"worker": ["a", "b:2"]}, TASK), "must be like"),
        (config({"worker": ["a:1", "a:1"]}, TASK), "names an address twice: a:1, a:1"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        Cluster.read(text)


@pytest.mark.parametrize(
    "text, message",
    [
        (LOST, r"worker 2 of 3 \(c:3\) has ended, or can no longer be reached; run the same"),
        (RESET, r"worker 0 of 3 \(a:1\) has ended, or can"),
        ("Failed to send RPC to coordination service", "another worker has ended, or can"),
    ],
)
def test_a_lost_worker_is_named(text, message):
    cluster = Cluster.read(config({"worker": HOSTS}, TASK))
    with pytest.raises(RuntimeError, match=message):
        raise RuntimeError(explain_end(text, cluster))


def test_the_reason_of_another_worker_is_shown():
    cluster = Cluster.read(config({"chief": HOSTS[:1], "worker": HOSTS[1:]}, TASK))
    message = "worker 0 of 3 (a:1) has ended: runs/x already holds a run"
    assert explain_end(REPORTED, cluster) == message


def test_a_single_process_shares_with_itself():
    workers = Workers()
    assert workers.is_chief and not workers.are_several
    assert workers.share({"a": [1.5]}) == {"a": [1.5]} and workers.share_bytes(b"x") == b"x"
    workers.require_same({"units": 1})
    with pytest.raises(ValueError, match="own"), workers.together():
        raise ValueError("own")
    with pytest.raises(TypeError, match="strategy must be .*Mirrored.*; received 'all'"):
        Workers("all")


def test_local_workers_have_ports_of_their_own():
    ports = launching._free_ports(3)
    clusters = [Cluster.read(local_config(ports, number)) for number in range(3)]
    assert len(set(ports)) == 3
    assert [cluster.number for cluster in clusters] == [0, 1, 2]
    assert clusters[2].addresses[1] == f"127.0.0.1:{ports[1]}"


def test_cores_and_gpus_are_shared_out(monkeypatch):
    if hasattr(os, "sched_setaffinity"):
        cores, shared = os.sched_getaffinity(0), set()
        for number in range(len(cores)):
            with launching._cores_of(number, len(cores)):
                shared |= os.sched_getaffinity(0)
                assert len(os.sched_getaffinity(0)) == 1
        assert shared == cores == os.sched_getaffinity(0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7,GPU-x")
    parts = [launching._gpus_of(number, 2)["CUDA_VISIBLE_DEVICES"] for number in range(2)]
    assert parts == ["3,7", "5,GPU-x"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert launching._gpus_of(0, 2) == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ValueError, match="as many workers as GPUs, 1; received -n 2 .*DEVICES= k"):
        launching._gpus_of(0, 2)


def test_a_worker_gets_cores_of_one_processor(tmp_path, monkeypatch):
    """Two processors of two cores with two threads each, numbered in turn."""
    for core in range(8):
        (tmp_path / f"{core}").mkdir()
        (tmp_path / f"{core}" / "physical_package_id").write_text(f"{core % 2}\n")
        (tmp_path / f"{core}" / "core_id").write_text(f"{core // 2 % 2}\n")
    monkeypatch.setattr(launching, "_TOPOLOGY", f"{tmp_path}/{{}}/{{}}")
    assert sorted(range(8), key=launching._place_of_core) == [0, 4, 2, 6, 1, 5, 3, 7]
    monkeypatch.setattr(launching, "_TOPOLOGY", f"{tmp_path}/missing {{}} {{}}")
    assert sorted([2, 10, 1], key=launching._place_of_core) == [1, 2, 10]


def test_signals_end_a_process_that_waits_and_are_handled_again_later():
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    with devices._signals_that_end_at_once():
        for kind in (signal.SIGINT, signal.SIGTERM):
            assert signal.getsignal(kind) == signal.SIG_DFL
            signal.signal(kind, lambda *_: None)  # as TensorFlow does
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == handlers


class Programs(launching.Launch):
    """Runs a Python program in place of `kseq`; each knows its TF_CONFIG."""

    def __init__(self, program, count):
        super().__init__([], count)
        self._command = [sys.executable, "-c", "import os, sys, time\n" + program]


NUMBER = "number = int(os.environ['TF_CONFIG'].split('index\": ')[1].rstrip('}'))\n"


def test_errors_of_all_workers_and_the_output_of_the_first_are_shown(capfd):
    program = NUMBER + "print('out', number)\nprint('error', number, file=sys.stderr)"
    with Programs(program, 3) as processes:
        assert processes.wait() == 0
    captured = capfd.readouterr()
    assert captured.out == "out 0\n"
    lines = sorted(captured.err.splitlines())
    assert lines == ["error 0", "worker 1: error 1", "worker 2: error 2"]


@pytest.mark.parametrize(
    "end, code", [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + signal.SIGKILL)]
)
def test_a_worker_that_fails_ends_all_others(end, code, monkeypatch):
    monkeypatch.setattr(launching, "_SECONDS_TO_END", 0.5)
    with Programs(NUMBER + f"{end} if number else time.sleep(60)", 2) as processes:
        assert processes.wait() == code
    assert all(process.returncode is not None for process in processes._processes)


def test_signals_are_passed_on():
    program = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
    program += "print('ready', flush=True)\ntime.sleep(60)"
    with Programs(program, 2) as processes:
        # The second signal finds those that were not ready for the first.
        while processes._processes[0].poll() is None or processes._processes[1].poll() is None:
            signal.raise_signal(signal.SIGTERM)
        assert processes.wait() in (5, 128 + signal.SIGTERM)


@pytest.mark.parametrize(
    "words, message",
    [
        (["-n", "0", "train"], "-n must be at least 1; received 0"),
        (
            ["-n", "2", "evaluate", "run"],
            "expected a command of kseq train after -n N; received ev",
        ),
        (["-n", "2"], "after -n N; received none"),
        (["-n", "2", "train", "--train", "missing.tsv", "--out", "x"], "not found: missing.tsv"),
        (
            ["-n", "2", "train", "--corpus", "en-fr", "--out", "x", "--set", "unit=2"],
            "unknown setting",
        ),
    ],
)
def test_mistakes_are_found_before_a_worker_starts(words, message, command, monkeypatch):
    monkeypatch.setattr(launching, "Launch", None)
    code, _, error = command("launch", *words)
    assert code == 2 and message in error


DEVICES = ROOT / "docs" / "devices.md"
# Stubs for the commands of a cluster. They run the second of two tasks, and `kseq` prints its
# arguments and its TF_CONFIG.
STUBS = {
    "scontrol": 'test "$*" = "show hostnames node[1-2]" && printf "node1\\nnode2\\n"',
    "srun": 'SLURM_PROCID=1 "$@"',
    "kseq": 'echo "$TF_CONFIG"; echo "$@" >&2',
}


def run_recipe(script, folder, **variables):
    """Runs a script of docs/devices.md; returns the `Cluster` and the arguments that `kseq` got."""
    for name, text in STUBS.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", **variables}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return Cluster.read(done.stdout), done.stderr.split()


def find_recipe(heading):
    """Returns the text of the code block below a heading of docs/devices.md."""
    (section,) = (each for each in sections_of(DEVICES) if each.title == heading)
    return section.blocks[0].text


def test_the_recipe_for_slurm_names_all_workers(tmp_path):
    script = find_recipe("SLURM")
    cluster, arguments = run_recipe(script, tmp_path, SLURM_JOB_NODELIST="node[1-2]")
    assert cluster.addresses == ("node1:2222", "node2:2222") and cluster.number == 1
    assert arguments[0] == "train"


def test_the_recipe_for_kubernetes_names_all_workers(tmp_path):
    service, job = yaml.safe_load_all(find_recipe("Kubernetes"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["bash", "-c"]
    (script,) = container["args"]
    cluster, arguments = run_recipe(script, tmp_path, JOB_COMPLETION_INDEX="1")
    # A pod of an indexed Job is called JOB-INDEX, and found below the subdomain of its service.
    assert service["metadata"]["name"] == pod["subdomain"]
    name = job["metadata"]["name"]
    hosts = [
        f"{name}-{number}.{pod['subdomain']}:2222" for number in range(job["spec"]["completions"])
    ]
    assert list(cluster.addresses) == hosts and cluster.number == 1
    assert arguments[0] == "train"
