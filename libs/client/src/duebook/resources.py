"""Resources: what tasks share for the life of an executor, such as a pool of connections.

A resource is a generator that yields once. What it yields is handed to each task with a parameter of that type, and
what stands behind the `yield` closes it.
"""

import collections.abc
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from duebook.errors import TaskError, location, wrong
from duebook.signature import hints_of, is_among, type_name

Function = TypeVar("Function", bound=Callable[..., Any])

_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncGenerator)
_SYNC = (collections.abc.Iterator, collections.abc.Generator)


@dataclass(frozen=True)
class Resource:
    """A registered resource: the type that it yields, and the types of the resources that it needs, in order."""

    type: Any
    function: Callable[..., Any]
    needs: tuple[Any, ...]

    @property
    def is_async(self) -> bool:
        return inspect.isasyncgenfunction(self.function)

    @property
    def title(self) -> str:
        return f"the resource {self.function.__name__} ({location(self.function)})"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Resource":
        """Read a generator function; raises TaskError."""
        title = f"resource {getattr(function, '__name__', function)}"
        if not inspect.isasyncgenfunction(function) and not inspect.isgeneratorfunction(function):
            raise wrong(function, f"{title} must be a generator: open, `yield` what tasks get, close")
        hints = hints_of(title, function)
        yielded = _yielded(hints.get("return"), inspect.isasyncgenfunction(function))
        if yielded is None:
            kind = "AsyncIterator" if inspect.isasyncgenfunction(function) else "Iterator"
            raise wrong(function, f"{title} must say what it yields: write `-> {kind}[Pool]`")
        return cls(yielded, function, _needs(title, function, hints))


class ResourceRegistry:
    """Resources by the type that they yield, each type once."""

    def __init__(self) -> None:
        self._resources: dict[Any, Resource] = {}

    def add(self, resource: Resource) -> None:
        """Add a resource; raises TaskError if another one yields its type."""
        if known := self.get(resource.type):
            text = f"{type_name(resource.type)} is the type of two resources; the other is {known.title}"
            remedy = "tell them apart by Annotated[Type, 'name']"
            raise wrong(resource.function, f"resource {resource.function.__name__}: {text}: {remedy}")
        self._resources[resource.type] = resource

    def get(self, type_: Any) -> Resource | None:
        return next((each for each in self._resources.values() if is_among(each.type, [type_])), None)

    def types(self) -> Collection[Any]:
        return self._resources.keys()

    def closure(self, types: Iterable[Any]) -> Mapping[Any, Resource]:
        """The resources of these types and all that they need, each after what it needs. Raises TaskError."""
        ordered: dict[Any, Resource] = {}
        for each in types:
            self._visit(each, ordered, ())
        return MappingProxyType(ordered)

    def _visit(self, type_: Any, ordered: dict[Any, Resource], path: tuple[Resource, ...]) -> None:
        resource = self.get(type_)
        if resource is None:
            missing = f"no @resource yields {type_name(type_)}"
            raise wrong(path[-1].function, f"{path[-1].function.__name__}: {missing}") if path else TaskError(missing)
        if resource in path:
            names = " needs ".join(each.function.__name__ for each in (*path[path.index(resource) :], resource))
            raise wrong(resource.function, f"resources need one another: {names}")
        if resource.type not in ordered:
            for need in resource.needs:
                self._visit(need, ordered, (*path, resource))
            ordered[resource.type] = resource


_USER_RESOURCES = ResourceRegistry()


def resource(function: Function) -> Function:
    """Register the decorated generator as a resource: `async def` or `def`, with one `yield`.

    Its return annotation names the type: `AsyncIterator[Pool]`. Each task with a parameter of this type gets what it
    yields. Its own parameters take other resources. Raises TaskError.
    """
    _USER_RESOURCES.add(Resource.of(function))
    return function


def registered_resources() -> ResourceRegistry:
    """The resources registered by `@resource` so far."""
    return _USER_RESOURCES


def _yielded(annotation: Any, is_async: bool) -> Any:
    """The type that the generator yields; None if its annotation does not say."""
    if typing.get_origin(annotation) not in (_ASYNC if is_async else _SYNC):
        return None
    return next(iter(typing.get_args(annotation)), None)


def _needs(title: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Any, ...]:
    needs = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise wrong(function, f"{title}: the parameter {parameter.name} must be positional: it takes a resource")
        if parameter.name not in hints:
            raise wrong(function, f"{title}: the parameter {parameter.name} needs the type of a resource")
        needs.append(hints[parameter.name])
    return tuple(needs)
