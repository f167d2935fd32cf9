"""The distribution's Chromium, installed if we are root on a machine with apt; tests are skipped without one."""

import os
import shutil
import subprocess
from functools import cache

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL = ("apt-get", "--quiet", "install", "--yes", "--no-install-recommends", "chromium")


@cache
def chromium() -> str | None:
    """The path of the program, or None."""
    return _found() or _installed()


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _installed() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (_INSTALL, ("apt-get", "--quiet", "update"), _INSTALL):
        subprocess.run(command, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if path := _found():
            return path
    return None
