"""One connection to one server, by the standard library alone.

The command line starts a process for each request: a library for HTTP takes longer to import than the request itself.
"""

import http.client
import select
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from duebook.client.wire import Response


class Connection:
    """Stays open from request to request. Raises ValueError for a URL that names no HTTP server."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        if server.scheme not in {"http", "https"} or not server.hostname or server.port == 0:
            raise ValueError("it must begin with http:// or https:// and name a host")
        proxy = _proxy(server)
        self._headers = _credentials("Authorization", server)
        self._base = server.path.rstrip("/")
        if proxy is not None and server.scheme == "http":  # the proxy reads the whole URL, and sends the request on
            self._base = f"http://{_address(server)}{self._base}"
            self._headers |= _credentials("Proxy-Authorization", proxy)
        self._http = _open(server, proxy)

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Send one request; no step of it may take longer than so many seconds.

        Raises OSError or HTTPException if no answer arrives, ValueError if it cannot be sent.
        """
        self._http.timeout = seconds
        if self._http.sock is not None and _is_readable(self._http.sock):
            self._http.close()  # the server has closed it: a request on it would be lost
        try:
            if self._http.sock is not None:
                self._http.sock.settimeout(seconds)
            self._http.request(method, self._base + target, body, {**self._headers, **headers})
            answer = self._http.getresponse()
            return Response(answer.status, answer.read(), {name.lower(): text for name, text in answer.getheaders()})
        except BaseException:
            self._http.close()
            raise

    def close(self) -> None:
        self._http.close()


def server_of(url: str) -> str:
    """The URL of a server as a message shows it: without user, password, path and query."""
    server = urlsplit(url)
    return f"{server.scheme}://{_address(server)}"


def reason(error: Exception) -> str:
    """What the error says, without the number that the system gives it."""
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error) or type(error).__name__


def _open(server: SplitResult, proxy: SplitResult | None) -> http.client.HTTPConnection:
    to = proxy or server
    assert to.hostname
    kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
    connection = kind(to.hostname, to.port or (80 if proxy else kind.default_port))
    if proxy is not None and server.scheme == "https":
        assert server.hostname
        connection.set_tunnel(server.hostname, server.port, _credentials("Proxy-Authorization", proxy))
    return connection


def _proxy(server: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for this server; None for a server on this machine."""
    assert server.hostname
    if is_loopback(server.hostname):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - only other machines have a proxy

    url = getproxies().get(server.scheme)
    proxy = urlsplit(url) if url and not proxy_bypass(_address(server)) else None
    return proxy if proxy and proxy.hostname else None


def _address(server: SplitResult) -> str:
    return server.netloc.rpartition("@")[2]


def _credentials(header: str, url: SplitResult) -> dict[str, str]:
    """The header for the user and password of a URL, if it has them."""
    if url.username is None:
        return {}
    user = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {header: f"Basic {b64encode(user.encode()).decode()}"}


def is_loopback(host: str) -> bool:
    """Whether the host is this machine; a proxy cannot reach a server there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_readable(sock: object) -> bool:
    """Between requests nothing is to be read, unless the other end has closed the connection."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)  # type: ignore[arg-type]
    return bool(poll.poll(0))
