"""What a job of the task `amqp.publish` may ask for."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

_OURS = r"^duebook\."
_EXCHANGE = r"^[a-zA-Z0-9\-_.:@#,/+ ]*$"  # what the client library takes for a name
_ROUTING = r"^([Cc][Cc]|[Bb][Cc][Cc])$"  # RabbitMQ's own headers for further routing keys
# All headers travel in one frame, and the broker ends the connection for one above 128 KiB.
_MOST_HEADERS, _LONGEST_HEADER, _LARGEST_HEADERS = 50, 1024, 16 * 1024


def _not_ours(name: str) -> str:
    if name.startswith("duebook."):
        raise ValueError("what begins with duebook. is Duebook's own: runs and outcomes come from its books alone")
    return name


def _header(name: str) -> str:
    if name.lower() in {"cc", "bcc"}:
        raise ValueError(f"the header {name} would route the message elsewhere besides")
    return name


def _bounded(headers: dict[str, Any]) -> dict[str, Any]:
    if sum(len(f"{name}{value}".encode()) for name, value in headers.items()) > _LARGEST_HEADERS:
        raise ValueError(f"all headers together have at most {_LARGEST_HEADERS} bytes")
    return headers


def _short(text: str) -> str:
    if len(text.encode()) > 255:
        raise ValueError("this has more than 255 bytes, which is all that AMQP allows")
    return text


_NOT_OURS = {"not": {"pattern": _OURS}}
_Exchange = Annotated[
    str, Field(max_length=127, pattern=_EXCHANGE, json_schema_extra=_NOT_OURS), AfterValidator(_not_ours)
]
_RoutingKey = Annotated[
    str, Field(max_length=255, json_schema_extra=_NOT_OURS), AfterValidator(_not_ours), AfterValidator(_short)
]
_Header = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_header), AfterValidator(_short)]
_Whole = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
# No fractions: the client library sends them in single precision.
_Value = Annotated[StrictStr, Field(max_length=_LONGEST_HEADER)] | StrictBool | _Whole


class AmqpMessage(BaseModel):
    """A payload of `amqp.publish`; the exchange "" brings a message to the queue that the routing key names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exchange: _Exchange = ""
    routing_key: _RoutingKey = ""
    body: Any = None
    headers: Annotated[dict[_Header, _Value], Field(max_length=_MOST_HEADERS), AfterValidator(_bounded)] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"not": {"pattern": _ROUTING}, "maxLength": 128}}
    )
