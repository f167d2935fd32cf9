"""The installed program."""

import subprocess
from pathlib import Path

from support.program import PROGRAM


def test_the_program_is_called_duebook_through_any_link(tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(PROGRAM)
    done = subprocess.run([tmp_path / "db", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: duebook ")
