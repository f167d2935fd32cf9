"""The payload of the task `http.request`."""

import re
from typing import Annotated, Any, Literal

import httpx2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_URL_BYTES = 2048
# The patterns are part of the JSON Schema too, so that the API refuses a job whose requests could not be sent.
_CHAR = r"[^\s\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"  # of ASCII letters, digits, - and _
_END = r"[^\s\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"  # the same without -
_LABEL = rf"{_END}({_CHAR}{{0,61}}{_END})?"
_HOST = rf"({_LABEL}(\.{_LABEL})*\.?|\[[^\s\x00-\x1f\x7f/?#@\\%\]]+\])"
_LONGEST_HOST = 253
_PORT = r"(:|:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_URL = rf"^[Hh][Tt][Tt][Pp][Ss]?://{_HOST}{_PORT}([/?#][^\s\x00-\x1f\x7f]*)?$"
_URL_MESSAGE = (
    "it must begin with http:// or https:// and a host, such as example.com, 192.0.2.7 or [2001:db8::1], may name a "
    "port from 1 to 65535, and must contain no user, password or blanks"
)
_HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_HEADER_VALUE_MUST = "must be printable ASCII on one line, without blanks at its ends"
_HEADER_VALUE = r"^([!-~]([\t -~]*[!-~])?)?$"
_RESERVED_HEADERS = (
    "host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*"
    "|accept-encoding|idempotency-key|traceparent|tracestate|duebook-.*|webhook-.*"
)
_STATUS_RANGE = re.compile(r"([0-9]{3})(?:\s*[-–]\s*([0-9]{3}))?")  # noqa: RUF001 - our messages use the en dash

Range = tuple[int, int]


def _url(text: str) -> str:
    if "@" in re.split(r"[/?#]", text.partition("://")[2])[0]:
        raise ValueError("must not contain a user or password")
    if not re.fullmatch(_URL[1:-1], text):
        raise ValueError(_URL_MESSAGE)
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ValueError(f"is not a URL: {error}") from None
    if not url.host or url.userinfo or url.port == 0 or (url.port or 0) > 65_535:
        raise ValueError("must name a host, and a port from 1 to 65535 if any")
    if len(url.raw_host.rstrip(b".")) > _LONGEST_HOST:
        raise ValueError(f"must name a host of at most {_LONGEST_HOST} characters, such as example.com")
    if len(str(url)) > _URL_BYTES:
        raise ValueError(f"must be at most {_URL_BYTES} bytes long")
    return text


def _header_name(name: str) -> str:
    if not re.fullmatch(_HEADER_NAME[1:-1], name):
        raise ValueError(f"{name!r} is not a header name")
    if re.fullmatch(_RESERVED_HEADERS, name, re.IGNORECASE):
        raise ValueError(f"the header {name} is set by Duebook")
    return name


def _header_value(text: str) -> str:
    if not re.fullmatch(_HEADER_VALUE[1:-1], text):
        raise ValueError(_HEADER_VALUE_MUST)
    return text


def _expected(value: Any) -> tuple[Range, ...]:
    """Status ranges from 204, "200-299", "200, 404" or a list of these. In JSON Schema 204.0 is an integer as well."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    ranges = tuple(_range(part) for part in parts)
    if not ranges:
        raise ValueError("must name at least one status")
    return ranges


def _range(part: Any) -> Range:
    match = _STATUS_RANGE.fullmatch(str(int(part) if isinstance(part, float) and part.is_integer() else part).strip())
    if match is None:
        raise ValueError(f'{part!r} is not a status such as 200, or a range such as "200-299"')
    low, high = int(match[1]), int(match[2] or match[1])
    if not 200 <= low <= high <= 599:
        raise ValueError(f"{part!r} is not between 200 and 599")
    return low, high


_PART = r"\s*[2-5][0-9]{2}(\s*[-–]\s*[2-5][0-9]{2})?\s*"  # noqa: RUF001
_STATUS = {"type": "integer", "minimum": 200, "maximum": 599}
_STATUSES_MESSAGE = 'as a text it must list statuses or ranges from 200 to 599, such as "200-299, 404"'
_STATUSES = {
    "type": "string",
    "pattern": rf"^{_PART}(,{_PART})*$",
    "errorMessage": _STATUSES_MESSAGE,
    "statusRanges": True,
}
_EXPECT_SCHEMA = {
    "anyOf": [_STATUS, _STATUSES, {"type": "array", "minItems": 1, "items": {"anyOf": [_STATUS, _STATUSES]}}],
    "default": "200-299",
}
_HEADERS_SCHEMA = {
    "type": "object",
    # Both cases of each letter are spelled out: JSON Schema's patterns have no flags.
    "propertyNames": {
        "pattern": _HEADER_NAME,
        "errorMessage": "this is not the name of a header: use letters, digits and -",
        "not": {
            "errorMessage": "Duebook sets this header itself",
            "pattern": "^(" + re.sub("[a-z]", lambda m: f"[{m[0].upper()}{m[0]}]", _RESERVED_HEADERS) + ")$",
        },
    },
    "additionalProperties": {"type": "string", "pattern": _HEADER_VALUE, "errorMessage": f"it {_HEADER_VALUE_MUST}"},
}

# The API reads the keywords `httpUrl` and `statusRanges`, for what a pattern cannot say.
_URL_SCHEMA: dict[str, Any] = {
    "pattern": _URL,
    "errorMessage": _URL_MESSAGE,
    "maxLength": _URL_BYTES,
    "httpUrl": True,
}


class HttpRequest(BaseModel):
    """The request to send. Without `body` it has no body; `null` is a body like any other JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url), Field(json_schema_extra=_URL_SCHEMA)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]],
        WithJsonSchema(_HEADERS_SCHEMA),
    ] = Field(default_factory=dict)
    body: Any = None
    expect: Annotated[tuple[Range, ...], BeforeValidator(_expected), WithJsonSchema(_EXPECT_SCHEMA)] = ((200, 299),)

    def sends_body(self) -> bool:
        return "body" in self.model_fields_set

    def expects(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.expect)

    def expectation(self) -> str:
        """The expected statuses as text: `200–299, 304`."""  # noqa: RUF002
        return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in self.expect)  # noqa: RUF001
