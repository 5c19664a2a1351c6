"""A file server that can misbehave on purpose, for tests of downloads."""

import contextlib
import hashlib
import http.server
import threading


class FileServer(http.server.ThreadingHTTPServer):
    """Serves `files`, bytes by path, with ranges and tags.

    Each of the `faults` applies to one request, in order: the name of a method of `_Handler` and
    its arguments. Requests without a fault are answered properly.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {}
        self.faults = []
        self.requests = []  # (path, headers)
        self.sent = 0  # bytes of files, in total
        self.is_stalling = threading.Event()
        self.is_over = threading.Event()

    @property
    def address(self):
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self):
        """Range header of each request, or None."""
        return [headers["Range"] for _, headers in self.requests]


@contextlib.contextmanager
def serving():
    """Yields a `FileServer` that runs in a thread."""
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
    """Returns the tag of a version of a file."""
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers))
        self.data = self.server.files.get(self.path)
        if self.server.faults:
            fault, *arguments = self.server.faults.pop(0)
            getattr(self, fault)(*arguments)
        elif self.data is None:
            self.send_error(404)
        else:
            self.send_file()

    def log_message(self, *_):
        pass

    def send_file(self, tag=None, until=None, stalls=False):
        """Sends the file or the requested range, up to byte `until`, and may stall after it."""
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
        self.send_body(self.data[start:], until, stalls)

    def without_ranges(self, until=None, headers=()):
        """Sends the whole file, whatever was requested, up to byte `until`."""
        self.send_response(200)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_body(self.data, until)

    def trickle(self):
        """Sends the file slowly, byte by byte."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        for byte in self.data:
            self.wfile.write(bytes([byte]))
            self.server.is_over.wait(0.1)

    def send_body(self, data, until=None, stalls=False):
        """Sends data with their length, up to byte `until`, and may stall after it."""
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):  # The client may have been killed.
            self.server.sent += len(data[:until])
            self.wfile.write(data[:until])
        if stalls:
            self.server.is_stalling.set()
            self.server.is_over.wait(20)

    def raw(self, response):
        """Sends bytes as they are."""
        self.wfile.write(response)

    def status(self, code):
        """Sends an error status."""
        self.send_error(code)

    def redirect(self, address):
        """Redirects to another address."""
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()
