"""The four backing servers as one thing: started side by side, stopped together, with nothing left behind."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from duebook_devstack.home import StackDir
from duebook_devstack.mail import Mail
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.redis import Redis
from duebook_devstack.server import ExternalServer, Server


class Stack:
    """Backing servers with their data in `path`.

    A server that `given` names by its variable (`DUEBOOK_POSTGRES_URL`, …) is used as it is. The others are ours,
    with `start stop kill restart pause resume wipe` each. What an earlier stack left running in the same
    directory is ended first.
    """

    def __init__(
        self,
        path: Path,
        *,
        given: Mapping[str, str] | None = None,
        forgetful: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._given, self._forgetful = given or {}, forgetful
        self.home = StackDir(path)
        for name in self.home.ledger.sweep():
            say(f"ended {name}, which an earlier start had left running")
        if self.home.elsewhere:
            say(f"only root may enter {path.absolute()}, so servers keep their data in {self.home.elsewhere}")
        self.postgres = self._choose("postgres", lambda: Postgres(self.home, say, forgetful=forgetful))
        self.redis = self._choose("redis", lambda: Redis(self.home, say, forgetful=forgetful))
        self.rabbitmq = self._choose("rabbitmq", lambda: RabbitMQ(self.home, say))
        self.smtp = self._choose("smtp", lambda: Mail(self.home, say))

    def _choose(self, name: str, own: Callable[[], Server]) -> Server | ExternalServer:
        url = explicit_url(self._given, f"DUEBOOK_{name.upper()}_URL")
        return ExternalServer(name, url) if url else own()

    @property
    def servers(self) -> list[Server | ExternalServer]:
        return [self.postgres, self.redis, self.rabbitmq, self.smtp]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that tell the services where the servers are."""
        return {
            "DUEBOOK_POSTGRES_URL": self.postgres.url,
            "DUEBOOK_REDIS_URL": self.redis.url,
            "DUEBOOK_RABBITMQ_URL": self.rabbitmq.url,
            "DUEBOOK_SMTP_URL": self.smtp.url,
        }

    def start(self) -> None:
        """Start all; where one does not come up, stop the others and raise what it raised."""
        try:
            _all(self.servers, lambda server: server.start())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """An orderly end; where the data is not to be kept anyway, a quick one."""
        _all(self.servers, lambda server: server.kill() if self._forgetful else server.stop())
        self.home.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.stop()


def _all(servers: list[Server | ExternalServer], do: Callable[[Server | ExternalServer], None]) -> None:
    with ThreadPoolExecutor(len(servers)) as pool:
        for done in [pool.submit(do, server) for server in servers]:
            done.result()


def explicit_url(environment: Mapping[str, str], variable: str) -> str | None:
    """A variable's value, or the content of the file that `…_FILE` names."""
    if path := environment.get(f"{variable}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return environment.get(variable) or None
