"""Request bodies: bounded in size and time, parsed as strict JSON, validated by a model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ParamSpec, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from duebook_api.http.problems import MOST_FAULTS, Fault, Problem, invalid, invalid_model, model_faults, try_again
from duebook_api.http.slots import SharedSlots
from duebook_api.http.strict_json import Raw, parse

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
P = ParamSpec("P")

MEBIBYTE = 1024 * 1024
PAYLOAD = 256 * 1024
_DRAINED = 32 * MEBIBYTE  # of a body that is too large so much is read, else its sender does not see the response
_BODY_SECONDS = 60
_JSON, _MERGE_PATCH = "application/json", "application/merge-patch+json"
_LARGE = 64 * 1024  # from here on a body is parsed in a thread
_PARSERS = ThreadPoolExecutor(2, "body")
_SLOT_SECONDS = 10


async def read_json(request: Request, limit: int = MEBIBYTE) -> tuple[Any, int]:
    """The body's JSON, and its size in bytes. Raises Problem 400, 408, 413, 415 or 422, like `parse`."""
    body = await read_body(request, limit)
    if body:
        _must_be_json(request)
    return await parsed(body), len(body)


async def read_optional(request: Request) -> Any:
    """Like `read_json`, but an empty body is read as an empty object."""
    body = await read_body(request, MEBIBYTE)
    if not body:
        return {}
    _must_be_json(request)
    return await parsed(body)


async def parsed(body: Raw) -> Any:
    """Like `parse`; a large body does not keep the event loop from other requests."""
    return parse(body) if len(body) < _LARGE else await in_thread(parse, body)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function beside the event loop; more than two such calls wait for each other."""
    return await asyncio.get_running_loop().run_in_executor(_PARSERS, lambda: function(*args, **kwargs))


@asynccontextmanager
async def large_body(request: Request, slots: SharedSlots) -> AsyncIterator[None]:
    """Handle a body that may be larger than 1 MiB: only as many at once as there are slots, because each takes memory.

    Raises Problem 503 if none becomes free.
    """
    if _declared_size(request) <= MEBIBYTE:
        yield
        return
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_SLOT_SECONDS):
                await stack.enter_async_context(slots.slot(request.state.client))
        except TimeoutError:
            raise try_again("busy", "other large requests are being handled") from None
        yield


def _declared_size(request: Request) -> float:
    """What the client says; a chunked body has no end before it has arrived."""
    if "transfer-encoding" in request.headers:
        return float("inf")
    return float(request.headers.get("content-length", "0"))


async def read_body(request: Request, limit: int) -> Raw:
    """The body; raises Problem 413 if it is larger than `limit` bytes, 408 if it does not arrive in time."""
    declared = _declared_size(request)
    if _DRAINED < declared < float("inf") or (declared > limit and "expect" in request.headers):
        raise _too_large(limit)  # its sender waits for `100 Continue`, or sends too much to be drained
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    body += chunk
                elif size > _DRAINED:
                    break
    except TimeoutError:
        raise Problem(408, "body_too_slow", f"the body did not arrive within {_BODY_SECONDS} s") from None
    if size > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is larger than {limit // MEBIBYTE} MiB")


def _must_be_json(request: Request) -> None:
    """A web page may send other types than JSON to any server, without asking it first. Raises Problem 415."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != _JSON and (kind != _MERGE_PATCH or request.method != "PATCH"):
        raise Problem(415, "not_json", f"send the header Content-Type: {_JSON}, not {kind[:100] or 'none'}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = f"send the body as it is, without Content-Encoding: {encoding[:100]}"
        raise Problem(415, "encoded_body", detail, headers={"Accept-Encoding": "identity"})


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


def validated_each(model: type[M], values: Sequence[Any], root: str) -> list[M]:
    """Each value as the model; raises Problem 422 with the first faults, and does not look for further ones."""
    bodies: list[M] = []
    faults: list[Fault] = []
    for n, value in enumerate(values):
        try:
            bodies.append(model.model_validate(value))
        except ValidationError as error:
            faults += model_faults(error, f"{root}/{n}")
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise invalid(*faults[:MOST_FAULTS])
    return bodies


def must_fit(payload: Any, metadata: Any = None, root: str = "") -> None:
    """Raises Problem 413 if the JSON of the payload and the metadata is larger than 256 KiB in all."""
    sizes = {"payload": len(orjson.dumps(payload)), "metadata": len(orjson.dumps(metadata)) if metadata else 0}
    if sum(sizes.values()) > PAYLOAD:
        name = "metadata" if sizes["payload"] <= PAYLOAD // 2 else "payload"
        fault = Fault(f"{root}/{name}", "payload and metadata together are larger than 256 KiB as JSON")
        raise Problem(413, "payload_too_large", fault.message, [fault])


def may_be_too_large(size: int) -> bool:
    """Whether the payload in a body of this size can be too large: as stored, `1E9` becomes `1000000000.0`."""
    return size > PAYLOAD // 4
