"""How long a service does not answer `/livez`, measured beside the test by a thread of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread


class Silence:
    """The longest time between a question and its answer."""

    def __init__(self, port: int) -> None:
        self.seconds = 0.0
        self._port, self._stop = port, Event()

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.wait(0.01):
            started = time.monotonic()
            try:
                connection.request("GET", "/livez")
                connection.getresponse().read()
            except (OSError, HTTPException):
                connection.close()
            self.seconds = max(self.seconds, time.monotonic() - started)
        connection.close()


@contextmanager
def measured_silence(port: int) -> Iterator[Silence]:
    silence = Silence(port)
    thread = Thread(target=silence._ask, daemon=True)
    thread.start()
    try:
        yield silence
    finally:
        silence._stop.set()
        thread.join()
