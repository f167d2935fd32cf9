"""How long a service does not answer `/livez`, measured beside the test by a thread of its own.

The same questions go to an idle process, which tells how long this machine itself makes a process wait meanwhile.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread

# A test of another worker needs the cores of a small machine as well. `-n 0` measures without it.
SHARED_CORES = 3 if "PYTEST_XDIST_WORKER" in os.environ else 1
_MOST_SECONDS = 0.5 * SHARED_CORES
_PAUSE = 0.05  # seconds between questions to a service, which would do little else without
_IDLE_PROCESS = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while data := connection.recv(1):
    connection.sendall(data)
"""


class Silence:
    """The longest time between a question and its answer, in seconds; `of_machine` is that of the idle process.

    A service may fall silent as soon as a pause between questions begins, so `seconds` has the pause in it.
    """

    def __init__(self, port: int) -> None:
        self.seconds = self.of_machine = 0.0
        self._port, self._stop = port, Event()

    @property
    def limit(self) -> float:
        """Half a second times SHARED_CORES, or five times as long as the machine let an idle process wait."""
        return max(_MOST_SECONDS, 5 * self.of_machine)

    def _ask_service(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)

        def ask() -> None:
            try:
                connection.request("GET", "/livez")
                connection.getresponse().read()
            except (OSError, HTTPException):
                connection.close()

        while not self._stop.wait(_PAUSE):
            self.seconds = max(self.seconds, _PAUSE + _seconds(ask))
        connection.close()

    def _ask_idle_process(self) -> None:
        with ExitStack() as stack:
            command = [sys.executable, "-ISc", _IDLE_PROCESS]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert process.stdout is not None
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", int(process.stdout.readline()))))

            def ask() -> None:
                connection.sendall(b"?")
                connection.recv(1)

            while not self._stop.wait(0.01):
                self.of_machine = max(self.of_machine, _seconds(ask))


def _seconds(ask: Callable[[], None]) -> float:
    started = time.monotonic()
    ask()
    return time.monotonic() - started


@contextmanager
def measured_silence(port: int) -> Iterator[Silence]:
    silence = Silence(port)
    threads = [Thread(target=ask, daemon=True) for ask in (silence._ask_service, silence._ask_idle_process)]
    for thread in threads:
        thread.start()
    try:
        yield silence
    finally:
        silence._stop.set()
        for thread in threads:
            thread.join()
