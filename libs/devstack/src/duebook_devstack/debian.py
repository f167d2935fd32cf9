"""RabbitMQ and Erlang from the distribution's packages, as there is no wheel of them."""

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
_PACKAGES = re.compile(r"^(rabbitmq-server|erlang-[a-z0-9-]+)$", re.MULTILINE)
_ROOTDIR = re.compile(r"^([ \t]*)ROOTDIR=/usr/lib/erlang$", re.MULTILINE)


def programs(downloads: Path, report: Callable[[str], None]) -> tuple[Path, Path | None, str]:
    """The directory of RabbitMQ's scripts, that of Erlang's (None: they are on the PATH), and where both come from.

    They are installed if we are root, and unpacked into `downloads` otherwise; raises ServerNotFound.
    """
    if scripts := _installed():
        return scripts, None, f"installed, {scripts}"
    unpacked = downloads / "root"
    if not unpacked.exists():
        if not shutil.which("apt-get"):
            raise ServerNotFound("RabbitMQ: rabbitmq-server was not found; install it, or set DUEBOOK_RABBITMQ_URL")
        if os.geteuid() == 0:
            report("RabbitMQ: installing the distribution's package rabbitmq-server, without starting it")
            _install()
            return _INSTALLED, None, f"package installed, {_INSTALLED}"
        report(f"RabbitMQ: unpacking the distribution's packages into {unpacked}")
        _unpack(downloads, unpacked)
    return unpacked / "usr/lib/rabbitmq/bin", unpacked / "usr/lib/erlang/bin", "package unpacked"


def _installed() -> Path | None:
    if os.access(_INSTALLED / "rabbitmq-server", os.X_OK) and shutil.which("erl"):
        return _INSTALLED
    found = shutil.which("rabbitmq-server")
    return Path(found).resolve().parent if found else None


def _install() -> None:
    with no_daemons():
        try:
            _apt("install", "--yes", "--no-install-recommends", "rabbitmq-server")
        except ServerNotFound:  # on a new machine the package lists are missing or outdated
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", "rabbitmq-server")


@contextmanager
def no_daemons() -> Iterator[None]:
    """Keep the package from starting its daemon, by a policy-rc.d that exits with 101; restore the file afterwards."""
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
    """Download and unpack RabbitMQ and Erlang without root, with our own package lists if the machine's are old."""
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
    unfinished = downloads / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for package in downloads.glob("*.deb"):
        _run("dpkg", "-x", str(package), str(unfinished))
        package.unlink()
    _relocate(unfinished / "usr/lib/erlang")
    unfinished.rename(target)
    for each in ("lists", "cache"):
        shutil.rmtree(downloads / each, ignore_errors=True)


def _fetch(downloads: Path, *options: str) -> None:
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    tree = _run("apt-cache", *options, "depends", "--recurse", *(f"--no-{kind}" for kind in kinds), "rabbitmq-server")
    _apt("download", *options, *sorted(set(_PACKAGES.findall(tree))), cwd=downloads)


def _relocate(erlang: Path) -> None:
    """Replace the absolute path in Erlang's scripts with one relative to the script."""
    for script in (*erlang.glob("**/bin/erl"), *erlang.glob("**/bin/start")):
        up = os.path.relpath(erlang, script.parent)
        root = rf'\1ROOTDIR="$(cd "$(dirname "$(readlink -f "$0")")/{up}" && pwd)"'
        script.write_text(_ROOTDIR.sub(root, script.read_text(encoding="utf-8")), encoding="utf-8")


def _apt(command: str, *arguments: str, cwd: Path | None = None) -> str:
    return _run("apt-get", "--quiet", command, *arguments, cwd=cwd, more={"DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> str:
    env = {**os.environ, "LC_ALL": "C", **(more or {})}
    # In its own session, because Ctrl-C must not interrupt an installation.
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
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        failed = f"`{' '.join(command[:3])} …` failed"
        raise ServerNotFound(f"RabbitMQ: {failed}; install rabbitmq-server, or set DUEBOOK_RABBITMQ_URL\n{tail}")
    return done.stdout
