from datetime import date

import pytest

from duebook.testing import run_task_sync
from examples.fan_out.orders import Day, Purchases, fetch, invoice, pack


@pytest.mark.parametrize(("follow_up", "result"), [(invoice, 1500), (pack, [2401, 2402, 2403])])
def test_what_is_fetched_fits_each_follow_up(follow_up: object, result: object) -> None:
    fetched = run_task_sync(fetch, Day(day=date(2026, 11, 24)))
    assert run_task_sync(follow_up, Purchases.model_validate(fetched.result)).result == result  # type: ignore[arg-type]
