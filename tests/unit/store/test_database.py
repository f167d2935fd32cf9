"""The clock that follows the database's, and what a connection asks for."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.store.database import Clock, Pool, startup_parameters
from support.documents import ROOT
from support.pgbouncer import PAGE

_delays = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=5, max_size=5)


class _Database:
    """Answers with its time; each question and each answer takes its delay on the way."""

    def __init__(self, delays: list[tuple[float, float]]) -> None:
        self._delays: Iterator[tuple[float, float]] = iter(delays)
        self.seconds = 1_000.0

    def time(self) -> datetime:
        return datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def fetchval(self, _statement: str) -> datetime:
        question, answer = next(self._delays)
        self.seconds += question
        there = self.time()
        self.seconds += answer
        return there

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator["_Database"]:
        yield self


@given(_delays)
def test_the_clock_is_never_ahead_and_behind_by_the_quickest_round_trip(delays: list[tuple[float, float]]) -> None:
    there, clock = _Database(delays), Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: there.seconds)
        asyncio.run(clock.measure(cast(Pool, there)))
        behind = (there.time() - clock.now()).total_seconds()
    rounding = 0.000_01
    assert -rounding <= behind <= min(question + answer for question, answer in delays) + rounding


def test_the_page_of_the_pooler_names_what_a_connection_asks_for() -> None:
    """A pooler refuses a connection that asks for what it does not know; the role has the values instead."""
    page = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    [ignored] = re.findall(r"^ignore_startup_parameters = (.*)$", page, re.MULTILINE)
    of_role = dict(re.findall(r"^ALTER ROLE duebook SET (\w+) = '?(\w+)'?;$", page, re.MULTILINE))
    requested = startup_parameters("test", 15)
    passed_on = {"timezone", "application_name"}  # by PgBouncer itself
    assert set(ignored.split(",")) == requested.keys() - passed_on
    assert of_role == {name: requested[name] for name in ignored.split(",")}
