"""The type of a task's payload. It needs pydantic, which a program that only names tasks does not import."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from duebook.errors import Fail, wrong

_FAULTS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PayloadType:
    """What the function under a `@task` takes first."""

    task: str
    adapter: TypeAdapter[Any]

    @classmethod
    def of(cls, task: str, function: Callable[..., Any], annotation: Any) -> "PayloadType":
        """The type that an annotation names; raises TaskError for one that has no JSON Schema."""
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            adapter.json_schema()
        except Exception as error:
            hint = (
                "a payload is a pydantic model, a dataclass or another type of JSON, and a resource needs a @resource"
            )
            reason = " ".join(str(error).split())
            raise wrong(
                function, f"task {task}: its payload type {annotation} has no JSON Schema: {hint}: {reason}"
            ) from error
        return cls(task, adapter)

    def json_schema(self) -> dict[str, Any]:
        return self.adapter.json_schema()

    def read(self, payload: Any) -> Any:
        """The payload as this type; raises `Fail(retry=False)` with each fault and its place."""
        try:
            # As JSON and not as Python objects: then also a strict model reads a time or a UUID from a string.
            return self.adapter.validate_json(to_json(payload))
        except ValidationError as error:
            # `from None`: the cause's text quotes the payload, which may contain secrets.
            raise Fail(f"payload does not fit task {self.task}: {_faults(error)}", retry=False) from None
        except PydanticSerializationError as error:
            raise Fail(f"payload of task {self.task} is not JSON: {error}", retry=False) from None


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    shown = "; ".join(_fault(fault) for fault in faults[:_FAULTS_SHOWN])
    more = len(faults) - _FAULTS_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _fault(fault: ErrorDetails) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"])
    pointer = "".join(f"/{step}" for step in steps)
    return f"{pointer or 'the payload itself'}: {fault['msg'].removeprefix('Value error, ')}"
