"""A process of the local stack that crashes at once, again and again, ends the stack and says why."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from duebook_devstack.processes import Process, ProcessDied
from duebook_devstack.services import Service
from duebook_devstack.stack_dir import StackDir
from duebook_devstack.supervisor import Supervisor


class Crashing(Service):
    """Ends with exit code 3 as soon as it is started."""

    def start(self) -> None:
        command = [sys.executable, "-c", "raise SystemExit(3)"]
        self.process = Process(self.name, command, registry=self._stack_dir.registry, log=self.log, env={})
        self.process._popen.wait()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Crashing]:
    stack_dir = StackDir(tmp_path / "stack")
    yield Crashing(stack_dir, "api", 1, {})
    stack_dir.close()


def test_a_process_that_goes_on_crashing_ends_the_stack(service: Crashing) -> None:
    reports: list[str] = []
    pauses: list[float] = []
    supervisor = Supervisor([service], reports.append, pauses.append)
    service.start()
    for _ in range(5):
        supervisor.step()
    assert reports == ["api ended with exit code 3, and is started again"] * 5
    assert pauses == [0, 1, 2, 3, 4]
    with pytest.raises(ProcessDied, match="api ended with exit code 3; the end of"):
        supervisor.step()


@pytest.mark.parametrize(("lives", "ends"), [(20, True), (61, False)])
def test_only_crashes_soon_after_the_start_count(service: Crashing, lives: float, ends: bool) -> None:
    """RabbitMQ may take twenty seconds until it gives up."""
    now = [0.0]
    supervisor = Supervisor([service], lambda _: None, lambda _: None, lambda: now[0])
    service.start()
    for _ in range(5):
        now[0] += lives
        supervisor.step()
    now[0] += lives
    if ends:
        with pytest.raises(ProcessDied):
            supervisor.step()
    else:
        supervisor.step()
