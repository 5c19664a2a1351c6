"""A server of files for the tests of downloads, which can be told to misbehave."""

import contextlib
import hashlib
import http.server
import threading


class FileServer(http.server.ThreadingHTTPServer):
    """Serves what is in `files`, with ranges and tags; every fault is for one request, in turn.

    A fault is the name of a method of `_Handler`, with what it takes; without one, all goes well.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {}
        self.faults = []
        self.requests = []  # path and headers of each
        self.sent = 0  # bytes of files, in all
        self.is_stalling = threading.Event()
        self.is_over = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self):
        return [headers["Range"] for _, headers in self.requests]


@contextlib.contextmanager
def serving():
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()


def tag_of(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers))
        self.data = self.server.files.get(self.path)
        if self.server.faults:
            fault, *given = self.server.faults.pop(0)
            getattr(self, fault)(*given)
        elif self.data is None:
            self.send_error(404)
        else:
            self.well()

    def log_message(self, *_):
        pass

    def well(self, tag=None, until=None, stalls=False):
        """The file, or the piece of it that was asked for; perhaps not to its end."""
        tag = tag or tag_of(self.data)
        start = 0
        if "Range" in self.headers and self.headers["If-Range"] == tag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
            self.send_header("Content-Range", span)
        self.send_header("ETag", tag)
        self.body(self.data[start:], until, stalls)

    def without_ranges(self, until=None, headers=()):
        """All of it, whatever was asked for; or the beginning of what was promised."""
        self.send_response(200)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.body(self.data, until)

    def trickle(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        for byte in self.data:
            self.wfile.write(bytes([byte]))
            self.server.is_over.wait(0.1)

    def body(self, data, until=None, stalls=False):
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever has been killed
            self.server.sent += len(data[:until])
            self.wfile.write(data[:until])
        if stalls:
            self.server.is_stalling.set()
            self.server.is_over.wait(20)

    def raw(self, answer):
        """These bytes, whatever they are."""
        self.wfile.write(answer)

    def status(self, code):
        self.send_error(code)

    def redirect(self, address):
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()
