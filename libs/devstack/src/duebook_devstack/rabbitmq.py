"""RabbitMQ with its own node name, cookie, ports and epmd, so that it never meets a broker that the machine runs."""

import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGTERM

from duebook_devstack import debian
from duebook_devstack.processes import Process
from duebook_devstack.server import Server, environment
from duebook_devstack.stack_dir import StackDir

_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = duebook
default_pass = {password}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 100MB
"""
_MANAGEMENT = """\
management.tcp.ip = 127.0.0.1
management.tcp.port = {ui}
"""

# Two Erlang schedulers without busy waiting leave the processors of a small machine to the other programs.
# The port of Erlang's distribution protocol listens on the loopback interface only.
_ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ(Server):
    """Without `management` it has neither that API nor its pages, and starts with two thirds of the CPU; for tests."""

    name = "rabbitmq"
    stop_signal = SIGTERM
    stop_seconds = 10
    start_seconds = 90

    def __init__(
        self, stack_dir: StackDir, report: Callable[[str], None] = lambda _: None, *, management: bool = True
    ) -> None:
        super().__init__(stack_dir, report)
        self._management = management
        self._port, self._ui_port = stack_dir.port(self.name), stack_dir.port(f"{self.name}-ui")
        self._dist_port, self._epmd_port = stack_dir.port(f"{self.name}-dist"), stack_dir.port("epmd")
        self._scripts, self._erlang = Path(), Path()
        self._epmd: Process | None = None

    @property
    def url(self) -> str:
        return f"amqp://duebook:{self.stack_dir.password('rabbitmq')}@127.0.0.1:{self._port}/"

    @property
    def node(self) -> str:
        """The name by which other nodes and `rabbitmqctl` find it."""
        return f"duebook-{self.stack_dir.short_name}@localhost"

    @property
    def management_url(self) -> str:
        """The management API and its web pages; user and password are those of `url`."""
        return f"http://127.0.0.1:{self._ui_port}"

    def command(self) -> Sequence[str | Path]:
        scripts, erlang, self.origin = debian.programs(self.stack_dir.path / "packages", self.report)
        self._scripts, self._erlang = scripts, erlang or Path()
        config = _CONFIG + _MANAGEMENT if self._management else _CONFIG
        password = self.stack_dir.password("rabbitmq")
        self._write("rabbitmq.conf", config.format(port=self._port, ui=self._ui_port, password=password))
        self._write("enabled_plugins", "[rabbitmq_management].\n" if self._management else "[].\n")
        self._write("rabbitmq-env.conf", "")
        return [scripts / "rabbitmq-server"]

    def environment(self) -> Mapping[str, str]:
        directory = self.directory
        inherited = environment()
        return inherited | {
            "PATH": f"{self._erlang}:{inherited['PATH']}" if self._erlang != Path() else inherited["PATH"],
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script exec the server, so that our signals reach it
        }

    def start(self) -> None:
        command = self.command()
        # Otherwise Erlang starts an epmd (its port mapper daemon) that outlives the server. Ours is a child process.
        if self._epmd is None or self._epmd.exit_code is not None:
            self.launch("epmd", ["epmd", "-port", str(self._epmd_port)])
            self._epmd = self.process
        self.launch(self.name, command)
        self.await_answer()

    def answers(self) -> bool:
        """Whether the server answers an AMQP header, which is the last step of its start."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"

    def evaluate(self, expression: str) -> str:
        """The value of an Erlang expression, evaluated by the server: for tests of its faults."""
        return self.control("rabbitmqctl", "eval", expression)

    def control(self, program: str, *arguments: str) -> str:
        """What a program of RabbitMQ's prints, `rabbitmqctl` or another, about this node."""
        command = [str(self._scripts / program), "--node", self.node, *arguments]
        done = subprocess.run(command, env=self.environment(), check=True, capture_output=True, text=True, timeout=300)
        return done.stdout

    def stop(self) -> None:
        super().stop()
        self._stop_epmd()

    def kill(self) -> None:
        super().kill()
        self._stop_epmd()

    def abandon(self) -> None:
        super().abandon()
        if self._epmd:
            self._epmd.abandon()

    def _stop_epmd(self) -> None:
        if self._epmd:
            self._epmd.stop(2)
            self._epmd = None

    def _write(self, name: str, text: str) -> None:
        """Write a configuration file that only the server's account can read: it may hold the password."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if self.stack_dir.account:
            self.stack_dir.account.own(path)
