"""The payload of the task `amqp.publish`."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic.config import JsonDict

_RESERVED = r"^duebook\."
_EXCHANGE = r"^[a-zA-Z0-9\-_.:@#,/+ ]*$"  # the names that the client library accepts
_ROUTING_HEADER = r"^([Cc][Cc]|[Bb][Cc][Cc])$"  # RabbitMQ reads further routing keys from these headers
_NO_ROUTING_HEADER: JsonDict = {
    "pattern": _ROUTING_HEADER,
    "errorMessage": "RabbitMQ would copy the message to the queues that this header names",
}
# All headers travel in one frame; RabbitMQ closes the connection for a frame above 128 KiB.
_MOST_HEADERS, _LONGEST_HEADER, _LARGEST_HEADERS = 50, 1024, 16 * 1024
_SHORT = 255


def _not_reserved(name: str) -> str:
    if name.startswith("duebook."):
        raise ValueError(_RESERVED_MESSAGE)
    return name


def _not_routing(name: str) -> str:
    if name.lower() in {"cc", "bcc"}:
        raise ValueError(f"the header {name} is not allowed: RabbitMQ would copy the message to the queues it names")
    return name


def _bounded(headers: dict[str, Any]) -> dict[str, Any]:
    if sum(len(f"{name}{value}".encode()) for name, value in headers.items()) > _LARGEST_HEADERS:
        raise ValueError(f"the headers may have at most {_LARGEST_HEADERS} bytes together")
    return headers


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _short(text: str) -> str:
    if len(text.encode()) > _SHORT:
        raise ValueError("at most 255 bytes are allowed: AMQP's limit for a short string")
    return text


_RESERVED_MESSAGE = "names that begin with `duebook.` are reserved: only Duebook publishes runs and outcomes"
_NOT_RESERVED: dict[str, Any] = {"not": {"pattern": _RESERVED, "errorMessage": _RESERVED_MESSAGE}}
_EXCHANGE_MESSAGE = "it must be the name of an exchange: letters, digits, blanks and -_.:@#,/+"
_Exchange = Annotated[
    str,
    Field(max_length=127, pattern=_EXCHANGE, json_schema_extra={**_NOT_RESERVED, "errorMessage": _EXCHANGE_MESSAGE}),
    AfterValidator(_not_reserved),
]
_RoutingKey = Annotated[
    str,
    Field(json_schema_extra={**_NOT_RESERVED, "maxBytes": _SHORT}),
    AfterValidator(_not_reserved),
    AfterValidator(_short),
]
_HeaderName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_not_routing), AfterValidator(_short)]
# In JSON Schema 1.0 is an integer as well.
_Int64 = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63), BeforeValidator(_whole)]
# No floats: the client library sends them in single precision.
_HeaderValue = Annotated[StrictStr, Field(max_length=_LONGEST_HEADER)] | StrictBool | _Int64


# The API reads the keyword `maxBytes`.
_HEADER_NAMES: JsonDict = {"not": _NO_ROUTING_HEADER, "minLength": 1, "maxLength": 128, "maxBytes": _SHORT}


class AmqpMessage(BaseModel):
    """The message to publish. The default exchange "" routes it to the queue that `routing_key` names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exchange: _Exchange = ""
    routing_key: _RoutingKey = ""
    body: Any = None
    headers: Annotated[dict[_HeaderName, _HeaderValue], Field(max_length=_MOST_HEADERS), AfterValidator(_bounded)] = (
        Field(
            default_factory=dict,
            json_schema_extra={"propertyNames": _HEADER_NAMES, "maxBytes": _LARGEST_HEADERS},
        )
    )
