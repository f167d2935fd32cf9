"""Methods of the clients, made of the functions that describe calls. Signature and documentation are those functions'.

`Method` and `Pages` are for `Client`, `AsyncMethod` and `AsyncPages` for `AsyncClient`.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from duebook.client.listing import Listing, ModelT
from duebook.client.steps import Call

P = ParamSpec("P")
T = TypeVar("T")


class Performs(Protocol):
    """A client that performs calls."""

    def perform(self, call: Call[T]) -> T: ...


class PerformsAsync(Protocol):
    """A client that performs calls in an event loop."""

    async def perform(self, call: Call[T]) -> T: ...


class Group:
    """Methods of a `Client` about one kind of resource."""

    def __init__(self, client: Performs) -> None:
        self._client = client


class AsyncGroup:
    """Methods of an `AsyncClient` about one kind of resource."""

    def __init__(self, client: PerformsAsync) -> None:
        self._client = client


class Method(Generic[P, T]):
    """Performs the call."""

    def __init__(self, function: Callable[P, Call[T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, group: Group, _owner: Any) -> Callable[P, T]:
        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return group._client.perform(self._function(*args, **kwargs))  # noqa: SLF001 - a method of the group

        return method


class AsyncMethod(Generic[P, T]):
    """Performs the call, and is awaited."""

    def __init__(self, function: Callable[P, Call[T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, group: AsyncGroup, _owner: Any) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(self._function)
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await group._client.perform(self._function(*args, **kwargs))  # noqa: SLF001 - a method of the group

        return method


class Pages(Generic[P, ModelT]):
    """Iterates over the items of a list; a page is read when its first item is wanted."""

    def __init__(self, function: Callable[P, Listing[ModelT]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, group: Group, _owner: Any) -> Callable[P, Iterator[ModelT]]:
        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> Iterator[ModelT]:
            return _items(group._client, self._function(*args, **kwargs))  # noqa: SLF001 - a method of the group

        return method


class AsyncPages(Generic[P, ModelT]):
    """Iterates over the items of a list with `async for`; a page is read when its first item is wanted."""

    def __init__(self, function: Callable[P, Listing[ModelT]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, group: AsyncGroup, _owner: Any) -> Callable[P, AsyncIterator[ModelT]]:
        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[ModelT]:
            return _async_items(group._client, self._function(*args, **kwargs))  # noqa: SLF001 - a method of the group

        return method


def _items(client: Performs, listing: Listing[ModelT]) -> Iterator[ModelT]:
    cursor, left = None, listing.limit
    while left is None or left > 0:
        items, cursor = client.perform(listing.page(cursor, left))
        yield from items
        if cursor is None:
            return
        left = None if left is None else left - len(items)


async def _async_items(client: PerformsAsync, listing: Listing[ModelT]) -> AsyncIterator[ModelT]:
    cursor, left = None, listing.limit
    while left is None or left > 0:
        items, cursor = await client.perform(listing.page(cursor, left))
        for item in items:
            yield item
        if cursor is None:
            return
        left = None if left is None else left - len(items)
