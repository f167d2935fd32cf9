"""Imports the catalogue of a shop, whose API allows a few requests in a second."""

from collections.abc import AsyncIterator

from pydantic import BaseModel

from duebook import Context, resource, task

PAGE_SIZE = 50


class Shop:
    """Stands for the client of the shop's API, such as an `httpx2.AsyncClient`."""

    async def products(self, page: int) -> list[str]:
        return [f"product {page * PAGE_SIZE + n}" for n in range(PAGE_SIZE)]


@resource
async def shop() -> AsyncIterator[Shop]:
    yield Shop()


class Page(BaseModel):
    number: int


@task("catalogue.import", timeout=30, max_retries=5)
async def load(page: Page, context: Context, shop: Shop) -> int:
    """One request for each attempt, because the rate counts the starts of attempts."""
    products = await shop.products(page.number)
    for n, _product in enumerate(products):  # here it is written to your database
        context.progress((n + 1) / len(products))
    return len(products)
