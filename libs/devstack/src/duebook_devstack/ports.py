"""Ports of the loopback, each for one of the stacks of this machine."""

import atexit
import random
import socket
import sys
from collections.abc import Collection

# Below the ports that the kernel gives to outgoing connections: a client that reconnects in a loop to a port
# of that range on the loopback can end up connected to itself, and a server that restarts finds its port taken.
_PORTS = range(20_000, 32_000)

_claims: dict[int, socket.socket] = {}


def claim(port: int) -> bool:
    """Whether `port` is free, and from now until this process ends for it and its children alone.

    A port that is free now may be taken by the time that a server has started and listens. Stacks that start
    side by side therefore agree by a name of which the kernel has one, and which it frees with its owner.
    """
    if not is_free(port):
        return False
    if port in _claims or not sys.platform.startswith("linux"):
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0duebook-port-{port}")
    except OSError:
        name.close()
        return False
    _claims[port] = name
    atexit.register(name.close)
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Any free private port that nobody has claimed and that is not among those taken; it is now claimed."""
    for port in random.sample(_PORTS, 500):
        if port not in taken and port not in _claims and claim(port):
            return port
    raise OSError("no free port on the loopback")


def is_free(port: int) -> bool:
    """Whether nobody listens at it."""
    with socket.socket() as probe:
        # As servers do: a port is not taken because connections to an earlier server on it are still fading.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
