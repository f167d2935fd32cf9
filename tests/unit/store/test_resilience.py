"""Work survives a database that is away, and a batch survives its poisonous item."""

from collections.abc import Sequence

import pytest

from duebook_common.store.resilience import isolate_failures, one_by_one, retry_while_unavailable


class Results:
    """Work with prepared results: an exception is raised, anything else is returned."""

    def __init__(self, *results: str | Exception) -> None:
        self._results = list(results)

    async def __call__(self) -> str:
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


async def test_work_is_repeated_until_postgresql_answers() -> None:
    work = Results(ConnectionRefusedError(), TimeoutError(), "done")
    assert await retry_while_unavailable("testing", work, longest=0.001) == "done"


async def test_the_caller_names_further_errors_worth_a_retry() -> None:
    assert (
        await retry_while_unavailable("testing", Results(LookupError(), "done"), longest=0, also=(LookupError,))
        == "done"
    )


async def test_any_other_error_is_raised_at_once() -> None:
    with pytest.raises(LookupError):
        await retry_while_unavailable("testing", Results(LookupError(), "never"))


async def test_the_pause_never_exceeds_the_longest_however_often_work_failed() -> None:
    away: list[str | Exception] = [OSError()] * 1_100
    assert await retry_while_unavailable("testing", Results(*away, "done"), longest=0) == "done"


class Batches:
    """Work on numbers that remembers each batch, and fails where `poison` maps one of its numbers to an error."""

    def __init__(self, poison: dict[int, Exception]) -> None:
        self._poison, self.tried = poison, list[list[int]]()

    async def work(self, items: Sequence[int]) -> str:
        self.tried.append(list(items))
        for item in items:
            if item in self._poison:
                raise self._poison[item]
        return f"done {list(items)}"


def failed(item: int, error: Exception) -> str:
    return f"failed {item}: {error}"


async def test_a_batch_without_poison_is_processed_at_once() -> None:
    batches = Batches({})
    assert await isolate_failures([1, 2, 3], batches.work, failed) == ["done [1, 2, 3]"]


async def test_a_poisonous_item_fails_alone() -> None:
    batches = Batches({2: ValueError("poison")})
    results = await isolate_failures([1, 2, 3], batches.work, failed)
    assert results == ["done [1]", "failed 2: poison", "done [3]"]
    assert batches.tried == [[1, 2, 3], [1], [2], [3]]


async def test_a_batch_of_one_is_not_tried_twice() -> None:
    batches = Batches({1: ValueError("poison")})
    assert await isolate_failures([1], batches.work, failed) == ["failed 1: poison"]
    assert batches.tried == [[1]]


async def test_an_unavailable_database_is_no_items_fault() -> None:
    for process in (isolate_failures, one_by_one):
        batches = Batches({1: ConnectionRefusedError()})
        with pytest.raises(ConnectionRefusedError):
            await process([1, 2], batches.work, failed)
        assert len(batches.tried) == 1


async def test_a_database_that_goes_away_while_poison_is_isolated_is_an_error() -> None:
    batches = Batches({1: ValueError("poison"), 2: ConnectionRefusedError()})
    with pytest.raises(ConnectionRefusedError):
        await isolate_failures([1, 2, 3], batches.work, failed)
    assert batches.tried == [[1, 2, 3], [1], [2]]
