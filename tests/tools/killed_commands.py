"""The commands that `kills.py` kills: their files, their words, and what they may leave behind."""

import contextlib
import importlib
import io
import os
import pathlib
import shutil
import sys
import tempfile
import zipfile

TESTS = pathlib.Path(__file__).parent.parent
SETTINGS = ["units=2", "embedding_dim=2", "epochs=2", "checkpoints=2", "batch_size=128"]


class Command:
    """A command in a folder of its own.

    Args:
        folder: Working folder, empty.

    Attributes:
        words: Words of the command line after `kseq`.
        result: Name of the file or folder that it writes.
        modules: Modules that are imported before the process is forked. One is `filelock`, which
            tries out a temporary folder while it is imported.
        code: Exit code of the same command after a kill, when it may have nothing left to do.
    """

    words = ()
    result = "result"
    modules = ("kseq.cli.main", "filelock")
    code = 0

    def __init__(self, folder):
        self.folder = folder
        self.place = folder / self.result
        self.temporary = folder / "temporary"

    @contextlib.contextmanager
    def prepared(self):
        """A context in which the command can run."""
        for module in self.modules:
            importlib.import_module(module)
        self.temporary.mkdir()
        (self.folder / "state").mkdir()
        self.write_inputs()
        os.environ["XDG_STATE_HOME"] = str(self.folder / "state")
        previous = os.getcwd()
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(previous)

    def write_inputs(self):
        """Writes the files that the command reads."""
        lines = (f"a{n % 7} b{n % 5} c{n}\tx{n % 7} y{n % 5}\n" for n in range(120))
        (self.folder / "pairs.tsv").write_text("".join(lines))

    def run(self):
        """Runs the command; returns its exit code."""
        from kseq.cli.main import main

        tempfile.tempdir = str(self.temporary)
        return main(list(self.words))

    def reset(self):
        """Makes the files as they were before the first time."""

    def expected_names(self):
        """Names of the files and folders in the working folder after the command."""
        return {"pairs.tsv", "state", "temporary", self.result}

    def find_leftovers(self):
        """Yields the files that should not be there after the command."""
        yield from set(os.listdir(self.folder)) ^ self.expected_names()
        for path in self.temporary.iterdir():
            # TensorFlow removes these when a process exits, which a fork does not.
            if not path.name.startswith("__autograph_generated_file"):
                yield path
        yield from self.folder.rglob(".*")

    def find_damage(self):
        """Yields what is damaged after a kill."""
        if self.place.exists():
            yield from self.find_faults(self.place)

    def find_faults(self, place):
        """Yields what is wrong with a result."""
        return ()


class Folder(Command):
    """Replaces a folder, without the time that a command takes to start."""

    modules = ("kseq.files", "filelock")

    def run(self):
        from kseq import files

        kind = files.FolderKind("a folder", pathlib.Path.is_dir, lambda path: path.name in "ab")
        with files.replaced_folder(self.place, kind) as unfinished:
            for name in "ab":
                (unfinished / name).write_text(name)
        return 0

    def reset(self):
        self.place.mkdir(exist_ok=True)
        (self.place / "notes.txt").write_text("written by the user")

    def find_damage(self):
        from kseq import files

        place = files.find_folder(self.place)
        names = set(os.listdir(place)) if place.exists() else {"nothing"}
        if names - {"notes.txt"} not in ({"a", "b"}, set()):
            yield "the folder is neither the old one nor the new one"

    def find_leftovers(self):
        yield from super().find_leftovers()
        yield from set(os.listdir(self.place)) ^ {"a", "b", "notes.txt"}


class Clean(Command):
    words = ("clean", "pairs.tsv", "--out", "result.tsv", "--dropped", "dropped.tsv")
    result = "result.tsv"
    modules = ("kseq.cli.main", "filelock", "kseq.corpora.cleaning")

    def expected_names(self):
        return super().expected_names() | {"dropped.tsv"}

    def find_faults(self, place):
        if place.read_text() != (self.folder / "pairs.tsv").read_text():
            yield "result.tsv is not complete"


class Fetch(Command):
    words = ("fetch", "spa-eng", "data", "--from")
    result = "data"
    modules = (
        "kseq.cli.main",
        "filelock",
        "kseq.corpora.public_corpora",
        "filelock",
        "http.client",
    )

    @contextlib.contextmanager
    def prepared(self):
        """Serves the files from another process, since this one forks."""
        sys.path.insert(0, str(TESTS))
        from file_server import serving

        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("spa.txt", "".join(f"Go {n}.\tVe {n}.\tCC\n" for n in range(20_000)))
        self.archive = archive.getvalue()
        reading, writing = os.pipe()
        server_process = os.fork()
        if not server_process:
            os.close(reading)
            with serving() as server:
                server.files["/spa-eng.zip"] = self.archive
                os.write(writing, server.address.encode())
                os.close(writing)
                server.is_over.wait()
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.words = (*type(self).words, pipe.read())
        try:
            with super().prepared():
                yield
        finally:
            os.kill(server_process, 9)
            os.waitpid(server_process, 0)

    def reset(self):
        shutil.rmtree(self.place, ignore_errors=True)

    def find_faults(self, place):
        path = place / "spa-eng.zip"
        if path.exists() and path.read_bytes() != self.archive:
            yield "the archive is not complete"

    def find_leftovers(self):
        yield from super().find_leftovers()
        yield from set(os.listdir(self.place)) ^ {"spa-eng.zip"}


class _WithTensorFlow(Command):
    is_eager = True

    @contextlib.contextmanager
    def prepared(self):
        from kseq.cli.runs import start_tensorflow

        start_tensorflow()
        for module in ("training.train", "runs.averaging", "translation.export", "analysis.report"):
            importlib.import_module(f"kseq.{module}")
        importlib.import_module("matplotlib.backends.backend_agg")
        with super().prepared():
            yield

    def run(self):
        """Runs the command eagerly: tracing graphs takes longer than a few steps."""
        import tensorflow as tf

        tf.config.run_functions_eagerly(self.is_eager)
        return super().run()

    def find_faults(self, place):
        from kseq.runs import directory, reading, weights

        try:
            _, _, record = reading.read_run(place)
            directory.check_codecs(place, record)
            for path in (place / directory.WEIGHTS, *directory.checkpoint_paths(place).values()):
                directory.check_weights(path, record)
                if weights.count_parameters(path) != record.parameters:
                    yield f"{path.name} has the wrong number of parameters"
        except (OSError, ValueError) as error:
            yield str(error)


class Train(_WithTensorFlow):
    words = ("train", "--train", "pairs.tsv", "--out", "result", "--set", *SETTINGS)

    def reset(self):
        shutil.rmtree(self.place, ignore_errors=True)

    def find_damage(self):
        """A run that is complete is the reason for which the command refuses to write another."""
        self.code = 2 if self.place.exists() else 0
        return super().find_damage()


class Overwrite(_WithTensorFlow):
    words = (*Train.words, "--overwrite")

    def find_damage(self):
        from kseq import files

        place = files.find_folder(self.place)
        return self.find_faults(place) if place.exists() else ["the old run is gone"]


class _OfARun(_WithTensorFlow):
    """A command about a run, which another process trains."""

    def write_inputs(self):
        super().write_inputs()
        process = os.fork()
        if not process:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            words = (*Train.words[:3], "--out", "run", "--set", *SETTINGS)
            os.chdir(self.folder)
            self.words = words
            os._exit(self.run())
        if os.waitpid(process, 0)[1]:
            raise RuntimeError("the run could not be trained")

    def expected_names(self):
        return super().expected_names() | {"run"}


class Average(_OfARun, Overwrite):
    words = ("average", "run", "--out", "result", "--overwrite")


class Export(_OfARun):
    words = ("export", "run", "result")
    is_eager = False

    def find_faults(self, place):
        from kseq.translation.export import SAVED_MODEL

        names = {path.relative_to(place).as_posix() for path in place.rglob("*")}
        variables = {"variables/variables.index", "variables/variables.data-00000-of-00001"}
        if not (SAVED_MODEL.is_in(place) and variables <= names):
            yield "the SavedModel is not complete"


class Report(_OfARun):
    words = ("report", "run", "--out", "result.html", "--test", "pairs.tsv")
    result = "result.html"

    def find_faults(self, place):
        if not place.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            yield "the report is not complete"


COMMANDS = {
    "folder": Folder,
    "clean": Clean,
    "fetch": Fetch,
    "train": Train,
    "train --overwrite": Overwrite,
    "average": Average,
    "export": Export,
    "report": Report,
}
