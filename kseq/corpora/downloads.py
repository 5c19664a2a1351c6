"""Files that come over HTTP: continued where they were cut off, whole or not there at all."""

import http.client
import json
import pathlib
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from kseq.files import require_room, write_text

PAUSES = (1, 2, 4)  # seconds before each further attempt
_CHUNK = 1 << 16
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # what a server says that may do better soon


class DownloadFailed(RuntimeError):
    """A file could not be fetched, or is not what it should be.

    Args:
        message: What was expected, what was received.
        status: What the server answered, where that is the reason.
    """

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class _Interrupted(Exception):
    """An attempt that ended too early; another one may go further."""


def download(address, path, timeout=60.0, report=lambda done, total: None):
    """Fetches what stands at an address, and leaves it beside the path that it is for.

    What has come of it is kept in `<path>.part` whatever happens, a kill included; the next call
    goes on from there if the server can and still has the same version, and starts anew if not.
    A connection that breaks is taken up again, a few times, after growing pauses.

    Args:
        address: An address of HTTP or HTTPS; from HTTPS nobody is led to HTTP.
        path: File that it is for; its folder is made where it is missing.
        timeout: Seconds without a byte after which a connection counts as broken.
        report: Function that is told how many bytes are there, of how many or None.

    Returns:
        The `Part`, complete; whoever asked for it checks it and moves it to its place.

    Raises:
        DownloadFailed: The server refuses, or the last attempt broke too.
        OSError: It could not be written.
        ValueError: The address is none.
    """
    part = Part(path)
    for pause in (*PAUSES, None):
        try:
            _attempt(address, part, timeout, report)
            return part
        except _Interrupted as error:
            if pause is None:
                kept = f"; {part.size:,} bytes are kept, fetch again to go on" if part.size else ""
                raise DownloadFailed(f"{address}: {error}{kept}") from error
        time.sleep(pause)


def require_address(address):
    """Checks that an address can be fetched from.

    Raises:
        ValueError: It is not one of HTTP or HTTPS.
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
    """What has come of a file so far, with a note beside it on which version that is.

    Args:
        path: File that it shall become.
    """

    def __init__(self, path):
        self.path = pathlib.Path(f"{path}.part")
        self._note = pathlib.Path(f"{path}.part.json")

    @property
    def size(self):
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, address):
        """What the server called this version, or None where that is not known."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return note["version"] if note["address"] == address else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, address, version):
        """Starts anew. The note comes last: bytes without one are never continued."""
        self.remove()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        write_text(self._note, json.dumps({"address": address, "version": version}))

    def remove(self):
        """Removes the bytes and the note."""
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def move_to(self, path):
        """Puts the file in its place."""
        self.path.replace(path)
        self.remove()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from HTTPS to HTTP."""

    def redirect_request(self, request, file, code, message, headers, address):
        if request.type == "https" and not address.startswith("https:"):
            raise DownloadFailed(f"{request.full_url}: leads to {address}, which is not HTTPS")
        return super().redirect_request(request, file, code, message, headers, address)


def _attempt(address, part, timeout, report):
    """Goes on where `part` ends, as far as the connection holds."""
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
            return _judge(error, address, part, offset)
    except (OSError, http.client.HTTPException) as error:
        raise _unconnected(getattr(error, "reason", error), address) from error
    with response:
        total = _prepare(response, address, part, offset)
        require_room(part.path.parent, (total or 0) - part.size)
        _append(response, part, total, report)


def _judge(error, address, part, offset):
    """Tells what an answer that is no file means."""
    if error.code == 416 and offset:
        if error.headers["Content-Range"] == f"bytes */{offset}":
            return  # nothing is missing: only the last step was
        part.remove()
        raise _Interrupted("the server has less of it than is here") from error
    said = f"the server said {error.code} {error.reason}".rstrip()
    if error.code in _TRANSIENT:
        raise _Interrupted(said) from error
    raise DownloadFailed(f"{address}: {said}", error.code) from error


def _prepare(response, address, part, offset):
    """Makes `part` ready for what comes; returns how long it will be, or None."""
    if response.headers.get_content_type() == "text/html":
        raise DownloadFailed(f"{address}: expected a file; received a web page (HTML)")
    if response.status == 206 and offset:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
        if not span or int(span[1]) != offset:
            part.remove()
            raise _Interrupted("the server gave another piece than the one that was asked for")
        return int(span[2])
    if response.status != 200:
        raise DownloadFailed(
            f"{address}: expected a file; the server said {response.status} {response.reason}",
            response.status,
        )
    part.begin(address, _version(response.headers))
    return response.length


def _version(headers):
    """What proves later that the file is still the same: a weak tag proves nothing about bytes."""
    tag = headers["ETag"] or ""
    return tag if tag.startswith('"') else headers["Last-Modified"]


def _append(response, part, total, report):
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
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke: {_reason(error)}") from error


def _unconnected(reason, address):
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadFailed(f"{address}: its certificate is not valid: {reason.verify_message}")
    return _Interrupted(f"no answer: {_reason(reason)}")


def _reason(error):
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _agent():
    import kseq

    return f"kseq/{kseq.__version__}"
