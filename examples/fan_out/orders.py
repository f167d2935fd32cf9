"""The orders of a day: one task fetches them, and two others each do something with what it has returned."""

from datetime import date

from pydantic import BaseModel

from duebook import Context, task


class Purchase(BaseModel):
    number: int
    cents: int


class Purchases(BaseModel):
    orders: list[Purchase]


class Day(BaseModel):
    day: date


@task("orders.fetch")
def fetch(day: Day) -> Purchases:
    """Stands for the query of a database."""
    return Purchases(orders=[Purchase(number=day.day.day * 100 + n, cents=n * 250) for n in range(1, 4)])


@task("orders.invoice")
def invoice(orders: Purchases, context: Context) -> int:
    """The follow-up may be attempted again: hand `idempotency_key` to the system that writes invoices."""
    context.log("invoiced", orders=len(orders.orders), key=context.idempotency_key)
    return sum(order.cents for order in orders.orders)


@task("orders.pack")
def pack(orders: Purchases) -> list[int]:
    return [order.number for order in orders.orders]
