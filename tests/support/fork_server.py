"""A program that has imported all services, and forks one of them for each request: it starts at once.

Imports are what a start of a service takes: more than a second of CPU, hundreds of times in a test run. The process is
otherwise that of `duebook-api` and so on: in a session of its own, with its own environment, log and exit code.

Run by `forked.py` as `python -P fork_server.py DESCRIPTOR`. A request is JSON with the descriptors of its log and of a
pipe for its exit code; the answer is the pid. It ends when its parent does.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from typing import Any

KINDS = ("api", "scheduler", "executor", "notifier")
LARGEST_REQUEST = 100_000  # bytes


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork as requested. Returns in the parent at its end, and in each child what it is to be."""
    wake, woken = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    children: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([requests.fileno(), wake], [], [])
        if wake in readable:
            os.read(wake, 1_000)
            report_ends(children)
        if requests.fileno() in readable:
            body, descriptors, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 2)
            if not body:
                return None
            log, exit_code = descriptors
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                become(log, [requests.detach(), wake, woken, exit_code, *children.values()])
                request: dict[str, Any] = json.loads(body)
                return request
            os.close(log)
            children[pid] = exit_code
            requests.send(str(pid).encode())


def report_ends(children: dict[int, int]) -> None:
    """Write the exit code of each child that has ended into its pipe."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with open(children.pop(pid), "wb") as pipe:  # noqa: PTH123
            pipe.write(str(os.waitstatus_to_exitcode(status)).encode())


def become(log: int, foreign: list[int]) -> None:
    """What `subprocess` does between fork and exec."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in foreign:
        os.close(descriptor)
    for output in (1, 2):
        os.dup2(log, output)
    os.close(log)


def run_service(kind: str, program: str, environment: dict[str, str]) -> None:
    """Run the service until it exits, as its program does."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program]
    sys.path[:0] = [os.path.dirname(program), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]  # noqa: PTH120
    sys.modules[f"duebook_{kind}.__main__"].main()


def main() -> None:
    for kind in KINDS:
        import_module(f"duebook_{kind}.__main__")
        import_module(f"duebook_{kind}.app")
    gc.collect()
    gc.freeze()  # else the collector would copy the pages of every object into every child
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        run_service(**request)


if __name__ == "__main__":
    main()
