# ruff: noqa: INP001 - a single file of the image, not a module of a package
"""Exit with 0 if the service in this container is ready, otherwise with 1. Needs only the standard library."""

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
