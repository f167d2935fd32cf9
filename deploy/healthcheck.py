# ruff: noqa: INP001 - a single file of the image, not a module of a package
"""Exit with 0 if the service in this container is ready, otherwise with 1. The command line is always well.

It runs all day in every container, so it imports as little as it can: http.client alone would double its cost.
"""

import os
import socket
import sys

_REQUEST = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 - `::` takes IPv4 as well
_PORTS = {"duebook-api": 8000, "duebook-scheduler": 8001, "duebook-executor": 8002, "duebook-notifier": 8003}
_COMMAND_LINE = "duebook"


def ready(host: str, port: int) -> bool:
    try:
        with socket.create_connection((_ANY.get(host, host), port), timeout=3) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


def program() -> str:
    """What this image starts: its entrypoint is a link beside this file."""
    here = __file__.rpartition("/")[0]
    return os.readlink(f"{here}/bin/entrypoint").rpartition("/")[2]  # noqa: PTH115 - pathlib costs as much as the rest


def healthy() -> bool:
    name = program()
    port = int(os.environ.get("DUEBOOK_PORT") or _PORTS.get(name, 0))
    return name == _COMMAND_LINE or ready(os.environ.get("DUEBOOK_HOST", ""), port)


if __name__ == "__main__":
    sys.exit(0 if healthy() else 1)
