"""The file `.duebook/env`, from which `duebook` reads how to reach this stack."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

_HEAD = (
    "# Written at each start, and read by `duebook` in the directory above. In a shell: set -a; . .duebook/env; set +a"
)


def write(directory: Path, variables: Mapping[str, str]) -> Path:
    """Replace the file, which only its owner may read: it has passwords. A shell can read it too."""
    path = directory / "env"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    lines = [_HEAD, *(f"{name}={shlex.quote(value)}" for name, value in variables.items() if value)]
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    new.replace(path)
    return path
