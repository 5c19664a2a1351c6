"""Fetching corpora from a server with copies of their files, some of them damaged."""

import gzip
import hashlib
import io
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile

import pytest
from file_server import serving

import kseq
from kseq import DownloadFailed, fetch, locks
from kseq.corpora import downloads, public_corpora
from kseq.corpora.integrity import check_file, check_table
from kseq.corpora.public_files import CORPORA
from kseq.recipes import load_recipe

PAIRS = "".join(f"Sentence {n}.\tFrase {n}.\tCC-BY 2.0\n" for n in range(500)).encode()
DICTIONARY = b"'bout B AW1 T\na AH0\na(2) EY1\naalborg AO1 L B AO0 R G # place, danish\n"


def archive(members=None, compression=zipfile.ZIP_DEFLATED):
    """Returns a zip as manythings.org packs it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in (members or {"spa.txt": PAIRS, "_about.txt": b"terms"}).items():
            member = zipfile.ZipInfo(name)  # It has the date 1980: the same bytes every time.
            file.writestr(member, content, compression)
    return buffer.getvalue()


def contents_of(folder):
    """Returns all files and folders in a folder, with the bytes of the files."""
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        server.files = {"/spa-eng.zip": archive(), "/cmudict.dict": DICTIONARY}
        yield server


def test_a_language_pair_is_fetched_unchanged(server, tmp_path):
    (path,) = fetch("spa-eng", tmp_path / "new" / "data", base=server.address)
    assert path == tmp_path / "new" / "data" / "spa-eng.zip"
    assert path.read_bytes() == archive()
    assert os.listdir(path.parent) == ["spa-eng.zip"], "nothing else is in the folder"
    assert next(iter(kseq.load_corpus(path).train)) == ("Sentence 0.", "Frase 0.")


def test_existing_files_are_not_fetched_again(server, tmp_path):
    server.files = {f"/mirror{path}": data for path, data in server.files.items()}
    for name in ("spa-eng", "cmudict"):
        (path,) = fetch(name, tmp_path, base=f"{server.address}/mirror/")
        before = path.stat().st_mtime_ns, len(server.requests)
        assert fetch(name, tmp_path, base=server.address) == [path]
        assert (path.stat().st_mtime_ns, len(server.requests)) == before


def test_the_next_call_removes_what_a_kill_has_left_of_a_complete_file(server, tmp_path):
    """The kill came before the note, or the plain file, was removed."""
    fetch("cmudict", tmp_path, base=server.address)
    for suffix in ("part", "part.json"):
        (tmp_path / f"cmudict.dict.gz.{suffix}").write_text("{}")
    fetch("cmudict", tmp_path, base=server.address)
    assert os.listdir(tmp_path) == ["cmudict.dict.gz"]


def test_the_next_call_continues_an_interrupted_download(server, tmp_path):
    server.faults = [("send_file", None, 1000), *[("status", 503)] * 3]
    with pytest.raises(DownloadFailed, match="the server answered 503 .*; 1,000 bytes are kept"):
        fetch("spa-eng", tmp_path, base=server.address)
    (path,) = fetch("spa-eng", tmp_path, base=server.address)
    assert server.ranges[-1] == "bytes=1000-"
    assert path.read_bytes() == archive()


def test_the_dictionary_is_compressed_to_the_same_bytes_every_time(server, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    first, second = (fetch("cmudict", folder, base=server.address)[0] for folder in folders)
    assert first.name == "cmudict.dict.gz" and gzip.decompress(first.read_bytes()) == DICTIONARY
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[3:8] == bytes(5), "neither name nor time"
    assert os.listdir(folders[0]) == ["cmudict.dict.gz"]


def serve_multi30k(server, folder):
    """Serves the files as upstream does: raw ones compressed, tokenised ones plain."""
    for path in folder.glob("*.gz"):
        server.files[f"/raw/{path.name}"] = path.read_bytes()
    for path in folder.glob("tok/*.gz"):
        server.files[f"/tok/{path.stem}"] = gzip.decompress(path.read_bytes())


def test_multi30k_is_fetched_and_a_missing_file_alone_is_fetched_again(
    server, shared_data, tmp_path
):
    folder = shared_data / "multi30k"
    serve_multi30k(server, folder)
    paths = fetch("multi30k", tmp_path, base=server.address)
    expected = {path.relative_to(folder) for path in folder.rglob("*.gz")}
    assert {path.relative_to(tmp_path) for path in paths} == expected and len(paths) == 15
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")} == expected
    for path in paths:
        original = folder / path.relative_to(tmp_path)
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(original.read_bytes())
    count = len(server.requests)
    paths[3].unlink()
    fetch("multi30k", tmp_path, base=server.address)
    assert [path for path, _ in server.requests[count:]] == [f"/raw/{paths[3].name}"]


@pytest.mark.parametrize("name", ["multi30k/train.de.gz", "multi30k/tok/val.lc.norm.tok.en.gz"])
def test_a_wrong_byte_is_an_error(server, shared_data, tmp_path, name):
    serve_multi30k(server, shared_data / "multi30k")
    address = name.replace("multi30k/tok", "/tok").replace("multi30k", "/raw")
    address = address.removesuffix(".gz") if "tok" in name else address
    damaged = bytearray(server.files[address])
    damaged[len(damaged) // 2] ^= 1
    server.files[address] = bytes(damaged)
    received = hashlib.sha256(damaged).hexdigest()
    message = rf"{address}: expected a file of SHA-256 \w{{64}}; received one of {received}; rem"
    with pytest.raises(DownloadFailed, match=message):
        fetch("multi30k", tmp_path, base=server.address)
    assert not [path for path in tmp_path.rglob(f"{os.path.basename(address)}*") if path.exists()]


def test_the_real_archives_and_the_real_dictionary_pass_their_checks(server, shared_data, tmp_path):
    for name in ("spa-eng", "cmn-eng"):
        original = shared_data / "tatoeba" / f"{name}.zip"
        server.files[f"/{name}.zip"] = original.read_bytes()
        (path,) = fetch(name, tmp_path, base=server.address)
        assert path.read_bytes() == original.read_bytes()
    original = shared_data / "cmudict" / "cmudict.dict.gz"
    server.files["/cmudict.dict"] = gzip.decompress(original.read_bytes())
    (path,) = fetch("cmudict", tmp_path, base=server.address)
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(original.read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "x",
        "../spa-eng",
        "/etc/passwd",
        "..%2fspa-eng",
        "spa-eng/",
        "spa-eng.zip",
        "SPA-eng",
    ]
    + ["eng-spa", "spa-eng\n", "spä-eng", "spa-eng/../../x", "\0", "multi30k/..", None, 7],
)
def test_an_unknown_name_is_an_error(server, tmp_path, name):
    message = "unknown corpus: .*; expected multi30k, cmudict, .* or a language pair of https://www"
    with pytest.raises(ValueError, match=message):
        fetch(name, tmp_path / "inside", base=server.address)
    assert not server.requests and not list(tmp_path.iterdir())


def test_an_archive_writes_nothing_outside_its_folder(server, tmp_path):
    """The archive is not unpacked."""
    evil = {"../../evil.txt": PAIRS, "/tmp/evil": b"x", "..\\evil": b"x", "a/../../b": b"x"}
    server.files["/spa-eng.zip"] = archive(evil)
    inside = tmp_path / "a" / "b"
    (path,) = fetch("spa-eng", inside, base=server.address)
    assert set(contents_of(tmp_path)) == {tmp_path / "a", inside, path}
    assert not os.path.exists("/tmp/evil")


def damaged_archives():
    intact = archive()
    yield b"", "expected a complete file; received a damaged one: File is not a zip file"
    yield b"<html>not found</html>", "received a damaged one: File is not a zip file"
    yield intact[: len(intact) // 2], "received a damaged one: File is not a zip file"
    wrong = archive(compression=zipfile.ZIP_STORED).replace(b"Frase 7.", b"Frase 8.")
    yield wrong, "received a damaged one: the checksum of spa.txt is wrong"
    wrong = bytearray(intact)
    wrong[200] ^= 255
    yield bytes(wrong), "received a damaged one: "
    yield archive({"spa.txt": bytes(50_000_000)}), "archive of text; received .* to hold 50,000,000"
    yield archive({"a.exe": b"x"}), "expected a zip of one .txt; received one that holds a.exe"
    yield archive({"a.txt": PAIRS, "b.txt": PAIRS}), "zip of one .txt; .* holds a.txt, b.txt"
    yield archive({"_about.txt": b"x"}), "expected a zip of one .txt"
    yield archive({"spa.txt": b"no columns"}), "columns with tabs between them in spa.txt"
    yield archive({"spa.txt": b""}), "columns with tabs between them in spa.txt"
    encrypted = bytearray(archive(compression=zipfile.ZIP_STORED))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.index(mark) + place] |= 1
    yield bytes(encrypted), "damaged one: .*encrypted"


@pytest.mark.parametrize("data, message", list(damaged_archives()))
def test_a_damaged_archive_is_removed_and_reported(server, tmp_path, data, message):
    server.files["/spa-eng.zip"] = data
    with pytest.raises(DownloadFailed, match=f"{server.address}/spa-eng.zip: .*{message}.*remove"):
        fetch("spa-eng", tmp_path / "data", base=server.address)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "expected a dictionary; received an empty file"),
        (DICTIONARY[:-10], "a word and its phonemes; received in line 4: b'aalborg"),
        (b"404: Not Found", "received in line 1: b'404: Not Found'"),
        (b"word\n", "received in line 1"),
        (b"word AA1\n\n", "received in line 2"),
        (b"\xff" * 200_000, "received in line 1"),
    ],
)
def test_a_damaged_dictionary_is_removed_and_reported(server, tmp_path, data, message):
    server.files["/cmudict.dict"] = data
    with pytest.raises(DownloadFailed, match=message):
        fetch("cmudict", tmp_path / "data", base=server.address)
    assert not list(tmp_path.iterdir())


def test_damage_to_any_byte_of_an_archive_is_found_or_harmless(server, tmp_path):
    """Changes each byte of a small archive."""
    intact = archive({"spa.txt": PAIRS[:60], "_about.txt": b"terms"})
    file = public_corpora.find_corpus("spa-eng").files[0]
    for place in range(len(intact)):
        for value in (0, 255, intact[place] ^ 1):
            data = intact[:place] + bytes([value]) + intact[place + 1 :]
            try:
                check_file(file.check, io.BytesIO(data))
            except ValueError:
                continue
            with zipfile.ZipFile(io.BytesIO(data)) as read:
                assert PAIRS[:60] in [read.read(name) for name in read.namelist()]


def test_an_existing_file_of_the_user_is_not_touched(server, tmp_path):
    """It has the name of a file that would be fetched."""
    for name, file in (("spa-eng", "spa-eng.zip"), ("cmudict", "cmudict.dict.gz")):
        (tmp_path / file).write_text("mine")
        message = f"{file} already exists, but is not the file at {server.address}/.*; move it"
        with pytest.raises(FileExistsError, match=message):
            fetch(name, tmp_path, base=server.address)
        assert (tmp_path / file).read_text() == "mine"
    assert not server.requests


def test_a_language_pair_that_the_server_lacks_is_an_error(server, tmp_path):
    message = "xyz-eng.zip: .* answered 404 .*; perhaps there is no language pair xyz-eng: https://"
    with pytest.raises(ValueError, match=message):
        fetch("xyz-eng", tmp_path / "data", base=server.address)
    with pytest.raises(DownloadFailed, match="train.de.gz: the server answered 404"):
        fetch("multi30k", tmp_path / "data", base=server.address)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_invalid_options_are_errors(tmp_path, timeout):
    with pytest.raises(ValueError, match=f"seconds greater than 0; received {timeout}"):
        fetch("spa-eng", tmp_path, timeout=timeout)
    with pytest.raises(ValueError, match="expected an address such as .*; received 'file:///etc'"):
        fetch("spa-eng", tmp_path, base="file:///etc")


def test_a_folder_that_cannot_be_written_to_is_an_error(server, tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match=f"expected a folder; .*{tmp_path}/file$"):
            fetch("spa-eng", place, base=server.address)
    (tmp_path / "spa-eng.zip").mkdir()
    with pytest.raises(IsADirectoryError):
        fetch("spa-eng", tmp_path, base=server.address)
    assert not server.requests


def test_a_folder_without_permission_is_an_error(server):
    """Runs as a user other than root, as root may write anywhere."""
    program = """
import os, sys
from kseq.corpora.public_corpora import fetch  # Perhaps only root may read it.
if os.getuid() == 0:
    os.setuid(65534)
try:
    fetch(*sys.argv[1:])
except PermissionError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        words = ["spa-eng", f"{folder}/a/b", server.address]
        process = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True
        )
    assert process.stderr == ""
    assert process.stdout == f"cannot write to the folder {folder}; choose another one\n"


def test_only_one_process_at_a_time_fetches_a_corpus(server, tmp_path):
    with locks.lock(tmp_path / "spa-eng"):
        with pytest.raises(FileExistsError, match="another process is writing to .*spa-eng; wait"):
            fetch("spa-eng", tmp_path, base=server.address)
        fetch("cmudict", tmp_path, base=server.address)


def test_corpora_are_fetched_over_https():
    names = (*CORPORA, "spa-eng")
    for file in (file for name in names for file in public_corpora.find_corpus(name).files):
        downloads.require_address(f"{file.home}/{file.path}")
        assert file.home.startswith("https://")
        assert not os.path.isabs(file.name) and ".." not in file.name


def test_the_table_fits_in_a_hundred_columns():
    table = public_corpora.table()
    for word in (*CORPORA, "spa-eng", "CC BY", "BSD", "not commerce", "6.2 MB"):
        assert word in table
    assert max(map(len, table.splitlines())) <= 100


@pytest.mark.parametrize("name", ["multi30k", "cmudict", "spa-eng"])
def test_the_next_command_names_files_of_the_corpus(name):
    """In a folder whose name needs quotes."""
    corpus = public_corpora.find_corpus(name)
    words = shlex.split(corpus.next_command("my {data}"))
    assert words[:3] == ["kseq", "train", "--train"]
    files = {word for word in words if word.startswith("my {data}/")}
    assert files and files <= {f"my {{data}}/{file.name}" for file in corpus.files}


@pytest.mark.parametrize("name", ["sigmorphon2020-g2p", "inflection2023"])
def test_the_next_command_is_that_of_a_recipe(name, tmp_path):
    words = shlex.split(public_corpora.find_corpus(name).next_command(tmp_path))
    assert words[:4] == ["kseq", "train", "--recipe", name]
    with pytest.raises(FileNotFoundError, match=f"fetch it with: kseq fetch {name}"):
        load_recipe(name).open_corpus(tmp_path, words[words.index("--language") + 1])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a\tb\nc\td\n", None),
        (b"a\tb\n", "expected 2 lines; received 1"),
        (b"a\tb\nc\td", "in line 2"),
        (b"a\tb\nc\n", "expected 2 columns with tabs between them; received 1 in line 2"),
        (b"", "expected 2 lines; received 0"),
    ],
)
def test_a_table_is_checked_by_its_lines_and_columns(content, message):
    check = check_table(lines=2, columns=2)
    if message is None:
        check_file(check, io.BytesIO(content))
    else:
        with pytest.raises(ValueError, match=message):
            check_file(check, io.BytesIO(content))


def test_the_files_of_the_shared_tasks_are_those_of_the_measurements(shared_data):
    """Their training and validation files; the test files are kept elsewhere."""
    folders = {"sigmorphon2020-g2p": "sigmorphon2020", "inflection2023": "inflection2023"}
    for name, folder in folders.items():
        for file in CORPORA[name].files:
            path = shared_data / folder / file.name
            if path.exists():
                with gzip.open(path) if file.is_stored_compressed else open(path, "rb") as opened:
                    check_file(file.check, opened)
            else:
                assert "test" in file.name or ".tst" in file.name
