"""The log of a server: a JSON object on each line, which never holds the texts of users."""

import datetime
import json
import sys


class JsonLog:
    """Writes events to a stream, one line each.

    Args:
        stream: Text stream; standard output by default.
    """

    def __init__(self, stream=None):
        self._stream = sys.stdout if stream is None else stream

    def write(self, event, **fields):
        """Writes an event with its time.

        A log that can no longer be written, such as a closed pipe, stops no answer.

        Args:
            event: Name of the event, such as `"request"`.
            **fields: What belongs to it, ready for JSON.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields})
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass
