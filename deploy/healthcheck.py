# ruff: noqa: INP001 - a single file of the image, not a module of a package
"""Exit with 0 if the service in this container is ready, otherwise with 1.

It runs all day in every container, so it imports as little as it can: http.client alone would double its cost.
"""

import os
import socket
import sys

_REQUEST = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 - `::` takes IPv4 as well


def ready(host: str, port: int) -> bool:
    try:
        with socket.create_connection((_ANY.get(host, host), port), timeout=3) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if ready(os.environ.get("DUEBOOK_HOST", ""), int(os.environ["DUEBOOK_PORT"])) else 1)
