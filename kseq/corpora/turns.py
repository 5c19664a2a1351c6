"""The turns of a conversation, joined to the source of a model that replies."""

import reprlib

TURN = "⏎"  # between two turns; every tokenizer keeps it as a token
_JOINER = f" {TURN} "


def without_separator(turn):
    """Returns a turn with spaces in place of `⏎`."""
    return turn.replace(TURN, " ")


def join_turns(turns, count):
    """Joins the last turns of a conversation.

    Args:
        turns: Strings, the last one being the one to reply to. A `⏎` in them counts as a space.
        count: The largest number of turns to join.

    Returns:
        The turns as one string, with `⏎` between them.

    Raises:
        TypeError: They are not a list of strings.
        ValueError: There are none.
    """
    if not isinstance(turns, (list, tuple)) or not all(isinstance(turn, str) for turn in turns):
        raise TypeError(f"expected turns, a list of strings; received {reprlib.repr(turns)}")
    if not turns:
        raise ValueError("expected at least one turn to reply to; received none")
    return _JOINER.join(" ".join(without_separator(turn).split()) for turn in turns[-count:])
