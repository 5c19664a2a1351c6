"""The command that talks: chat."""

import sys

from kseq.cli.options import (
    add_command,
    add_ensemble,
    add_fields,
    add_precision,
    add_run,
    add_search,
)
from kseq.cli.runs import load_translator, read_strategy
from kseq.console import show
from kseq.corpora.turns import without_separator
from kseq.search.strategies import Sampling

_EXAMPLES = """
examples:
  kseq chat runs/dialogue --top-p 0.9 --temperature 0.8
  cat turns.txt | kseq chat runs/dialogue --beam 5 > replies.txt

Each line of standard input is a turn, and each output line is the reply. The model reads the last
turns of both speakers, as many as in its training (kseq train --context N). An empty line begins a
new conversation, and gives an empty output line. The likeliest reply is often a dull one: with
--top-p or --temperature, replies are drawn at random.
"""


def add_chat(subparsers):
    """Adds `kseq chat`."""
    command = add_command(
        subparsers, "chat", chat, "talk with a model that was trained on conversations", _EXAMPLES
    )
    add_run(command)
    add_ensemble(command)
    add_precision(command)
    add_search(command)
    add_fields(command, "sampling instead of beam search", Sampling, leave_out=("samples",))


def chat(options):
    """Replies to the lines of standard input: `Translator.stream`."""
    from kseq.corpora.sources import open_sources

    strategy = read_strategy(options, samples=1)
    translator = load_translator(options)
    if not translator.codecs.previous_turns:
        raise ValueError(
            f"{options.run_directory} was not trained on conversations: kseq chat is for runs of "
            "kseq train --context N; use kseq translate"
        )
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if is_terminal:
        print("an empty line begins a new conversation, Ctrl-D to end", file=sys.stderr)
    turns = []
    with open_sources() as lines:
        conversations = _take_turns(lines, turns, is_terminal)
        for reply, *_ in translator.stream(conversations, strategy, read_ahead=1):
            text = " ".join(reply.text.split())
            show(text, flush=True)
            turns += [text] * bool(text)


def _take_turns(lines, turns, is_terminal):
    """Yields the turns so far whenever it is the model's turn.

    Args:
        lines: Iterable of lines, the turns of the user.
        turns: A list, which gets the lines; the caller adds the replies.
        is_terminal: Whether a person types the lines.
    """
    for line in _prompt(lines) if is_terminal else lines:
        if without_separator(line).strip():
            turns.append(line)
            yield list(turns)
        else:
            turns.clear()
            show("", flush=True)


def _prompt(lines):
    """Yields lines, with a prompt before each."""
    lines = iter(lines)
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = next(lines, None)
        if line is None:
            return
        yield line
