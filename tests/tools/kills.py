"""Kills commands of kseq, repeats them, and reports damaged results and files left behind.

    python tests/tools/kills.py --kills 300
    python tests/tools/kills.py --kills 12 clean fetch

Half of the kills come just before a file operation of the command, evenly spread over all of them;
the others come at random moments. SIGKILL, SIGTERM and SIGINT take turns. After a kill, what the
command writes must be complete, in its old or its new version; after the same command has run to
its end, nothing else may be left, next to it or in the temporary folder.

Every command runs in a fork of this process, which has imported TensorFlow but not used it.
"""

import argparse
import itertools
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import killed_commands

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "fcntl.flock"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SECONDS = 120  # that a command may take


def main():
    """Runs the commands; exits with 1 if a kill damaged something or left something behind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", help="all by default")
    parser.add_argument("--kills", type=int, default=300, help="in all commands together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = options.commands or list(killed_commands.COMMANDS)
    if unknown := set(names) - set(killed_commands.COMMANDS):
        parser.error(f"unknown commands: {', '.join(unknown)}")
    faults = []
    for number, name in enumerate(names):
        kills = options.kills * (number + 1) // len(names) - options.kills * number // len(names)
        with tempfile.TemporaryDirectory() as folder:
            command = killed_commands.COMMANDS[name](pathlib.Path(folder).resolve())
            with command.prepared():
                faults += kill_often(name, command, kills, random.Random(options.seed + number))
    print(f"{options.kills} kills: {len(faults)} faults", *faults, sep="\n", flush=True)
    return int(bool(faults))


def kill_often(name, command, kills, chance):
    """Kills a command many times; returns descriptions of what went wrong."""
    command.reset()
    operations, seconds, faults = *measure(command), []
    for number, kind in zip(range(kills), itertools.cycle(SIGNALS)):
        command.reset()
        operation = None if number % 2 else 1 + number * operations // kills
        moment = None if operation else chance.uniform(0, seconds)
        kill(command, kind, operation, moment)
        where = f"operation {operation}" if operation else f"second {moment:.3f}"
        case = f"{name}, {kind.name} at {where} of {operations}, {seconds:.1f} s"
        faults += [f"{case}: {fault}" for fault in command.find_damage()]
        code, output = wait(start(command))
        if code != command.code:
            faults.append(f"{case}: the same command ended with {code}: {output.strip()[-300:]}")
        faults += [f"{case}: left behind: {path}" for path in command.find_leftovers()]
    print(f"{name}: {kills} kills, {operations} file operations, {seconds:.1f} s", flush=True)
    return faults


def measure(command):
    """Runs a command to its end; returns the number of its file operations and its seconds."""
    begin = time.monotonic()
    code, output = wait(start(command, counts=True))
    if code != 0:
        raise RuntimeError(f"the command failed with {code}: {output}")
    return int(output.rpartition("operations: ")[2]), time.monotonic() - begin


def kill(command, kind, operation, moment):
    """Runs a command that gets a signal at one of its file operations, or after some seconds."""
    process = start(command, kind, operation)
    if moment is not None:
        time.sleep(moment)
        send(process, kind)
    wait(process)


def send(process, kind):
    """Sends a signal to a command; returns whether it was still running."""
    # A process that has ended stays until `wait`.
    is_running = os.waitid(os.P_PID, process[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    os.kill(process[0], kind)
    return is_running


def start(command, kind=None, operation=None, counts=False):
    """Starts a command in a fork; returns its process id and the file of its output."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 (`wait` closes it)
    process = os.fork()
    if process:
        return process, output
    code = 99
    try:
        signal.alarm(SECONDS)  # A command that waits for ever is killed.
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        operations = watch(command.folder, kind, operation)
        code = command.run()
        if counts:
            print(f"operations: {operations[0]}", flush=True)
    finally:
        os._exit(code)


def watch(folder, kind, operation):
    """Counts operations that change files in a folder, and sends a signal before one of them."""
    count = [0]

    def hook(event, arguments):
        if not (event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITING)):
            return
        # Numbers are descriptors of files; `shutil.rmtree` removes names in an open folder.
        path = arguments[0]
        is_inside = isinstance(path, int) or os.path.abspath(os.fsdecode(path)).startswith(folder)
        if is_inside or (event in ("os.remove", "os.rmdir") and arguments[1] != -1):
            count[0] += 1
            if count[0] == operation:
                os.kill(os.getpid(), kind)

    folder = str(folder)
    sys.addaudithook(hook)
    return count


def wait(process):
    """Waits for the end of a command; returns its exit code and its output."""
    identity, output = process
    _, status = os.waitpid(identity, 0)
    with output:
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
