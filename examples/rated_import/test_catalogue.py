from datetime import timedelta

from duebook.testing import run_task
from examples.rated_import.catalogue import Page, Shop, load


class BusyShop(Shop):
    """Refuses the first request."""

    requests = 0

    async def products(self, page: int) -> list[str]:
        self.requests += 1
        if self.requests == 1:
            raise ConnectionError("the shop is busy")
        return [f"tea {page}", f"cups {page}"]


async def test_a_page_is_imported_though_the_shop_is_busy() -> None:
    outcome = await run_task(load, Page(number=3), resources={Shop: BusyShop()})
    assert (outcome.status, outcome.result) == ("succeeded", 2)
    assert outcome.delays == [timedelta(seconds=1)]
    assert outcome.progress is not None
    assert outcome.progress.share == 1
