"""Request bodies: bounded in size and time, parsed as strict JSON, validated by a model."""

import asyncio
import json
import re
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from duebook_api.http.problems import Fault, Problem, invalid, invalid_model, pointer

M = TypeVar("M", bound=BaseModel)

MEBIBYTE = 1024 * 1024
PAYLOAD = 256 * 1024
_DRAINED = 32 * MEBIBYTE  # of a body that is too large so much is read, else its sender does not see the response
_BODY_SECONDS = 60
_JSON, _MERGE_PATCH = "application/json", "application/merge-patch+json"
_DEEPEST = 100  # levels of nesting; orjson writes 254, and a response wraps a payload in a few more


async def read_json(request: Request, limit: int = MEBIBYTE) -> tuple[Any, int]:
    """The body's JSON, and its size in bytes. Raises Problem 400, 408, 413, 415 or 422, like `parse`."""
    body = await read_body(request, limit)
    if body:
        _must_be_json(request)
    return parse(body), len(body)


async def read_optional(request: Request) -> Any:
    """Like `read_json`, but an empty body is read as an empty object."""
    body = await read_body(request, MEBIBYTE)
    if not body:
        return {}
    _must_be_json(request)
    return parse(body)


async def read_body(request: Request, limit: int) -> bytes:
    """The body; raises Problem 413 if it is larger than `limit` bytes, 408 if it does not arrive in time."""
    declared = request.headers.get("content-length", "0")
    if len(declared) > len(str(_DRAINED)) or (int(declared) > limit and "expect" in request.headers):
        raise _too_large(limit)  # its sender waits for `100 Continue`, or sends too much to be drained
    chunks, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                elif size > _DRAINED:
                    break
    except TimeoutError:
        raise Problem(408, "body_too_slow", f"the body did not arrive within {_BODY_SECONDS} s") from None
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is larger than {limit // MEBIBYTE} MiB")


def _must_be_json(request: Request) -> None:
    kind = request.headers.get("content-type", _JSON).split(";", 1)[0].strip().lower()
    if kind != _JSON and (kind != _MERGE_PATCH or request.method != "PATCH"):
        raise Problem(415, "not_json", f"send the content type {_JSON}, not {kind[:100] or 'an empty one'}")


# Only a body that matches can hold a NUL, or an integer that does not fit into 64 bits.
_SUSPICIOUS = re.compile(rb"\\u0000|\d{19}")


def parse(body: bytes) -> Any:
    """Strict JSON. Raises Problem 400 for anything else.

    Raises Problem 422 for what would not survive storage: NUL, half a surrogate pair, an integer beyond 64 bits, or a
    nesting deeper than 100 levels.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    if _SUSPICIOUS.search(body):
        _must_be_storable(body, value)
    _must_be_shallow(value)
    return value


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Problem:
    if "surrogate in" in str(error) and "UTF-8" not in str(error):
        return invalid(Fault("", "half of a surrogate pair (\\ud800 to \\udfff) is not a character"))
    if b"infinity" in str(error).encode():
        return invalid(Fault("", "a number is too large"))
    return Problem(400, "broken_json", f"the body is not JSON: {error}" if body else "the body is empty; send JSON")


def _must_be_storable(body: bytes, value: Any) -> None:
    """The slow check of a suspicious body."""
    if (location := _location_of_nul(value)) is not None:
        raise invalid(Fault(pointer(location), "the character NUL (\\u0000) cannot be stored"))
    numbers: list[int] = []
    json.loads(body, parse_int=lambda digits: numbers.append(int(digits[:32])))
    if any(not -(2**63) <= number < 2**64 for number in numbers):
        raise invalid(Fault("", "an integer does not fit into 64 bits; send it as a string"))


def _location_of_nul(value: Any) -> tuple[str | int, ...] | None:
    """The location of the first string or key with a NUL."""
    if isinstance(value, str):
        return () if "\0" in value else None
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if isinstance(key, str) and "\0" in key:
            return (key.replace("\0", "\\u0000"),)
        if (location := _location_of_nul(member)) is not None:
            return (key, *location)
    return None


def _must_be_shallow(value: Any) -> None:
    """Let orjson count: it refuses more than 254 levels, so the value is wrapped in the difference to 100."""
    for _ in range(254 - _DEEPEST):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        raise invalid(Fault("", f"the body is nested more than {_DEEPEST} levels deep")) from None


def as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(Fault("", "the body must be a JSON object"))
    return value


def validated(model: type[M], value: Any, root: str = "") -> M:
    """The body as the model; raises Problem 422 with all faults, their pointers beginning with `root`."""
    try:
        return model.model_validate(as_object(value))
    except ValidationError as error:
        raise invalid_model(error, root) from None


def must_fit(payload: Any, at: str = "/payload") -> None:
    """Raises Problem 413 for a payload whose JSON is larger than 256 KiB."""
    if len(orjson.dumps(payload)) > PAYLOAD:
        fault = Fault(at, "the payload's JSON is larger than 256 KiB")
        raise Problem(413, "payload_too_large", fault.message, [fault])
