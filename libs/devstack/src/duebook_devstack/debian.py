"""RabbitMQ from the distribution's packages: no wheel carries it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from duebook_devstack.server import ServerNotFound

_POLICY = Path("/usr/sbin/policy-rc.d")
_INSTALLED = Path("/usr/lib/rabbitmq/bin")
_NEEDED = re.compile(r"^(rabbitmq-server|erlang-[a-z0-9-]+)$", re.MULTILINE)
_ROOTDIR = re.compile(r"^([ \t]*)ROOTDIR=/usr/lib/erlang$", re.MULTILINE)


def programs(downloads: Path, say: Callable[[str], None]) -> tuple[Path, Path | None, str]:
    """Where RabbitMQ's scripts are, where Erlang's are unless on the PATH, and how they were obtained."""
    if found := _installed():
        return found, None, f"installed, {found}"
    unpacked = downloads / "root"
    if not unpacked.exists():
        if not shutil.which("apt-get"):
            raise ServerNotFound("RabbitMQ: no rabbitmq-server is at hand; install one, or set DUEBOOK_RABBITMQ_URL")
        if os.geteuid() == 0:
            say("RabbitMQ: installing the distribution's package rabbitmq-server, without starting it")
            _install()
            return _INSTALLED, None, f"package installed, {_INSTALLED}"
        say(f"RabbitMQ: unpacking the distribution's packages into {unpacked}")
        _unpack(downloads, unpacked)
    return unpacked / "usr/lib/rabbitmq/bin", unpacked / "usr/lib/erlang/bin", "package unpacked"


def _installed() -> Path | None:
    if os.access(_INSTALLED / "rabbitmq-server", os.X_OK) and shutil.which("erl"):
        return _INSTALLED
    found = shutil.which("rabbitmq-server")
    return Path(found).resolve().parent if found else None


def _install() -> None:
    with _no_daemons():
        try:
            _apt("install", "--yes", "--no-install-recommends", "rabbitmq-server")
        except ServerNotFound:  # the package lists of a fresh machine are missing or old
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", "rabbitmq-server")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """A package starts its daemon on the default ports unless policy-rc.d says no (101); put back what was there."""
    before = _POLICY.with_name("policy-rc.d.before-duebook")
    if _POLICY.exists():
        _POLICY.rename(before)
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
        if before.exists():
            before.rename(_POLICY)


def _unpack(downloads: Path, target: Path) -> None:
    """As an ordinary user: fetch RabbitMQ and Erlang, with package lists of our own where the machine's are old."""
    downloads.mkdir(exist_ok=True)
    try:
        _fetch(downloads)
    except ServerNotFound:
        state, cache = downloads / "lists", downloads / "cache"
        (state / "partial").mkdir(parents=True, exist_ok=True)
        (cache / "archives/partial").mkdir(parents=True, exist_ok=True)
        own = (f"-oDir::State::Lists={state}", f"-oDir::Cache={cache}")
        _apt("update", *own)
        _fetch(downloads, *own)
    half = downloads / "half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for package in downloads.glob("*.deb"):
        _run("dpkg", "-x", str(package), str(half))
        package.unlink()
    _relocate(half / "usr/lib/erlang")
    half.rename(target)
    for each in ("lists", "cache"):
        shutil.rmtree(downloads / each, ignore_errors=True)


def _fetch(downloads: Path, *options: str) -> None:
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    listed = _run("apt-cache", *options, "depends", "--recurse", *(f"--no-{each}" for each in kinds), "rabbitmq-server")
    _apt("download", *options, *sorted(set(_NEEDED.findall(listed))), cwd=downloads)


def _relocate(erlang: Path) -> None:
    """Erlang's scripts name the place they were built for; ours find it from their own."""
    for script in (*erlang.glob("**/bin/erl"), *erlang.glob("**/bin/start")):
        up = os.path.relpath(erlang, script.parent)
        root = rf'\1ROOTDIR="$(cd "$(dirname "$(readlink -f "$0")")/{up}" && pwd)"'
        script.write_text(_ROOTDIR.sub(root, script.read_text(encoding="utf-8")), encoding="utf-8")


def _apt(command: str, *arguments: str, cwd: Path | None = None) -> str:
    return _run("apt-get", "--quiet", command, *arguments, cwd=cwd, more={"DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> str:
    env = {**os.environ, "LC_ALL": "C", **(more or {})}
    # A session of its own: Ctrl-C must not tear an installation.
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise ServerNotFound(
            f"RabbitMQ: `{' '.join(command[:3])} …` failed; install rabbitmq-server or set DUEBOOK_RABBITMQ_URL\n{end}"
        )
    return done.stdout
