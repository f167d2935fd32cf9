"""Measure Duebook and its peers in turns on the same servers, and print one table."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from os import cpu_count
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks.bench import Bench, machine, running
from benchmarks.creation import creation
from benchmarks.peers.catalogue import Peer, peers
from benchmarks.peers.comparison import Rates, rows
from benchmarks.peers.environments import CannotInstall, python_of
from benchmarks.peers.measurement import measured
from benchmarks.throughput import JOBS, throughput

_EACH, _ALL = 2_000, JOBS
_OURS = "all of it, with its books: events, runs, queries; one executor; batches of 1,000; without the notifier"


class Comparison:
    """The rates so far, by peer, and what the table says of the settings of each."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench, self._folder = bench, folder
        self._pythons: dict[Peer, Path] = {}
        self.ours: list[Rates] = []
        self.rates: dict[str, list[Rates]] = {}
        self.settings = {"Duebook": _OURS}

    def prepare(self, wanted: list[Peer]) -> None:
        """Install what is missing; a peer that cannot be installed is left out, and its row says why."""
        for peer in wanted:
            self.rates[peer.name], self.settings[peer.name] = [], peer.settings
            try:
                self._pythons[peer] = python_of(peer)
            except CannotInstall as error:
                self.settings[peer.name] = f"not measured: {error}"

    async def round(self) -> None:
        self.ours.append(await self._duebook())
        for service in self._bench.services.values():
            service.stop()
        for peer in self._pythons:
            self._measure(peer)
        await self._bench.settle()

    async def _duebook(self) -> Rates:
        self._bench.start()
        self._bench.services["notifier"].stop()  # no peer has one
        db = await asyncpg.connect(self._bench.stack.postgres.url)
        try:
            one_by_one, _ = await creation(self._bench, 1)
            await throughput(self._bench, db, _EACH, task="bench.nothing")  # a peer has executed as many before
            await self._bench.settle()
            run, _ = await throughput(self._bench, db, _ALL, task="bench.nothing")
            return Rates(one_by_one, run)
        finally:
            await db.close()

    def _measure(self, peer: Peer) -> None:
        stack = self._bench.stack
        servers = {"PEER_RABBITMQ_URL": stack.rabbitmq.url, "PEER_POSTGRES_URL": stack.postgres.url}
        try:
            rates = measured(peer, self._pythons[peer], servers, self._folder, (_EACH, _ALL))
        except (subprocess.SubprocessError, TimeoutError, ValueError) as error:
            print(f"{peer.name}: {error}\n{getattr(error, 'stderr', None) or ''}", file=sys.stderr)
            return
        self.rates[peer.name].append(rates)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3, help="how often each is measured; the medians count")
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="duebook-peers-") as folder, running(services=False) as bench:
        comparison = Comparison(bench, Path(folder))
        comparison.prepare(peers(cpu_count() or 1))
        for _ in range(rounds):
            asyncio.run(comparison.round())
    _print(comparison, rounds)


def _print(comparison: Comparison, rounds: int) -> None:
    title = f"Medians of {rounds} rounds; {machine()}; the ratios are Duebook's rate by the peer's"
    table = Table("", "run/s", "ratio", "one by one/s", "ratio", "settings", title=title)
    for row in rows(comparison.ours, comparison.rates, comparison.settings):
        table.add_row(*row)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
