"""The host names that a server answers to.

A page of a stranger can have its own name point at 127.0.0.1 and then read what a server there
answers (DNS rebinding). Its requests still have that name in their `Host` header.
"""

import ipaddress
import urllib.parse

from starlette.responses import JSONResponse


class KnownHosts:
    """ASGI middleware that refuses requests to host names that the server does not have.

    It takes all addresses, `localhost` and the given names.

    Args:
        app: The application.
        names: Names that the server answers to.
    """

    def __init__(self, app, names):
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope, receive, send):
        """Handles a request."""
        app = self._app
        if scope["type"] == "http" and not self._is_known(name := _host_name(scope)):
            message = (
                f"unknown host name: {name!r}; if it is a name of this server, start it with "
                "--allow-host and this name"
            )
            app = JSONResponse({"error": message}, 403)
        await app(scope, receive, send)

    def _is_known(self, name):
        return _address(name) is not None or is_own_machine(name) or name in self._names


def is_own_machine(name):
    """Whether a host name, or an address, can only mean the machine itself."""
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _host_name(scope):
    """The name in the `Host` header, without the port, in lower case; browsers always send one."""
    host = next((value for header, value in scope["headers"] if header == b"host"), b"localhost")
    try:
        return urllib.parse.urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:
        return ""


def _address(name):
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
