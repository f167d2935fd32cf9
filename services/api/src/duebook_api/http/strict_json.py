"""Strict JSON: bounded before it becomes objects, and without values that would not survive storage."""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from duebook_api.http.problems import Fault, Problem, invalid, pointer

Raw = bytes | bytearray

DEEPEST = 100  # levels of nesting; orjson writes 254, and a response wraps a payload in a few more
MOST_VALUES = 250_000  # each takes some hundred bytes of memory
_SLICE = 128 * 1024
_SMALL = 16 * 1024
_STRING = re.compile(rb'"[^"]*"')
_INSIGNIFICANT = bytes(set(range(256)) - set(b"[]{},:"))
# Each member of an object matches; strings with an escaped quote may match as well.
_MEMBER = re.compile(rb'"[ \t\r\n]*:')
# Only a body that matches can hold a NUL, or an integer that does not fit into 64 bits.
_SUSPICIOUS = re.compile(rb"\\u0000|\d{19}")
_LONGEST_MATCH = 19


def parse(body: Raw) -> Any:
    """The body's value. Raises Problem 400 for anything but JSON.

    Raises Problem 422 for more than 250,000 values, and for what would not survive storage: NUL, half a surrogate pair,
    an integer beyond 64 bits, a nesting deeper than 100 levels, and a field that an object has twice.
    """
    is_flat = body.count(b"[") + body.count(b"{") <= DEEPEST
    fields = len(_MEMBER.findall(body)) if is_flat and len(body) < _SMALL else _bounded_fields(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    if _is_suspicious(body) or fields != _count_fields(value):
        _must_be_storable(body)
    return value


def _bounded_fields(body: Raw) -> int:
    """The number of fields in the text. Raises Problem 422 for too many values or too deep a nesting.

    Values are counted in the text, because as objects they can take a hundred times its memory.
    """
    values, fields, brackets = 1, 0, bytearray()
    for part in _structure(body):
        values += part.count(b",") + part.count(b"[") + part.count(b"{")
        if values > MOST_VALUES:
            raise invalid(Fault("", f"it has more than {MOST_VALUES:,} values; send it in parts"))
        fields += part.count(b":")
        brackets += part.translate(None, b",:")
    if _is_deep(bytes(brackets)):
        raise invalid(Fault(pointer(_location_of_depth(body)), f"this is nested more than {DEEPEST} levels deep"))
    return fields


def _structure(body: Raw) -> Iterator[bytes]:
    """The punctuation outside of strings, slice by slice: between slices other threads run."""
    inside, start = False, 0
    while start < len(body):
        end = start + _SLICE
        while body[end - 1 : end] == b"\\":  # an escape sequence must not be divided
            end += 1
        text = bytes(body[start:end]).replace(b"\\\\", b"").replace(b'\\"', b"")
        part = b'"' * inside + text
        inside = part.count(b'"') % 2 == 1
        yield _STRING.sub(b"", part + b'"' * inside).translate(None, _INSIGNIFICANT)
        start = end


def _is_suspicious(body: Raw) -> bool:
    ends = range(_SLICE, len(body) + _SLICE, _SLICE)
    return any(_SUSPICIOUS.search(body, end - _SLICE, end + _LONGEST_MATCH) for end in ends)


def _is_deep(brackets: bytes) -> bool:
    """Each round removes the innermost level."""
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return brackets.count(b"[") + brackets.count(b"{") == brackets.count(b"]") + brackets.count(b"}")


def _location_of_depth(body: Raw) -> tuple[str | int, ...]:
    """The member of the body that is nested too deep; none if the body is no object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if _is_refused_value(error) or "depth limit" in str(error):
            return ()
        raise _broken(error) from None
    members = value.items() if isinstance(value, dict) else ()
    return next(((name,) for name, member in members if not _fits(member)), ())


def _fits(value: Any) -> bool:
    """Let orjson count: it refuses more than 254 levels, so the value is wrapped in the difference."""
    for _ in range(254 - DEEPEST + 1):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _count_fields(value: Any) -> int:
    """How many fields all objects in the value have."""
    if isinstance(value, dict):
        return len(value) + sum(_count_fields(each) for each in value.values() if isinstance(each, dict | list))
    return sum(_count_fields(each) for each in value if isinstance(each, dict | list)) if type(value) is list else 0


def _not_json(body: Raw, error: orjson.JSONDecodeError) -> Problem:
    if not body:
        return Problem(400, "broken_json", "the body is empty; send JSON")
    if _is_refused_value(error):
        _must_be_storable(body)
    return _broken(error)


def _broken(error: orjson.JSONDecodeError) -> Problem:
    if "not valid UTF-8" in str(error):
        return Problem(400, "broken_json", "the body is not UTF-8, the encoding of JSON")
    return Problem(400, "broken_json", f"the body is not JSON: {error}")


def _is_refused_value(error: orjson.JSONDecodeError) -> bool:
    """Whether the body may be JSON, with half a surrogate pair or a number that is too large."""
    reason = str(error)
    return ("surrogate in" in reason and "UTF-8" not in reason) or "infinity" in reason


class _Refused(str):
    """Stands in the parsed body for what is refused; its text is the reason."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """The members of an object, those that it has twice included."""


_TOO_LONG = _Refused("an integer does not fit into 64 bits; send it as a string")
_TOO_LARGE = _Refused("a number is too large")


def _integer(digits: str) -> Any:
    return 0 if len(digits) <= 20 and -(2**63) <= int(digits) < 2**64 else _TOO_LONG


def _number(digits: str) -> Any:
    return 0 if abs(float(digits)) < float("inf") else _TOO_LARGE


def _must_be_storable(body: Raw) -> None:
    """The slow check of a suspicious body. Raises Problem 422 with the first value that would not survive."""
    try:
        value = json.loads(body.decode(), parse_int=_integer, parse_float=_number, object_pairs_hook=_Object)
    except ValueError:  # broken JSON, after what made it suspicious
        return
    fault = next(_faults(value, ()), None)
    if fault is not None:
        raise invalid(fault)


def _faults(value: Any, at: tuple[str | int, ...]) -> Iterator[Fault]:
    if isinstance(value, str):
        reason = str(value) if isinstance(value, _Refused) else _fault_of_text(value)
        if reason is not None:
            yield Fault(pointer(at), reason)
    elif isinstance(value, _Object):
        yield from _faults_of_members(value, at)
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _faults(each, (*at, n))


def _faults_of_members(members: _Object, at: tuple[str | int, ...]) -> Iterator[Fault]:
    names: set[str] = set()
    for name, value in members:
        shown = (*at, name.replace("\0", "\\u0000").encode(errors="backslashreplace").decode())
        if reason := _fault_of_text(name):
            yield Fault(pointer(shown), reason)
        if name in names:
            yield Fault(pointer(shown), "this field is given twice")
        names.add(name)
        yield from _faults(value, shown)


def _fault_of_text(text: str) -> str | None:
    if "\0" in text:
        return "the character NUL (\\u0000) cannot be stored"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair (\\ud800 to \\udfff) is not a character"
    return None
