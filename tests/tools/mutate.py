"""Checks that the tests notice mistakes: makes each mutant of `mutants.py` and runs the tests.

    python tests/tools/mutate.py                 # all mutants, in the tier of `make test`
    python tests/tools/mutate.py 'adam*' seeds-repeat --tier all

A mutant is made in a copy of the repository. Its own test files run first, then, unless
`--first-only`, all others of the tier, each time up to the first failure. A mutant is killed if a
test fails, or does not end in time; the exit code is the number of mutants that survive.
"""

import argparse
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
NO_TESTS = 5  # exit code of pytest if none was selected


def main():
    options = _parse_options()
    mutants = [
        mutant
        for mutant in MUTANTS
        if any(fnmatch.fnmatch(mutant.name, pattern) for pattern in options.names or ["*"])
    ]
    files = {mutant.name: _find_file(mutant, options.root) for mutant in mutants}
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:30} {files[mutant.name] or 'NOT FOUND ONCE'}: {mutant.effect}")
        return sum(file is None for file in files.values())
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(options.root, copy, ignore=NOT_COPIED)
        for mutant in mutants:
            if files[mutant.name] is None:
                print(f"NOT FOUND ONCE  {mutant.name}: {mutant.text}", flush=True)
                survivors.append(mutant.name)
                continue
            started = time.monotonic()
            killer = _find_killer(mutant, copy, files[mutant.name], options)
            verdict = f"killed by {killer}" if killer else f"SURVIVED: {mutant.effect}"
            print(f"{mutant.name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
            if not killer:
                survivors.append(mutant.name)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed")
    return len(survivors)


def _parse_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="names or patterns; all mutants by default")
    parser.add_argument("--tier", choices=("default", "all"), default="default")
    parser.add_argument("--first-only", action="store_true", help="run the first test files only")
    parser.add_argument("--list", action="store_true", help="list the mutants and their files")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="repository to mutate")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each run of tests")
    parser.add_argument("--workers", type=int, default=0, help="pytest-xdist workers")
    return parser.parse_args()


def _find_file(mutant, root):
    """The file, relative to the root, that has the mutant's text; None unless it occurs once."""
    counts = {
        path.relative_to(root): path.read_text(encoding="utf-8").count(mutant.text)
        for path in sorted((root / "kseq").rglob("*.py"))
    }
    return max(counts, key=counts.get) if sum(counts.values()) == 1 else None


def _find_killer(mutant, copy, file, options):
    """The test that notices the mutant, or None."""
    path = copy / file
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutant.text, mutant.mistake), encoding="utf-8")
    try:
        first = [f"tests/test_{name}.py" for name in mutant.tests.split()]
        killer = _failing_test(copy, first, options)
        if killer or options.first_only:
            return killer
        return _failing_test(copy, [f"--ignore={name}" for name in first], options)
    finally:
        path.write_text(original, encoding="utf-8")


def _failing_test(copy, arguments, options):
    """Runs tests up to the first failure; returns its name, or None if all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE"]
    if options.tier == "default":
        command += ["-m", "not slow"]
    if options.workers:
        command += ["-n", str(options.workers), "--dist", "loadfile"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "KSEQ_DATA": os.environ.get("KSEQ_DATA", str(options.root.parent / "shared" / "data")),
    }
    try:
        process = subprocess.run(
            [*command, *arguments],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=options.timeout,
        )
    except subprocess.TimeoutExpired:
        return "a test that did not end in time"
    if process.returncode in (0, NO_TESTS):
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", process.stdout, re.MULTILINE)
    return failed[1] if failed else f"exit code {process.returncode}"


if __name__ == "__main__":
    sys.exit(main())
