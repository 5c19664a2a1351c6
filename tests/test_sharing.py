"""A run in one file: packed, unpacked, and refused where it is not what `kseq pack` writes."""

import hashlib
import json
import os
import stat
import subprocess
import zipfile

import pytest
import yaml
from untrained import untrained_translator, write_run

import kseq
from kseq.runs.contents import check_contents
from kseq.runs.reading import read_run
from kseq.sharing.card import make_card


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with checkpoints, a state of training and a file of the user."""
    translator = untrained_translator([], ["a", "b"], ["x", "y"])
    folder = tmp_path_factory.mktemp("runs") / "letters"
    translator.save(folder)
    (folder / "checkpoints").mkdir()
    for name in ("checkpoints/epoch-0001.weights.h5", "training_state.1.npz", "secret.txt"):
        (folder / name).write_bytes(b"?")
    (folder / "history.csv").write_text("epoch,val_cross_entropy\n1,2.5\n2,1.25\n")
    return folder


SHARED = {"config.json", "run.json", "model.weights.h5", "history.csv"}
SHARED |= {"source_vocabulary.txt", "target_vocabulary.txt"}


@pytest.fixture
def packed(run, tmp_path):
    kseq.pack(run, tmp_path / "letters.kseq")
    return tmp_path / "letters.kseq"


def test_an_unpacked_run_is_the_same_run(run, packed, tmp_path):
    kseq.unpack(packed, tmp_path / "received")
    received = {path.name: path.read_bytes() for path in (tmp_path / "received").iterdir()}
    assert set(received) == {*SHARED, "README.md"}
    assert all((run / name).read_bytes() == received[name] for name in SHARED)
    assert kseq.Translator.load(tmp_path / "received").codecs.target.vocabulary[4:] == ("x", "y")
    # Packing it again gives the same file, with the card that it came with.
    kseq.pack(tmp_path / "received", tmp_path / "again.kseq")
    assert (tmp_path / "again.kseq").read_bytes() == packed.read_bytes()


def test_a_run_can_be_unpacked_again_and_no_card_of_before_is_lost(packed, tmp_path):
    place = tmp_path / "received"
    for _ in range(3):
        kseq.unpack(packed, place, overwrite=True)
    names = sorted(path.name for path in place.iterdir())
    assert names == sorted([*SHARED, "README.md"])
    (place / "README.md").write_text("mine")
    kseq.unpack(packed, place, overwrite=True)
    assert (place / "README.md.1").read_text() == "mine" != (place / "README.md").read_text()


def test_other_programs_can_read_and_check_it(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "by hand")
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "by hand", check=True)


def test_a_run_is_replaced_only_on_request(run, packed, tmp_path):
    write_run(untrained_translator([], ["c"], ["z"]), tmp_path / "old")
    with pytest.raises(FileExistsError, match="old already holds a run"):
        kseq.unpack(packed, tmp_path / "old")
    kseq.unpack(packed, tmp_path / "old", overwrite=True)
    assert (tmp_path / "old" / "source_vocabulary.txt").read_text().endswith("a\nb\n")


def test_only_an_intact_run_is_packed(run, tmp_path):
    with pytest.raises(ValueError, match="expected a file whose name ends in .kseq; received"):
        kseq.pack(run, tmp_path / "letters.zip")
    damaged = write_run(untrained_translator([], ["a"], ["x"]), tmp_path / "damaged")
    (damaged / "source_vocabulary.txt").write_text("changed\n")
    with pytest.raises(ValueError, match="source_vocabulary.txt: has been changed since the run"):
        kseq.pack(damaged, tmp_path / "damaged.kseq")
    assert not list(tmp_path.glob("*.kseq"))


def test_a_record_or_a_card_that_is_no_text_is_named(run, tmp_path):
    card = write_run(untrained_translator([], ["a"], ["x"]), tmp_path / "card")
    (card / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="README.md: expected a text in UTF-8"):
        kseq.pack(card, tmp_path / "card.kseq")
    counts = write_run(untrained_translator([], ["a"], ["x"]), tmp_path / "counts")
    record = json.loads((counts / "run.json").read_text())
    record["train"] = {"kept": "many", "tokens": 3}
    (counts / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="run.json: damaged: train.kept must be a whole number"):
        kseq.pack(counts, tmp_path / "counts.kseq")
    with pytest.raises(ValueError, match="a place: the size of run.json is not known"):
        check_contents({"run.json": None}, "a place")
    assert not list(tmp_path.glob("*.kseq"))


# === A stranger's file ===


def contents_of(packed):
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, contents, change=lambda entry: None):
    """Writes an archive with checksums of the contents; `change` may alter each entry."""
    contents = {name: data for name, data in contents.items() if name != "SHA256SUMS"}
    sums = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in contents.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**contents, "SHA256SUMS": sums.encode()}.items():
            entry = zipfile.ZipInfo(name)
            change(entry)
            archive.writestr(entry, data)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:evil.txt"),
        *("code.py", "checkpoints/epoch-0001.weights.h5", "training_state.1.npz", "config.json/"),
    ],
)
def test_a_name_that_is_not_of_a_run_is_refused(packed, name, tmp_path):
    write(tmp_path / "evil.kseq", {**contents_of(packed), name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="evil.kseq: unexpected file .*no file of this name"):
        kseq.unpack(tmp_path / "evil.kseq", tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


def make_link(entry):
    if entry.filename == "config.json":
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def make_device(entry):
    if entry.filename == "config.json":
        entry.external_attr = (stat.S_IFCHR | 0o666) << 16


def compress_weights(entry):
    if entry.filename == "model.weights.h5":
        entry.compress_type = zipfile.ZIP_DEFLATED


def use_bzip2(entry):
    entry.compress_type = zipfile.ZIP_BZIP2


@pytest.mark.parametrize("change", [make_link, make_device, compress_weights, use_bzip2])
def test_an_odd_entry_is_refused(packed, change, tmp_path):
    """Compressed weights could be a bomb: small in the file, and huge on the disk."""
    contents = {**contents_of(packed), "config.json": b"/etc/passwd"}
    write(tmp_path / "evil.kseq", contents, change)
    with pytest.raises(ValueError, match="is not a plain file as kseq pack writes it"):
        kseq.unpack(tmp_path / "evil.kseq", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused(packed, tmp_path):
    def compress(entry):
        if entry.filename == "history.csv":
            entry.compress_type = zipfile.ZIP_DEFLATED

    contents = {**contents_of(packed), "history.csv": bytes(2**26 + 1)}
    write(tmp_path / "bomb.kseq", contents, compress)
    assert (tmp_path / "bomb.kseq").stat().st_size < 2**18
    with pytest.raises(ValueError, match="history.csv has 67,108,865 bytes; expected at most 67,1"):
        kseq.unpack(tmp_path / "bomb.kseq", tmp_path / "out")


def test_a_size_that_is_a_lie_is_found(packed, tmp_path):
    """The central directory claims fewer bytes than there are."""
    contents = {**contents_of(packed), "history.csv": b"x" * 4321}
    data = write(tmp_path / "lie.kseq", contents).read_bytes()
    lie = data.replace((4321).to_bytes(4, "little"), (321).to_bytes(4, "little"))
    assert lie != data
    (tmp_path / "lie.kseq").write_bytes(lie)
    with pytest.raises(ValueError, match="lie.kseq: .*damaged"):
        kseq.unpack(tmp_path / "lie.kseq", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_entries_of_one_name_are_refused(packed, tmp_path):
    path = write(tmp_path / "twice.kseq", contents_of(packed))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="twice.kseq: has two files 'config.json'"):
        kseq.unpack(path, tmp_path / "out")


def test_damage_is_named(packed, tmp_path):
    data = packed.read_bytes()
    contents = contents_of(packed)
    incomplete = {name: each for name, each in contents.items() if name != "config.json"}
    with zipfile.ZipFile(tmp_path / "none.kseq", "w") as archive:
        archive.writestr("config.json", "{}")
    write(tmp_path / "incomplete.kseq", incomplete)
    (tmp_path / "cut.kseq").write_bytes(data[:-100])
    (tmp_path / "text.kseq").write_text("hello")
    flipped = contents["model.weights.h5"][:64]
    (tmp_path / "flipped.kseq").write_bytes(data.replace(flipped, flipped[:-1] + b"!"))
    for name, message in (
        ("cut", "cut.kseq: not a packed run, or damaged"),
        ("text", "text.kseq: not a packed run, or damaged"),
        ("flipped", "flipped.kseq: .*damaged"),
        ("incomplete", "incomplete.kseq: not a complete run; received README.md, run.json"),
        ("none", "none.kseq: not a packed run: it has no SHA256SUMS"),
    ):
        with pytest.raises(ValueError, match=message):
            kseq.unpack(tmp_path / f"{name}.kseq", tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        kseq.unpack(tmp_path / "absent.kseq", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# === Model cards ===


def header_of(card):
    _, header, _ = card.split("---\n", 2)
    return yaml.safe_load(header)


def test_a_card_says_what_the_run_records(run):
    options = {"data": "Captions of *our* shop.", "limits": "Not for medicine."}
    card = make_card(run, "letters", licence="cc-by-4.0", languages=["de", "pt-BR"], **options)
    assert header_of(card) == {
        "library_name": "kseq",
        "pipeline_tag": "translation",
        "license": "cc-by-4.0",
        "language": ["de", "pt-BR"],
        "tags": ["kseq", "keras", "sequence-to-sequence", "gru", "bahdanau"],
    }
    _, config, record = read_run(run)
    for text in (
        *(f"{record.parameters:,} parameters", "arXiv 1409.0473", "| cross_entropy | 1.25 |"),
        *("Captions of *our* shop.", "Not for medicine.", "after 2 epochs (the best)"),
        *(f"at most {config.training.maximum_length} tokens", "hf://user/name", "How to cite"),
    ):
        assert text in card


def test_a_card_without_facts_says_so(run):
    card = make_card(run, "letters")
    assert "license" not in header_of(card)
    assert card.count("The author has not said.") == 2  # data, licence


@pytest.mark.parametrize(
    "options, message",
    [
        ({"licence": "x\nevil: true"}, "expected the identifier of a licence"),
        ({"languages": ["English"]}, "expected the code of a language, such as de; received 'Eng"),
    ],
)
def test_a_header_cannot_be_broken(run, options, message):
    with pytest.raises(ValueError, match=message):
        make_card(run, "letters", **options)


def test_the_card_of_the_author_is_kept(run, tmp_path):
    own = write_run(untrained_translator([], ["a"], ["x"]), tmp_path / "own")
    (own / "README.md").write_text("# My model\n")
    kseq.pack(own, tmp_path / "own.kseq")
    assert contents_of(tmp_path / "own.kseq")["README.md"] == b"# My model\n"
    with pytest.raises(ValueError, match="README.md is the model card of the run: change licence "):
        kseq.pack(own, tmp_path / "own.kseq", licence="mit")


def test_commands_pack_and_unpack(run, tmp_path, command):
    packed = tmp_path / "letters.kseq"
    code, output, errors = command("pack", run, packed, "--license", "mit", "--language", "en")
    assert (code, errors) == (0, "") and output == f"packed to {packed}\n"
    assert header_of(contents_of(packed)["README.md"].decode())["license"] == "mit"
    code, _, errors = command("unpack", packed, tmp_path / "out")
    assert (code, errors) == (0, "") and os.listdir(tmp_path / "out")
    code, _, errors = command("unpack", packed, tmp_path / "out")
    assert code == 2 and "already holds a run" in errors
    assert json.loads((tmp_path / "out" / "run.json").read_text())["parameters"]
