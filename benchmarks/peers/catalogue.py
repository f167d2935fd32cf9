"""The peers: what they are installed from, how their workers are started, and the settings that the table states."""

from collections.abc import Sequence
from dataclasses import dataclass

_PACKAGE = "benchmarks.peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """`packages` are pinned, so that figures can be repeated. `worker` are the arguments of its Python."""

    name: str
    packages: Sequence[str]
    worker: Sequence[str]
    settings: str

    @property
    def module(self) -> str:
        return f"{_PACKAGE}.{self.name.lower()}_peer"


def peers(cores: int) -> list[Peer]:
    """The peers with as many worker processes as there are cores, where they have processes."""
    return [_celery(cores), _taskiq(cores), _dramatiq(cores), _procrastinate()]


def _celery(cores: int) -> Peer:
    worker = ("-m", "celery", "-A", f"{_PACKAGE}.celery_peer", "worker", "-c", f"{cores}", "-l", "ERROR")
    return Peer(
        "Celery",
        ("celery==5.7.0",),
        (*worker, "--without-gossip", "--without-mingle", "--without-heartbeat"),
        f"RabbitMQ; persistent, confirmed, late acknowledgement; {cores} processes; one message each",
    )


def _taskiq(cores: int) -> Peer:
    broker = f"{_PACKAGE}.taskiq_peer:broker"
    return Peer(
        "TaskIQ",
        ("taskiq==0.13.0", "taskiq-aio-pika==0.6.1", "uvloop==0.23.0"),
        ("-m", "taskiq", "worker", broker, "-w", f"{cores}", "--ack-type", "when_executed", "--log-level", "ERROR"),
        f"RabbitMQ; persistent, confirmed, late acknowledgement; {cores} processes; 100 messages at once",
    )


def _dramatiq(cores: int) -> Peer:
    return Peer(
        "Dramatiq",
        ("dramatiq[rabbitmq]==2.2.1",),
        ("-m", "dramatiq", f"{_PACKAGE}.dramatiq_peer", "-p", f"{cores}", "-t", "8"),
        f"RabbitMQ; persistent, confirmed, late acknowledgement; {cores} processes of 8 threads; one message each",
    )


def _procrastinate() -> Peer:
    app = f"{_PACKAGE}.procrastinate_peer.app"
    return Peer(
        "Procrastinate",
        ("procrastinate==3.10.0", "psycopg[binary]==3.3.9"),
        ("-m", "procrastinate", "-a", app, "--log-level", "error", "worker", "-c", "100"),
        "PostgreSQL, synchronous_commit on; rows stay; 100 tasks at once; batches of 1,000",
    )
