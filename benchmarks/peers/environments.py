"""The environment of each peer: made by uv when first needed, and again when its packages or our Python change."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.catalogue import Peer

FOLDER = Path(__file__).parents[2] / ".duebook" / "peers"
_UV = FOLDER.parent / "tools" / "bin" / "uv"  # where `make` puts it


class CannotInstall(Exception):
    """uv could not make the environment; the text is what it says."""


def python_of(peer: Peer, folder: Path = FOLDER) -> Path:
    """The peer's Python. Raises CannotInstall."""
    environment = folder / peer.name.lower()
    python, marker = environment / "bin" / "python", environment / "packages"
    wanted = contents(peer)
    if not marker.exists() or marker.read_text() != wanted:
        print(f"installing {peer.name} into {environment}", file=sys.stderr)
        _uv("venv", "--clear", "--python", sys.executable, str(environment))
        _uv("pip", "install", "--python", str(python), *peer.packages)
        marker.write_text(wanted)
    return python


def contents(peer: Peer) -> str:
    """The Python and the packages of the peer's environment, one in each line."""
    return "\n".join([f"{sys.base_prefix} {sys.version.split()[0]}", *peer.packages])


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [shutil.which("uv") or _UV, *arguments, "--quiet"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotInstall(done.stderr.strip())
