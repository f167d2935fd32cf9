"""Ports of the loopback: stacks that start side by side never take the same."""

import subprocess
import sys

from duebook_devstack.ports import claim, free_port, is_free

CLAIM = "import sys; from duebook_devstack.ports import claim; print(claim(int(sys.argv[1])))"


def claimed_elsewhere(port: int) -> bool:
    asked = subprocess.run([sys.executable, "-c", CLAIM, str(port)], capture_output=True, text=True, check=True)
    return asked.stdout.strip() == "True"


def test_a_claimed_port_is_nobody_elses_though_nobody_listens_at_it_yet() -> None:
    port = free_port()
    assert is_free(port)
    assert not claimed_elsewhere(port)


def test_a_claim_ends_with_its_process() -> None:
    port = next(port for port in range(32_500, 32_600) if claimed_elsewhere(port))
    assert claimed_elsewhere(port)


def test_a_process_may_claim_its_own_port_again() -> None:
    assert claim(free_port())
