"""Ports on the loopback interface. Stacks that start at the same time never choose the same port."""

import atexit
import random
import socket
import sys
from collections.abc import Collection

# Below the kernel's ephemeral ports, for two reasons: a client that reconnects in a loop to an ephemeral port on the
# loopback can connect to itself, and an outgoing connection may hold the port that a server needs when it restarts.
_PORTS = range(20_000, 32_000)

_claims: dict[int, socket.socket] = {}


def claim(port: int) -> bool:
    """Reserve `port` for this process and its children until it ends; False if it is in use or reserved.

    A free port may be taken before its server listens. The reservation is an abstract Unix socket, see unix(7):
    the kernel admits each name once, and releases it when its owner ends.
    """
    if not is_free(port):
        return False
    if port in _claims or not sys.platform.startswith("linux"):
        return True
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reservation.bind(f"\0duebook-port-{port}")
    except OSError:
        reservation.close()
        return False
    _claims[port] = reservation
    atexit.register(reservation.close)
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Reserve a free port at random, none of `taken`; raises OSError if there is none."""
    for port in random.sample(_PORTS, 500):
        if port not in taken and port not in _claims and claim(port):
            return port
    raise OSError("no free port on the loopback interface")


def is_free(port: int) -> bool:
    """Whether no server listens on `port`."""
    with socket.socket() as probe:
        # Servers set it too: connections of an earlier server that are in TIME_WAIT do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
