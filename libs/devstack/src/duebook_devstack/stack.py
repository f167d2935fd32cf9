"""The four backing servers together: started and stopped in parallel, without leaving a process behind."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from duebook_devstack.mail import Mail
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.redis import Redis
from duebook_devstack.server import ExternalServer, Server
from duebook_devstack.stack_dir import StackDir


class Stack:
    """Backing servers with their data in `path`.

    `external` maps variables (`DUEBOOK_POSTGRES_URL`, …) to the URLs of servers that run already; the stack starts the
    others. First it ends the processes that an earlier stack left running in the same directory. With `no_fsync` the
    servers are faster and may lose data; for tests.
    """

    def __init__(
        self,
        path: Path,
        *,
        external: Mapping[str, str] | None = None,
        no_fsync: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._external, self._no_fsync = external or {}, no_fsync
        self.stack_dir = StackDir(path)
        for name in self.stack_dir.registry.reap():
            report(f"ended {name}, which an earlier start had left running")
        if self.stack_dir.fallback:
            report(f"only root may enter {path.absolute()}, so the servers' data is in {self.stack_dir.fallback}")
        self.postgres = self._choose("postgres", lambda: Postgres(self.stack_dir, report, no_fsync=no_fsync))
        self.redis = self._choose("redis", lambda: Redis(self.stack_dir, report, no_fsync=no_fsync))
        self.rabbitmq = self._choose("rabbitmq", lambda: RabbitMQ(self.stack_dir, report))
        self.smtp = self._choose("smtp", lambda: Mail(self.stack_dir, report))

    def _choose(self, name: str, own: Callable[[], Server]) -> Server | ExternalServer:
        url = explicit_url(self._external, f"DUEBOOK_{name.upper()}_URL")
        return ExternalServer(name, url) if url else own()

    @property
    def servers(self) -> list[Server | ExternalServer]:
        return [self.postgres, self.redis, self.rabbitmq, self.smtp]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with the servers' URLs, for the services."""
        return {
            "DUEBOOK_POSTGRES_URL": self.postgres.url,
            "DUEBOOK_REDIS_URL": self.redis.url,
            "DUEBOOK_RABBITMQ_URL": self.rabbitmq.url,
            "DUEBOOK_SMTP_URL": self.smtp.url,
        }

    def start(self) -> None:
        """Start all servers in parallel; if one fails, stop all and raise its error."""
        try:
            _all(self.servers, lambda server: server.start())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all servers in parallel; with `no_fsync` kill them, as their data is not needed again."""
        _all(self.servers, lambda server: server.kill() if self._no_fsync else server.stop())
        self.stack_dir.close()

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
    """The value of a variable, or the content of the file that the variable with the suffix `_FILE` names."""
    if path := environment.get(f"{variable}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return environment.get(variable) or None
