"""Ports on the loopback interface: stacks that start at the same time never choose the same one."""

import subprocess
import sys

from duebook_devstack.ports import claim, free_port, is_free

CLAIM = "import sys; from duebook_devstack.ports import claim; print(claim(int(sys.argv[1])))"


def claimed_elsewhere(port: int) -> bool:
    done = subprocess.run([sys.executable, "-c", CLAIM, str(port)], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_a_claimed_port_cannot_be_claimed_elsewhere_before_a_server_listens() -> None:
    port = free_port()
    assert is_free(port)
    assert not claimed_elsewhere(port)


def test_a_claim_ends_with_its_process() -> None:
    port = next(port for port in range(32_500, 32_600) if claimed_elsewhere(port))
    assert claimed_elsewhere(port)


def test_a_process_can_claim_its_own_port_again() -> None:
    assert claim(free_port())
