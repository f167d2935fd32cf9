"""Keys of jobs: `key:NAME` may stand for the id of a job, and is replaced by it before a route reads the request."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from duebook_api.http.path_ids import KEY_PREFIX
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import JobKeyTaken
from duebook_common.runtime.quoting import quoted
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import acquire
from duebook_common.store.rows import job_ids_of_keys


async def keys_resolved(request: Request) -> None:
    """Replace keys in the path and in filters by ids; a route sees ids only.

    Raises Problem 404 if no job has the key in the path, and 422 if none has that of a filter.
    """
    path = request.path_params.get("job_id", "")
    filters = request.query_params.getlist("job_id") if request.scope.get("query_string") else []
    names = [text.removeprefix(KEY_PREFIX) for text in (path, *filters) if text.startswith(KEY_PREFIX)]
    if not names:
        return
    found = await find_job_ids(dependencies(request), names)
    if path.startswith(KEY_PREFIX):
        request.path_params["job_id"] = str(_must_have(found, path))
    request.state.job_ids = {text: _of_filter(found, text, "/job_id") for text in filters}


async def find_job_ids(deps: Dependencies, keys: Iterable[str]) -> dict[str, UUID]:
    """The ids of the jobs that have these keys."""
    async with acquire(deps.pool) as db:
        return await job_ids_of_keys(db, [key for key in keys if "\0" not in key])


def _must_have(found: Mapping[str, UUID], text: str) -> UUID:
    key = text.removeprefix(KEY_PREFIX)
    if key not in found:
        raise Problem(404, "not_found", _missing(key))
    return found[key]


def _of_filter(found: Mapping[str, UUID], text: str, pointer: str) -> str:
    """The id that a filter by this text means."""
    key = text.removeprefix(KEY_PREFIX)
    if key == text:
        return text
    if key not in found:
        raise invalid(Fault(pointer, _missing(key)))
    return str(found[key])


def _missing(key: str) -> str:
    return f"there is no job with the key {quoted(key)}; a deleted job has none"


class Reference(NamedTuple):
    """A field of a body that names a job by its id or key, and the field's JSON pointer."""

    body: BaseModel
    field: str
    pointer: str


async def resolve(deps: Dependencies, *references: Reference) -> None:
    """Put the id in the place of each key; raises Problem 422 if no job has one of them."""
    texts = [getattr(each.body, each.field) or "" for each in references]
    if keys := [text.removeprefix(KEY_PREFIX) for text in texts if text.startswith(KEY_PREFIX)]:
        found = await find_job_ids(deps, keys)
        for each, text in zip(references, texts, strict=True):
            if text:
                setattr(each.body, each.field, _of_filter(found, text, each.pointer))


def must_differ(definitions: Iterable[Definition], root: str) -> None:
    """Raises Problem 422 if two jobs of a batch have the same key."""
    first: dict[str, int] = {}
    for n, definition in enumerate(definitions):
        if definition.key is not None and first.setdefault(definition.key, n) != n:
            message = f"job {first[definition.key]} of this batch has the same key; keys are unique"
            raise invalid(Fault(f"{root.format(n)}/key", message))


def key_pointers(definitions: Iterable[Definition], root: str) -> dict[str, str]:
    """For each key a JSON pointer to where it stands."""
    return {each.key: f"{root.format(n)}/key" for n, each in enumerate(definitions) if each.key is not None}


async def taken_keys(deps: Dependencies, pointers: Mapping[str, str], besides: UUID | None = None) -> list[Fault]:
    """A fault for each key that a job other than `besides` has."""
    found = await find_job_ids(deps, pointers) if pointers else {}
    return [
        Fault(pointers[key], f"job {job_id} has the key {quoted(key)} already; use that job, or another key")
        for key, job_id in found.items()
        if job_id != besides
    ]


@asynccontextmanager
async def free_keys(
    deps: Dependencies, pointers: Mapping[str, str], besides: UUID | None = None
) -> AsyncIterator[None]:
    """Raise JobKeyTaken of the block as Problem 409, which names the jobs that have the keys."""
    try:
        yield
    except JobKeyTaken as error:
        faults = await taken_keys(deps, pointers, besides)
        if not faults:
            raise Conflict("the key was taken, and is free again") from None
        raise Problem(409, error.code, faults[0].message, faults) from None
