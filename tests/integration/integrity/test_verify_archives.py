"""`verify` and `rebuild` know the archives that the log has recorded."""

import pytest

from duebook_common.integrity.breach import Invariant
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from support.archived_runs import archive_runs


@pytest.mark.parametrize("change", ["DELETE FROM archives WHERE number = 1", "UPDATE archives SET digest = 'x'"])
async def test_a_row_that_differs_is_a_breach_and_is_made_again(pool: Pool, change: str) -> None:
    await archive_runs(pool, [])
    await archive_runs(pool, [])
    assert (await verify(pool)).breaches == []
    await pool.execute(change)
    breaches = (await verify(pool)).breaches
    assert {breach.invariant for breach in breaches} == {Invariant.READ_MODELS}
    assert (await rebuild(pool)).replaced == len(breaches)
    assert (await verify(pool)).breaches == []


async def test_an_archive_that_does_not_follow_the_one_before_is_a_breach(pool: Pool) -> None:
    await archive_runs(pool, [])
    await archive_runs(pool, [], previous="another")
    [breach] = (await verify(pool)).breaches
    assert (breach.invariant, breach.stream) == (Invariant.APPEND_ONLY, "archives")
