"""One measurement of a peer: tasks submitted one by one, then many that are submitted and run."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import ticks
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.comparison import Rates, Span

_ROOT = Path(__file__).parents[2]
_SUBMIT_SECONDS, _RUN_SECONDS, _STOP_SECONDS = 300, 300, 20


def measured(peer: Peer, python: Path, servers: Mapping[str, str], folder: Path, counts: tuple[int, int]) -> Rates:
    """The rates of `counts` tasks, submitted one by one, and submitted and run.

    The first tasks are submitted while no worker runs, and executed by the worker before it is measured. Raises
    TimeoutError, and CalledProcessError with what the peer has printed.
    """
    each, all_ = counts
    file = folder / f"{peer.name}-{os.urandom(4).hex()}"
    environment = {**os.environ, **servers, ticks.VARIABLE: str(file)}
    submission = [str(python), "-m", "benchmarks.peers.submission", peer.module]
    one_by_one = _submitted([*submission, "each", f"{each}"], environment)
    with _running([str(python), *peer.worker], environment, folder / f"{peer.name}.log"):
        ticks.ended_at(file, each, _RUN_SECONDS)
        submitted = _submitted([*submission, "all", f"{all_}"], environment)
        ended = ticks.ended_at(file, each + all_, _RUN_SECONDS)
    return Rates(one_by_one.rate(each), Span(submitted.began, ended).rate(all_))


def _submitted(command: list[str], environment: Mapping[str, str]) -> Span:
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, timeout=_SUBMIT_SECONDS, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command[3:], done.stdout, done.stderr)
    return Span(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """A worker with its child processes."""
    with log.open("ab") as output:
        worker = subprocess.Popen(
            command, cwd=_ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
