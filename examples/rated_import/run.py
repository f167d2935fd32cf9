"""Imports six pages, of which two start in a second, and awaits them."""

import asyncio
from datetime import timedelta

from duebook import AsyncClient
from examples.rated_import.catalogue import Page, load

RATE = {"key": "shop", "limit": 2, "per": timedelta(seconds=1)}


async def main() -> None:
    async with AsyncClient() as client:
        pages = [await client.enqueue(load, Page(number=n), rate=RATE) for n in range(6)]
        print(sum([await page.result(timeout=120) for page in pages]), "products")


if __name__ == "__main__":
    asyncio.run(main())
