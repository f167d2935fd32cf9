# ruff: noqa: INP001 - not a module of a package; the image carries it alone
"""Exit 0 when the service in this container is ready, and 1 when it is not. Needs the standard library only."""

import os
import sys
from http.client import HTTPConnection, HTTPException


def ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if ready(int(os.environ["DUEBOOK_PORT"])) else 1)
