"""RabbitMQ with a node name, a cookie, ports and an epmd of its own: the machine's own broker is never touched."""

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGTERM

from duebook_devstack import debian
from duebook_devstack.home import StackDir
from duebook_devstack.processes import Process
from duebook_devstack.server import Server, environment

_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {ui}
default_user = duebook
default_pass = {password}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 100MB
"""

# Few schedulers that do not spin while idle: on a small machine the broker leaves the processors to others.
# Erlang's own port answers on the loopback only.
_ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ(Server):
    name = "rabbitmq"
    stop_signal = SIGTERM
    stop_seconds = 10
    start_seconds = 90

    def __init__(self, home: StackDir, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(home, say)
        self._port, self._ui = home.port("rabbitmq"), home.port("rabbitmq-ui")
        self._dist, self._epmd = home.port("rabbitmq-dist"), home.port("epmd")
        self._scripts, self._erlang = Path(), Path()
        self._names: Process | None = None

    @property
    def url(self) -> str:
        return f"amqp://duebook:{self.home.password('rabbitmq')}@127.0.0.1:{self._port}/"

    @property
    def management_url(self) -> str:
        """The HTTP API and its pages, with the same user and password."""
        return f"http://127.0.0.1:{self._ui}"

    def command(self) -> Sequence[str | Path]:
        scripts, erlang, self.origin = debian.programs(self.home.path / "packages", self.say)
        self._scripts, self._erlang = scripts, erlang or Path()
        self._write(
            "rabbitmq.conf", _CONFIG.format(port=self._port, ui=self._ui, password=self.home.password("rabbitmq"))
        )
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write("rabbitmq-env.conf", "")
        return [scripts / "rabbitmq-server"]

    def environment(self) -> Mapping[str, str]:
        room = self.room
        inherited = environment()
        return inherited | {
            "PATH": f"{self._erlang}:{inherited['PATH']}" if self._erlang != Path() else inherited["PATH"],
            "HOME": str(room),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"duebook-{self.home.short_name}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_MNESIA_BASE": str(room / "mnesia"),
            "RABBITMQ_LOG_BASE": str(room / "log"),
            "RABBITMQ_CONFIG_FILE": str(room / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(room / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(room / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the server, instead of standing before it
        }

    def start(self) -> None:
        command = self.command()
        # Where none is running, Erlang starts an epmd that outlives it. Ours is a child like any other.
        if self._names is None or self._names.exit_code is not None:
            self.launch("epmd", ["epmd", "-port", str(self._epmd)])
            self._names = self.process
        self.launch(self.name, command)
        self.await_answer()

    def answers(self) -> bool:
        """The last thing a booting node does is to answer AMQP."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"

    def stop(self) -> None:
        super().stop()
        self._stop_names()

    def kill(self) -> None:
        super().kill()
        self._stop_names()

    def abandon(self) -> None:
        super().abandon()
        if self._names:
            self._names.abandon()

    def _stop_names(self) -> None:
        if self._names:
            self._names.stop(2)
            self._names = None

    def _write(self, name: str, text: str) -> None:
        path = self.room / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if self.home.account:
            self.home.account.own(path)
