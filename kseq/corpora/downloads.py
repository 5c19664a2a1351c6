"""Downloads over HTTP that continue where they were interrupted."""

import http.client
import json
import pathlib
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from kseq.files import move_finished, require_room, write_text

PAUSES = (1, 2, 4)  # seconds before the second, third and fourth attempt
_CHUNK = 1 << 16
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # statuses after which another attempt may succeed


class DownloadFailed(RuntimeError):
    """A file could not be downloaded, or is not the expected file.

    Args:
        message: Error message.
        status: Status of the server's response, if that is the reason.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Interrupted(Exception):
    """An attempt ended too early; another one may get further."""


def download(address, path, timeout=60.0, report=lambda done, total: None):
    """Downloads a file to a temporary file next to its path.

    The data are written to `<path>.part`, which survives even a kill. The next call continues the
    download if the server supports this and still has the same version; otherwise it starts again.
    A broken connection is retried a few times, after increasing pauses.

    Args:
        address: Address of the file, HTTP or HTTPS; redirects from HTTPS to HTTP are refused.
        path: Path of the file; its folder is created if it is missing.
        timeout: Seconds without data after which a connection is considered broken.
        report: Function that is called with the number of bytes so far and the total or None.

    Returns:
        The complete `Part`, which the caller checks and moves to its path.

    Raises:
        DownloadFailed: The server refuses the file, or all attempts failed.
        FileExistsError: kseq did not write `<path>.part`.
        OSError: The file could not be written.
        ValueError: The address is invalid.
    """
    part = Part(path)
    part.require_own()
    for pause in (*PAUSES, None):
        try:
            _attempt(address, part, timeout, report)
            return part
        except _Interrupted as error:
            if pause is None:
                advice = (
                    f"; {part.size:,} bytes are kept: fetch again to resume" if part.size else ""
                )
                raise DownloadFailed(f"{address}: {error}{advice}") from error
        time.sleep(pause)


def require_address(address):
    """Checks an address.

    Raises:
        ValueError: It is not an address of HTTP or HTTPS.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not address.isascii() or re.search(r"[\s\x00-\x1f\x7f]", address):
        raise ValueError(
            f"expected an address such as https://example.org/files; received {address!r}"
        )


class Part:
    """The downloaded part of a file, with a note of the file's version.

    Args:
        path: Path of the complete file.
    """

    def __init__(self, path):
        self.path = pathlib.Path(f"{path}.part")
        self._note = pathlib.Path(f"{path}.part.json")

    @property
    def size(self):
        """Number of bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, address):
        """Returns the server's identifier of the version of these bytes; None if unknown."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return note["version"] if note["address"] == address else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, address, version):
        """Starts again with no bytes.

        Args:
            address: Address of the file.
            version: The server's identifier of its version, or None.
        """
        self.remove()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._note, json.dumps({"address": address, "version": version}))
        self.path.touch()

    def require_own(self):
        """Checks that no other program has written the bytes: browsers use the same names.

        Raises:
            FileExistsError: There are bytes without a note.
        """
        if self.size and not self._note.exists():
            raise FileExistsError(
                f"{self.path} already exists and is not a download of kseq; move it elsewhere, or "
                "choose another folder"
            )

    def remove(self):
        """Removes the bytes and the note, if there is a note.

        The note is the first to be written and the last to be removed, so that it is there
        whenever the bytes are, even after a kill.
        """
        if self._note.exists():
            self.path.unlink(missing_ok=True)
            self._note.unlink()

    def move_to(self, path):
        """Moves the complete file to its path."""
        move_finished(self.path, path)
        self.remove()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from HTTPS to HTTP."""

    def redirect_request(self, request, file, code, message, headers, address):
        """Returns the request that follows a redirect; one to HTTP raises DownloadFailed."""
        if request.type == "https" and not address.startswith("https:"):
            raise DownloadFailed(f"{request.full_url}: leads to {address}, which is not HTTPS")
        return super().redirect_request(request, file, code, message, headers, address)


def _attempt(address, part, timeout, report):
    """Continues `part` for as long as the connection lasts."""
    version = part.version(address)
    offset = part.size if version else 0
    request = urllib.request.Request(address, headers={"User-Agent": _agent()})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", version)
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            return _handle_error(error, address, part, offset)
    except (OSError, http.client.HTTPException) as error:
        raise _connection_error(getattr(error, "reason", error), address) from error
    with response:
        total = _prepare(response, address, part, offset)
        require_room(part.path.parent, (total or 0) - part.size)
        _append(response, part, total, report)


def _handle_error(error, address, part, offset):
    """Handles an error status: returns if the part is complete, and raises an error otherwise."""
    if error.code == 416 and offset:
        if error.headers["Content-Range"] == f"bytes */{offset}":
            return  # The part is complete, but was not moved to its path.
        part.remove()
        raise _Interrupted(
            "the file on the server is shorter than the part downloaded earlier"
        ) from error
    response = f"the server answered {error.code} {error.reason}".rstrip()
    if error.code in _TRANSIENT:
        raise _Interrupted(response) from error
    raise DownloadFailed(f"{address}: {response}", error.code) from error


def _prepare(response, address, part, offset):
    """Prepares `part` for the data of a response; returns the total number of bytes, or None."""
    if response.headers.get_content_type() == "text/html":
        raise DownloadFailed(f"{address}: expected a file; received a web page (HTML)")
    if response.status == 206 and offset:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
        if not span or int(span[1]) != offset:
            part.remove()
            raise _Interrupted(
                "the server sent a different part of the file from the one requested"
            )
        return int(span[2])
    if response.status != 200:
        raise DownloadFailed(
            f"{address}: expected a file; the server answered {response.status} {response.reason}",
            response.status,
        )
    part.begin(address, _version(response.headers))
    return response.length


def _version(headers):
    """Returns the identifier of a version of the file; a weak tag does not identify its bytes."""
    tag = headers["ETag"] or ""
    return tag if tag.startswith('"') else headers["Last-Modified"]


def _append(response, part, total, report):
    """Appends the data of a response to `part`."""
    done = part.size
    try:
        with open(part.path, "ab") as file:
            report(done, total)
            while chunk := _read(response):
                file.write(chunk)
                done += len(chunk)
                report(done, total)
    except OSError as error:
        error.filename = error.filename or str(part.path)
        raise
    if total is not None and done != total:
        raise _Interrupted(f"cut off after {done:,} of {total:,} bytes")


def _read(response):
    """Returns the next bytes of a response."""
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke: {_describe(error)}") from error


def _connection_error(reason, address):
    """Returns the error to raise when there is no connection."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadFailed(f"{address}: its certificate is not valid: {reason.verify_message}")
    return _Interrupted(f"no answer: {_describe(reason)}")


def _describe(error):
    """Describes an error of a connection in a few words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _agent():
    """Returns the user agent of this program."""
    import kseq

    return f"kseq/{kseq.__version__}"
