"""Messages between a server and its workers: JSON, after its length in bytes."""

import json
import struct

_LENGTH = struct.Struct(">I")


def pack_message(message):
    """Returns a message, a dict ready for JSON, as bytes."""
    content = json.dumps(message).encode()
    return _LENGTH.pack(len(content)) + content


def read_message(stream):
    """Reads a message from a binary stream; returns None at its end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return json.loads(content) if len(content) == length else None


async def receive_message(reader):
    """Reads a message from an `asyncio.StreamReader`.

    Raises:
        EOFError, OSError: The connection has ended.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return json.loads(await reader.readexactly(length))
