"""What a hostile client does to others: a victim's wait, the silence of the services, and their memory.

with measured_harm(platform) as harm:
    ...                  # what the hostile client does; `harm.victims()` waits for some more jobs of the victim
harm.must_be_small()
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from support.fleet import Platform
from support.silence import SHARED_CORES, Silence, measured_silence

MIB = 1024 * 1024
_MOST_MEMORY = {"api": 400 * MIB, "scheduler": 400 * MIB, "executor": 600 * MIB, "notifier": 400 * MIB}
_JOB = {"name": "a victim's job", "task": "log"}
_UNDISTURBED = 5  # jobs
_MOST_WAIT = 1.0 * SHARED_CORES  # seconds


def peak_memory(pid: int) -> int:
    """The most memory that the process has had, in bytes."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@dataclass
class Harm:
    """The measurements. `alone` and `waits` are the seconds from POST to success of each of the victim's jobs."""

    platform: Platform
    alone: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    silences: dict[str, Silence] = field(default_factory=dict)
    _stop: Event = field(default_factory=Event)

    def victims(self, count: int = 5, seconds: float = 60) -> None:
        """Wait until so many further jobs of the victim have succeeded."""
        wanted, deadline = len(self.waits) + count, time.monotonic() + seconds
        while len(self.waits) < wanted:
            assert time.monotonic() < deadline, f"the victim's jobs do not succeed any more: {self}"
            time.sleep(0.05)

    def must_be_small(self, most_wait: float = _MOST_WAIT) -> None:
        """A victim waits at most `most_wait` seconds, or five times as long as alone; each silence is within its limit.

        Where the machine lets an idle process wait, each of the twenty or so steps of a job may wait as long.
        """
        memory = {name: peak_memory(pid) for name, pid in self._pids().items()}
        silent = {name: silence.seconds for name, silence in self.silences.items()}
        print(f"alone {max(self.alone):.2f} s, victims {max(self.waits):.2f} s, silence {silent}, memory {memory}")
        machine = max(silence.of_machine for silence in self.silences.values())
        assert max(self.waits) <= max(most_wait, 5 * max(self.alone), 20 * machine), self.waits
        assert [name for name, silence in self.silences.items() if silence.seconds > silence.limit] == [], silent
        assert all(size < _MOST_MEMORY[name.split("-")[0]] for name, size in memory.items()), memory

    def _pids(self) -> dict[str, int]:
        return {s.name: s.process.pid for s in self.platform.services.values() if s.process is not None}

    def _keep_creating(self, api: httpx2.Client) -> None:
        while not self._stop.wait(0.05):
            self.waits.append(_seconds_to_success(api))


def _seconds_to_success(api: httpx2.Client) -> float:
    started = time.monotonic()
    job = api.post("/api/job", json=_JOB).raise_for_status().json()
    while True:
        runs = api.get(f"/api/job/{job['id']}/runs").raise_for_status().json()["items"]
        if runs and runs[0]["status"] == "succeeded":
            return time.monotonic() - started
        time.sleep(0.05)


@contextmanager
def measured_harm(platform: Platform) -> Iterator[Harm]:
    """Measure while the block runs. The platform has an api, a scheduler, and an executor of the queue `default`."""
    harm = Harm(platform)
    with (
        ExitStack() as stack,
        httpx2.Client(base_url=platform["api", 0].url, timeout=60, trust_env=False, verify=WITHOUT_TLS) as api,
    ):
        harm.alone = [_seconds_to_success(api) for _ in range(_UNDISTURBED)]
        for service in platform.services.values():
            harm.silences[service.name] = stack.enter_context(measured_silence(service.port))
        victim = Thread(target=harm._keep_creating, args=(api,), daemon=True)
        victim.start()
        try:
            yield harm
            harm.victims()
        finally:
            harm._stop.set()
            victim.join(60)
