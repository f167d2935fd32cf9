"""Three RabbitMQ nodes that are one cluster, for a test to kill, freeze and cut off."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.processes import Process
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.stack_dir import StackDir
from support import servers
from support.documents import ROOT, blocks
from support.fleet import eventually

_NUMBERS = (1, 2, 3)


class Node(RabbitMQ):
    """One of the nodes; all share a cookie, and the port mapper of their cluster."""

    def __init__(self, stack_dir: StackDir, number: int, settings: str) -> None:
        self.name = f"rabbitmq-{number}"
        self._number, self._settings = number, settings
        super().__init__(stack_dir)

    @property
    def node(self) -> str:
        return super().node.replace("@", f"-{self._number}@")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def programs(self) -> Path:
        return self._scripts

    def command(self) -> Sequence[str | Path]:
        command = super().command()
        with (self.directory / "rabbitmq.conf").open("a", encoding="utf-8") as conf:
            conf.write(self._settings)
        if not (self.directory / ".erlang.cookie").exists():
            self._write(".erlang.cookie", self.stack_dir.password("erlang"))
        return command

    def start(self) -> None:
        self.begin()
        self.await_answer()

    def begin(self) -> None:
        """Start it without waiting until it answers."""
        self.launch(self.name, self.command())

    def map_ports(self) -> Process | None:
        """Start the port mapper that all nodes use."""
        self.command()
        self.launch("epmd", ["epmd", "-port", str(self._epmd_port)])
        return self.process

    def sees(self) -> list[str]:
        """The nodes that it knows to be running, itself among them; none while it has not started, or is paused."""
        url = urlsplit(self.url)
        try:
            answer = httpx2.get(
                f"{self.management_url}/api/nodes",
                auth=(url.username or "", url.password or ""),
                trust_env=False,
                verify=WITHOUT_TLS,
            )
        except httpx2.TransportError:
            return []
        return [node["name"] for node in answer.json() if node["running"]] if answer.is_success else []

    def paused(self) -> bool:
        """Whether the node serves no one, because it is in a minority: it refuses connections, and its process runs."""
        self.check()
        try:
            self.answers()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        return False


class Cluster:
    """The nodes, started together."""

    def __init__(self, stack_dir: StackDir, settings: str) -> None:
        self.stack_dir = stack_dir
        names = [Node(stack_dir, n, "").node for n in _NUMBERS]
        for n, name in zip(_NUMBERS, names, strict=True):
            settings = settings.replace(f"rabbit@mq{n}", name)
        self.nodes = [Node(stack_dir, n, settings) for n in _NUMBERS]
        self._epmd: Process | None = None

    @property
    def url(self) -> str:
        """Of all nodes."""
        first = self.nodes[0]
        return first.url.replace(first.address, ",".join(node.address for node in self.nodes))

    def start(self) -> None:
        self._epmd = self.nodes[0].map_ports()
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.await_answer()
        self.await_all()

    def await_all(self) -> None:
        """Wait until each node sees all others running."""
        eventually(lambda: all(len(node.sees()) == len(_NUMBERS) for node in self.nodes), 60)

    def leader(self, queue: str) -> Node:
        """The node that leads the queue."""
        return next(node for node in self.nodes if node.node == self._queue(queue)["leader"])

    def members(self, queue: str) -> set[str]:
        return set(self._queue(queue)["members"])

    def _queue(self, name: str) -> Any:
        words = ("--quiet", "list_queues", "name", "leader", "members", "--formatter=json")
        return next(row for row in json.loads(self.nodes[0].control("rabbitmqctl", *words)) if row["name"] == name)

    @contextmanager
    def parted(self, node: Node) -> Iterator[None]:
        """Cut the node off from all others at once: it takes their cookie for a wrong one, so none can connect."""
        names = [other.node for other in self.nodes if other is not node]
        cuts = [f"erlang:set_cookie('{name}', another), erlang:disconnect_node('{name}')" for name in names]
        node.evaluate(f"{', '.join(cuts)}.")
        try:
            yield
        finally:
            cookie = self.stack_dir.password("erlang")
            mends = [f"erlang:set_cookie('{name}', '{cookie}')" for name in names]
            node.evaluate(f"{', '.join(mends)}.")

    def kill(self) -> None:
        for node in self.nodes:
            node.resume()
            node.kill()
        if self._epmd:
            self._epmd.kill()


@contextmanager
def cluster(page: str) -> Iterator[Cluster]:
    """A started cluster with the settings that the page gives, killed in the end."""
    settings = next(block.text for block in blocks(ROOT / "docs" / page) if block.language == "text")
    stack_dir = StackDir(servers.private_path())
    nodes = Cluster(stack_dir, settings)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.kill()
        stack_dir.close()
