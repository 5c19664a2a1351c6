"""Downloads from a real server that fails in many ways."""

import json
import os
import random
import resource
import shutil
import signal
import ssl
import subprocess
import sys

import pytest
from file_server import serving, tag_of

from kseq import DownloadFailed
from kseq.corpora import downloads
from kseq.corpora.downloads import Part, download

DATA = random.Random(1).randbytes(300_000)
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    assert list(downloads.PAUSES) == sorted(set(downloads.PAUSES)), "pauses grow"
    monkeypatch.setattr(downloads, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        server.files["/a.zip"] = DATA
        yield server


@pytest.fixture
def fetch(server, tmp_path):
    """Returns a function that downloads a.zip and returns its bytes."""

    def download_bytes(**options):
        part = download(f"{server.address}/a.zip", tmp_path / "a.zip", **options)
        assert part.path == tmp_path / "a.zip.part"
        return part.path.read_bytes()

    return download_bytes


def test_a_file_is_downloaded_unchanged(server, fetch, tmp_path):
    reports = []
    assert fetch(report=lambda *report: reports.append(report)) == DATA
    assert reports[0] == (0, len(DATA)) and reports[-1] == (len(DATA), len(DATA))
    _, headers = server.requests[0]
    assert headers["User-Agent"] == "kseq/0.1.0" and headers["Range"] is None
    part = Part(tmp_path / "a.zip")
    part.move_to(tmp_path / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_broken_download_continues_where_it_stopped(server, fetch):
    server.faults = [("send_file", None, 100_000), ("send_file", None, 150_000)]
    assert fetch() == DATA
    assert server.ranges == [None, "bytes=100000-", "bytes=250000-"]
    assert server.sent == len(DATA), "no byte is sent twice"


@pytest.mark.parametrize("kill_at", [0, 1, 150_000, len(DATA)])
def test_a_kill_loses_no_bytes_that_were_written(server, fetch, tmp_path, kill_at):
    program = f"""
import os, signal, sys
from kseq.corpora.downloads import download
def report(done, total):
    if done >= {kill_at}:
        os.kill(os.getpid(), signal.SIGKILL)
download(sys.argv[1], sys.argv[2], report=report)
"""
    command = [sys.executable, "-c", program, f"{server.address}/a.zip", tmp_path / "a.zip"]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    size = Part(tmp_path / "a.zip").size
    assert size >= kill_at - 65_536
    assert fetch() == DATA
    assert server.ranges[1:] == [f"bytes={size}-" if size else None]


def test_a_new_version_is_downloaded_from_the_start(server, fetch):
    """Parts of two versions could together have the right length."""
    new_version = DATA[::-1]
    server.faults = [("send_file", None, 100_000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "PAUSES", ())
        with pytest.raises(DownloadFailed, match="cut off after 100,000 of 300,000 bytes; 100,000"):
            fetch()
    server.files["/a.zip"] = new_version
    assert fetch() == new_version
    assert server.requests[-1][1]["If-Range"] == tag_of(DATA)


def test_a_part_from_another_address_is_not_continued(server, tmp_path):
    """The same tag at another address may belong to another file."""
    server.files["/other"] = DATA[::-1]
    server.faults = [("send_file", '"1"', 100_000), ("send_file", '"1"')]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "PAUSES", ())
        with pytest.raises(DownloadFailed):
            download(f"{server.address}/a.zip", tmp_path / "a.zip")
    part = download(f"{server.address}/other", tmp_path / "a.zip")
    assert part.path.read_bytes() == DATA[::-1]


def test_a_server_without_ranges_sends_the_whole_file_again(server, fetch):
    server.faults = [("send_file", None, 100_000), ("without_ranges",)]
    assert fetch() == DATA
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    "headers, version",
    [
        ({"ETag": '"strong"', "Last-Modified": MODIFIED}, '"strong"'),
        ({"ETag": 'W/"weak"', "Last-Modified": MODIFIED}, MODIFIED),
        ({"Last-Modified": MODIFIED}, MODIFIED),
        ({"ETag": 'W/"weak"'}, None),
        ({}, None),
    ],
)
def test_only_strong_tags_and_dates_identify_a_version(server, fetch, headers, version):
    server.faults = [("without_ranges", 100_000, headers), ("without_ranges",)]
    assert fetch() == DATA
    assert server.requests[1][1]["If-Range"] == version
    assert server.ranges[1] == (version and "bytes=100000-")


@pytest.mark.parametrize("note", ["", "{", "[]", "null", '{"address": 1}', '"text"'])
def test_a_part_with_a_damaged_note_is_downloaded_from_the_start(server, fetch, tmp_path, note):
    (tmp_path / "a.zip.part").write_bytes(b"something")
    (tmp_path / "a.zip.part.json").write_text(note)
    assert fetch() == DATA


def write_part(tmp_path, server, data, version=None):
    """Writes a part of a.zip and its note, as an interrupted download leaves them."""
    (tmp_path / "a.zip.part").write_bytes(data)
    note = {"address": f"{server.address}/a.zip", "version": version or tag_of(DATA)}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(note))


def test_a_part_of_another_program_is_refused_and_not_touched(server, fetch, tmp_path):
    """Browsers give the same names to unfinished downloads."""
    (tmp_path / "a.zip.part").write_bytes(b"something")
    with pytest.raises(FileExistsError, match=r"a\.zip\.part .*is not a download of kseq; move it"):
        fetch()
    assert (tmp_path / "a.zip.part").read_bytes() == b"something"
    assert not server.requests


def test_a_complete_part_is_not_downloaded_again(server, fetch, tmp_path):
    write_part(tmp_path, server, DATA)
    assert fetch() == DATA
    assert server.sent == 0


def test_a_part_longer_than_the_file_is_downloaded_from_the_start(server, fetch, tmp_path):
    write_part(tmp_path, server, DATA + b"more")
    assert fetch() == DATA


@pytest.mark.parametrize("span", ["bytes 5-299999/300000", "bytes x", "", "bytes 100-299999/*"])
def test_a_wrong_range_is_refused(server, fetch, tmp_path, span):
    write_part(tmp_path, server, DATA[:100])
    response = f"HTTP/1.1 206 Partial\r\nContent-Range: {span}\r\nContent-Length: 5\r\n\r\n12345"
    server.faults = [("raw", response.encode())]
    assert fetch() == DATA
    assert server.ranges == ["bytes=100-", None]


def test_a_silent_connection_is_closed_and_the_download_continues(server, fetch, tmp_path):
    server.faults = [("send_file", None, 100_000, True)]
    assert fetch(timeout=0.5) == DATA
    assert server.ranges == [None, "bytes=100000-"]
    server.faults = [("send_file", None, 5, True)] * 4
    with pytest.raises(DownloadFailed, match="b: the connection broke: timed out; 20 bytes"):
        server.files["/b"] = DATA
        download(f"{server.address}/b", tmp_path / "b", timeout=0.2)


def test_a_slow_connection_is_not_closed(server, fetch):
    """Regular bytes keep a connection open, no matter how long the file takes."""
    server.files["/a.zip"] = DATA[:12]
    server.faults = [("trickle",)]
    assert fetch(timeout=1.0) == DATA[:12]
    assert len(server.requests) == 1


def test_the_download_gives_up_after_a_few_attempts_and_keeps_its_bytes(server, fetch, tmp_path):
    server.faults = [("send_file", None, 1000)] * 4
    with pytest.raises(DownloadFailed, match=r"a.zip: cut off after 4,000 of 300,000 bytes; 4,000"):
        fetch()
    assert fetch() == DATA
    assert server.ranges[-1] == "bytes=4000-"


@pytest.mark.parametrize("code", [401, 403, 404, 406, 410])
def test_a_refusal_is_final(server, fetch, tmp_path, code):
    server.faults = [("status", code)]
    with pytest.raises(DownloadFailed, match=rf"/a.zip: the server answered {code} \w+") as raised:
        fetch()
    assert raised.value.status == code
    assert len(server.requests) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_with_a_temporary_error_is_asked_again(server, fetch, code):
    server.faults = [("send_file", None, 1000), ("status", code), ("status", code)]
    assert fetch() == DATA
    assert server.ranges[-1] == "bytes=1000-"
    server.faults = [("status", code)] * 4
    with pytest.raises(DownloadFailed, match=f"the server answered {code}"):
        download(f"{server.address}/b", "b")


def test_a_web_page_is_not_mistaken_for_the_file(server, fetch, tmp_path):
    write_part(tmp_path, server, DATA[:100])
    page = b"<html>sign in to the network</html>"
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    server.faults = [("raw", response)]
    with pytest.raises(DownloadFailed, match=r"expected a file; received a web page \(HTML\)"):
        fetch()
    assert Part(tmp_path / "a.zip").size == 100, "the part is unchanged"


@pytest.mark.parametrize(
    "response, message",
    [
        (b"what?\r\n\r\n", "no answer: what"),
        (b"", "no answer: Remote end closed connection"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "expected a file; the server answered 204 No Content"),
        (
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/2\r\n\r\nab",
            "the server answered 206",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "the connection broke"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "the connection broke"),
    ],
)
def test_an_invalid_response_is_an_error(server, fetch, response, message):
    server.faults = [("raw", response)] * 4
    with pytest.raises(DownloadFailed, match=message):
        fetch()


def test_a_response_may_have_no_length(server, fetch):
    chunks = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    server.faults = [("raw", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)]
    assert fetch() == b"abcde"


def test_a_missing_server_is_an_error(tmp_path):
    with serving() as stopped_server:
        address = stopped_server.address
    with pytest.raises(DownloadFailed, match=f"{address}/a: no answer: Connection refused"):
        download(f"{address}/a", tmp_path / "a")
    with pytest.raises(DownloadFailed, match="http://nowhere.invalid/a: no answer: "):
        download("http://nowhere.invalid/a", tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_redirects_to_http_are_followed_a_few_times_and_others_refused(server, fetch):
    server.faults = [("redirect", "/elsewhere/../../../b.zip")]
    server.files["/b.zip"] = DATA
    assert fetch() == DATA
    for address in ("/a.zip", "file:///etc/passwd", "ftp://127.0.0.1:1/x"):
        server.faults = [("redirect", address)] * 20
        with pytest.raises(DownloadFailed, match="127.0.0.1"):
            download(f"{server.address}/a.zip", "b.zip")


@pytest.fixture
def secure_server(tmp_path):
    """A server with a self-signed certificate."""
    if not shutil.which("openssl"):
        pytest.skip("needs the command openssl, to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
        + ["-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.certificate = certificate
        yield server


def test_a_redirect_never_leads_from_https_to_http(secure_server, server, tmp_path, monkeypatch):
    address = secure_server.address.replace("http:", "https:") + "/a"
    with pytest.raises(DownloadFailed, match="/a: its certificate is not valid: self.signed"):
        download(address, tmp_path / "a")
    monkeypatch.setenv("SSL_CERT_FILE", str(secure_server.certificate))
    secure_server.files["/a"] = DATA
    assert download(address, tmp_path / "a").path.read_bytes() == DATA
    secure_server.faults = [("redirect", f"{server.address}/a.zip")]
    with pytest.raises(DownloadFailed, match=r"leads to http://\S+, which is not HTTPS"):
        download(address, tmp_path / "b")
    assert not server.requests


def test_a_full_disk_is_an_os_error_and_the_part_is_kept(server, fetch, tmp_path):
    """A disk may be too small for the announced length, or fill up during the download."""
    server.faults = [("raw", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\nab")]
    with pytest.raises(OSError, match="No space left on device") as raised:
        fetch()
    assert raised.value.filename == str(tmp_path)
    program = """
import signal, sys
from kseq.corpora.downloads import download
try:
    download(*sys.argv[1:])
except OSError as error:
    print(error.strerror, error.filename)
"""
    process = subprocess.run(
        [sys.executable, "-c", program, f"{server.address}/a.zip", tmp_path / "a.zip"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
    )
    assert process.stdout == f"File too large {tmp_path / 'a.zip.part'}\n", process.stderr
    assert fetch() == DATA
    assert server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize(
    "address",
    ["", "a.zip", "/etc", "file:///etc/passwd", "ftp://a/b", "http://", "http://a:x/", "http://a b"]
    + ["http://a/\nHost: b", "http://ä/", "https://[1/", "http://a:0/", "http://a:99999/"],
)
def test_an_invalid_address_is_an_error(address):
    with pytest.raises(ValueError, match="expected an address such as https://.*; received '"):
        downloads.require_address(address)


def test_only_the_part_file_is_touched(server, fetch, tmp_path):
    (tmp_path / "a.zip").write_text("old")
    (tmp_path / "b.zip.part").write_text("another")
    fetch()
    assert (tmp_path / "a.zip").read_text() == "old"
    assert (tmp_path / "b.zip.part").read_text() == "another"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "a.zip.part", "a.zip.part.json", "b.zip.part"]
