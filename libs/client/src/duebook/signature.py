"""What the parameters of a task or of a resource take, read from their annotations."""

import inspect
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from duebook.context import Context
from duebook.errors import wrong

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Kind(Enum):
    PAYLOAD = "payload"
    CONTEXT = "context"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that is passed. `annotation` is the type of the payload or of the resource."""

    name: str
    kind: Kind
    annotation: Any = None


def parameters_of(title: str, function: Callable[..., Any], resources: Collection[Any]) -> tuple[Parameter, ...]:
    """What the task's parameters take: the payload first, then the Context and resources. Raises TaskError.

    `resources` are the types of all resources; `title` names the task in errors.
    """
    hints, passed = hints_of(title, function), list[Parameter]()
    for position, each in enumerate(inspect.signature(function).parameters.values()):
        annotation = hints.get(each.name)
        if each.kind in _POSITIONAL and (parameter := _parameter(each, annotation, position, resources, passed)):
            passed.append(parameter)
        elif not _is_optional(each):
            raise wrong(function, f"{title}: {_fault(each, annotation)}")
    if sum(each.kind is Kind.CONTEXT for each in passed) > 1:
        raise wrong(function, f"{title}: the first parameter takes the payload, and one other the Context")
    return tuple(passed)


def hints_of(title: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations, evaluated; raises TaskError."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise wrong(function, f"{title}: an annotation cannot be read: {error}") from error


def is_among(annotation: Any, types: Collection[Any]) -> bool:
    """Whether the annotation is one of these types; an annotation may be something without a hash."""
    return any(annotation is each or annotation == each for each in types)


def _parameter(
    parameter: inspect.Parameter, annotation: Any, position: int, resources: Collection[Any], passed: list[Parameter]
) -> Parameter | None:
    """What is passed for it; None if nothing is."""
    name = parameter.name
    if annotation is Context:
        return Parameter(name, Kind.CONTEXT)
    if annotation is not None and is_among(annotation, resources):
        return Parameter(name, Kind.RESOURCE, annotation)
    if position == 0:
        return Parameter(name, Kind.PAYLOAD, annotation)
    if position == 1 and annotation is None and passed[0].kind is not Kind.CONTEXT:
        return Parameter(name, Kind.CONTEXT)
    return None


def _is_optional(parameter: inspect.Parameter) -> bool:
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is not parameter.empty or parameter.kind in rest


def _fault(parameter: inspect.Parameter, annotation: Any) -> str:
    takes = "a task takes its payload, then the Context and resources"
    if parameter.kind not in _POSITIONAL:
        return f"the parameter {parameter.name} stands behind the `*`; write it before, or give it a default: {takes}"
    if annotation is None:
        return f"the parameter {parameter.name} needs an annotation or a default: {takes}"
    return f"the parameter {parameter.name} takes {type_name(annotation)}, which no @resource yields: {takes}"


def type_name(annotation: Any) -> str:
    """The type as people write it."""
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
