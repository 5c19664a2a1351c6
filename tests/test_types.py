"""The types of public names: known to editors, and checked by mypy in programs of users."""

import ast
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import kseq

STUB = ROOT / "kseq" / "__init__.pyi"

GOOD = """
import pathlib
import keras
import kseq

corpus = kseq.load_corpus([("a", "b")], valid=[("a", "b")])
config = kseq.Config(model=kseq.ModelConfig(units=8, attention="luong_dot"))
config = config.with_settings(["epochs=1"])
film = kseq.AttentionFilm("a", "b")
translator = kseq.train(corpus, config, out=pathlib.Path("run"), callbacks=[film])
text: str = translator.translate(["a"])[0].text
best: list[str] = [each.text for each in translator.translate(["a"], 5, n_best=2)[0]]
figures: dict[str, float] = translator.evaluate(corpus.test, beam_size=5)
error: float = kseq.measure_calibration(translator, corpus.test, bins=10).error
kseq.save_heatmap(translator.score([("a", "b")]), "a.png", titles=["one"])
for links in kseq.align(translator, corpus.test, reverse=kseq.Translator.load("other")):
    line: str = kseq.to_pharaoh(links)
model = kseq.build_seq2seq(kseq.ModelConfig(), 10, 10)
model.compile(loss=kseq.MaskedCrossEntropy(), optimizer=keras.optimizers.Adam())
again = kseq.Translator(model, kseq.TextCodec(["a"]), kseq.TextCodec(["b"]))
epochs: list[int] = kseq.average_checkpoints("run", out="mean", last=3)
"""

# Each line has a mistake.
WRONG = """
kseq.train("en-fr", {"units": 8}, out="run")
kseq.train("en-fr")
kseq.trian("en-fr", out="run")
kseq.ModelConfig(units="8")
kseq.ModelConfig(cell="gruu")
kseq.BeamSearch(beam=5)
kseq.Config().with_settings(3)
kseq.Translator.load("run").translate(["a"])[0].txt
kseq.Translator.load("run").translate(["a"], 5, n_best=2)[0].text
kseq.Translator.load("run").predict([[0.0]], "3")
kseq.plot_attention("a sentence", head=3)
kseq.measure_calibration("run", [("a", "b")])
kseq.AttentionFilm(["a", "b"])
kseq.list_runs(sort=1)
number: int = kseq.to_pharaoh({(0, 0)})
"""


def test_the_stub_imports_every_public_name_from_its_module():
    imports = [
        node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    names = {alias.asname: node.module for node in imports for alias in node.names}
    assert names == {name: f"kseq.{home}" for name, home in kseq._HOMES.items()}
    assert all(alias.name == alias.asname for node in imports for alias in node.names)


# What functions return; a user does not make them.
RETURNED = ("Corpus", "Pairs", "ValuePairs")
WITH_METHODS = ("Config", "Translator")


def definition_of(name, home):
    """The definition of a name in a module, which may import it from another one."""
    path = ROOT / "kseq" / f"{home.replace('.', '/')}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if getattr(node, "name", None) == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return definition_of(name, node.module.removeprefix("kseq."))


def functions_of(name):
    """The public function itself; the constructor of a class, and methods of the largest ones.

    Of a function with overloads, these count.
    """
    node = definition_of(name, kseq._HOMES[name])
    if isinstance(node, ast.FunctionDef):
        return [node]
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    overloads = [each for each in methods if "overload" in map(ast.unparse, each.decorator_list)]
    overloaded = {each.name for each in overloads}
    methods = overloads + [each for each in methods if each.name not in overloaded]
    chosen = [each for each in methods if not each.name.startswith("_")]
    constructors = [each for each in methods if each.name == "__init__" and name not in RETURNED]
    return constructors + (chosen if name in WITH_METHODS else [])


@pytest.mark.parametrize("name", kseq.__all__)
def test_a_public_signature_has_types(name):
    for function in functions_of(name):
        arguments = function.args
        parameters = [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        untyped = [
            each.arg
            for each in parameters
            if each and each.arg not in ("self", "cls") and each.annotation is None
        ]
        assert not untyped, f"{name}, {function.name}: {untyped}"
        assert function.returns is not None, f"{name}, {function.name}: the result"


def test_mypy_knows_every_public_name_and_finds_mistakes(tmp_path):
    """One run of mypy, which takes seconds, for both programs."""
    pytest.importorskip("mypy")
    good, wrong = tmp_path / "good.py", tmp_path / "wrong.py"
    good.write_text(GOOD + "".join(f"kseq.{name}\n" for name in kseq.__all__))
    wrong.write_text("import kseq\n" + WRONG.lstrip("\n"))
    options = ["--config-file", ROOT / "setup.cfg", "--cache-dir", ROOT / ".mypy_cache"]
    process = subprocess.run(
        [sys.executable, "-m", "mypy", *options, good, wrong],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    places = re.findall(r"(\w+)\.py:(\d+): error: (.*)", process.stdout)
    assert places, process.stdout + process.stderr
    assert [place for place in places if place[0] != "wrong"] == []
    found = {int(line) for _, line, _ in places}
    expected = set(range(2, 2 + len(WRONG.split("\n")) - 2))
    assert found == expected, process.stdout
