"""What a job of the task `http.request` may ask for."""

import re
from typing import Annotated, Any, Literal

import httpx2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_URL_BYTES = 2048
# The patterns stand in the JSON Schema as well, so that the API refuses a job that cannot be carried out.
_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\%]+([/?#]\S*)?$"
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_VALUE = r"^([!-~]([\t -~]*[!-~])?)?$"
_OURS = (
    "host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*"
    "|accept-encoding|idempotency-key|traceparent|tracestate|duebook-.*|webhook-.*"
)
_EXPECT = re.compile(r"([0-9]{3})(?:\s*[-–]\s*([0-9]{3}))?")  # noqa: RUF001 - messages write ranges with a dash

Range = tuple[int, int]


def _url(text: str) -> str:
    if "@" in re.split(r"[/?#]", text.partition("://")[2])[0]:
        raise ValueError("must not contain a user or password")
    if not re.fullmatch(_URL[1:-1], text):
        raise ValueError("must be http:// or https://, a host, and no blanks")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ValueError(f"is not a URL: {error}") from None
    if not url.host or url.userinfo or url.port == 0 or (url.port or 0) > 65_535:
        raise ValueError("must name a host, and a port from 1 to 65535 if any")
    if len(str(url)) > _URL_BYTES:
        raise ValueError(f"must be at most {_URL_BYTES} bytes long")
    return text


def _header(name: str) -> str:
    if not re.fullmatch(_HEADER[1:-1], name):
        raise ValueError(f"{name!r} is not a header name")
    if re.fullmatch(_OURS, name, re.IGNORECASE):
        raise ValueError(f"the header {name} is Duebook's to set")
    return name


def _value(text: str) -> str:
    if not re.fullmatch(_VALUE[1:-1], text):
        raise ValueError("must be printable ASCII on one line, without blanks around it")
    return text


def _expect(given: Any) -> tuple[Range, ...]:
    if isinstance(given, str):
        given = given.split(",")
    parts = given if isinstance(given, list) else [given]
    ranges = tuple(_range(part) for part in parts)
    if not ranges:
        raise ValueError("must name at least one status")
    return ranges


def _range(part: Any) -> Range:
    match = _EXPECT.fullmatch(str(part).strip())
    if match is None:
        raise ValueError(f'{part!r} is not a status such as 200, or a range such as "200-299"')
    low, high = int(match[1]), int(match[2] or match[1])
    if not 200 <= low <= high <= 599:
        raise ValueError(f"{part!r} does not lie between 200 and 599")
    return low, high


_ONE = r"\s*[0-9]{3}(\s*[-–]\s*[0-9]{3})?\s*"  # noqa: RUF001
_STATUS = {"type": "integer", "minimum": 200, "maximum": 599}
_STATUSES = {"type": "string", "pattern": rf"^{_ONE}(,{_ONE})*$"}
_EXPECT_SCHEMA = {
    "anyOf": [_STATUS, _STATUSES, {"type": "array", "minItems": 1, "items": {"anyOf": [_STATUS, _STATUSES]}}],
    "default": "200-299",
}
_HEADERS_SCHEMA = {
    "type": "object",
    # Any case, spelled out: JSON Schema's patterns know no flags.
    "propertyNames": {
        "pattern": _HEADER,
        "not": {"pattern": "^(" + re.sub("[a-z]", lambda m: f"[{m[0].upper()}{m[0]}]", _OURS) + ")$"},
    },
    "additionalProperties": {"type": "string", "pattern": _VALUE},
}


class HttpRequest(BaseModel):
    """A payload of `http.request`. Without `body` none is sent; `null` is a body like any other JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url), Field(json_schema_extra={"pattern": _URL, "maxLength": _URL_BYTES})]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_header)], Annotated[str, AfterValidator(_value)]],
        WithJsonSchema(_HEADERS_SCHEMA),
    ] = Field(default_factory=dict)
    body: Any = None
    expect: Annotated[tuple[Range, ...], BeforeValidator(_expect), WithJsonSchema(_EXPECT_SCHEMA)] = ((200, 299),)

    def sends_body(self) -> bool:
        return "body" in self.model_fields_set

    def expects(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.expect)

    def expectation(self) -> str:
        """What is expected, in words: `200–299, 304`."""  # noqa: RUF002
        return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in self.expect)  # noqa: RUF001
