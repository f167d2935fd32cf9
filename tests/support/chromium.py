"""The distribution's Chromium, installed if we are root on a machine with apt; tests are skipped without one.

The one without windows is preferred, which Debian has as a package of its own: a page takes half of the CPU.
"""

import os
import shutil
import subprocess
from functools import cache

_PACKAGES = ("chromium-headless-shell", "chromium")
_NAMES = (*_PACKAGES, "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL = ("apt-get", "--quiet", "install", "--yes", "--no-install-recommends")
_UPDATE = ("apt-get", "--quiet", "update")


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
    installs = [(*_INSTALL, package) for package in _PACKAGES]
    for command in (*installs, _UPDATE, *installs):
        subprocess.run(command, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if path := _found():
            return path
    return None
