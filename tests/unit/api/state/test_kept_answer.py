"""Answers that many share."""

import asyncio

import pytest

from duebook_api.state.kept_answer import KeptAnswer, kept_for


def test_a_quick_answer_serves_for_a_second_and_a_slow_one_for_longer() -> None:
    assert [kept_for(took, 1.0) for took in (0.001, 0.05, 0.4)] == [1.0, 1.0, 8.0]


def test_an_answer_that_an_outage_made_slow_serves_for_half_a_minute_at_most() -> None:
    assert kept_for(20, 1.0) == 30


async def test_all_who_ask_at_once_share_one_answer() -> None:
    made = list[int]()

    async def make() -> int:
        await asyncio.sleep(0)
        made.append(1)
        return len(made)

    kept = KeptAnswer[int]()
    assert await asyncio.gather(*(kept.read(make) for _ in range(50))) == [1] * 50
    assert made == [1]


async def test_an_answer_that_failed_is_made_again() -> None:
    async def fail() -> int:
        raise OSError

    async def make() -> int:
        return 1

    kept = KeptAnswer[int]()
    with pytest.raises(OSError):
        await kept.read(fail)
    assert await kept.read(make) == 1


async def test_an_answer_of_another_state_serves_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duebook_api.state.kept_answer.time.monotonic", lambda: 100.0)  # it took no time

    async def make() -> int:
        return 1

    async def make_another() -> int:
        return 2

    kept = KeptAnswer[int](age=60)
    assert await kept.read(make, "3-7") == 1
    assert await kept.read(make_another, "3-7") == 1
    assert await kept.read(make_another, "3-8") == 2


async def test_a_slow_answer_of_another_state_serves_for_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("duebook_api.state.kept_answer.time.monotonic", lambda: now)

    async def make() -> float:
        nonlocal now
        now += 1
        return now

    old = list[float]()
    kept = KeptAnswer[float](note_old=old.append)
    assert await kept.read(make, "3-7") == 101
    now = 104.9
    assert await kept.read(make, "3-7") == 101
    assert not old
    assert await kept.read(make, "3-8") == 101
    assert old == [105.0]
    now = 105.0
    assert await kept.read(make, "3-8") == 106
    assert old == [105.0]
