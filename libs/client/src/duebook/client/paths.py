"""Paths of jobs and runs, named by an id, by `key:NAME`, or by what the API has answered."""

from urllib.parse import quote
from uuid import UUID

from duebook.client.errors import InvalidRequest


def name_of(resource: object) -> str:
    """The id of a job or run, or `key:NAME`; raises InvalidRequest for an empty text."""
    found = resource if isinstance(resource, str | UUID) else getattr(resource, "id", None)
    if not found:
        raise InvalidRequest(f"{resource!r} names no job or run; give its id, `key:NAME`, or the Job or Run")
    return str(found)


def path_of(kind: str, resource: object, *more: str) -> str:
    """For example `/api/job/{id}/pause`."""
    return "/".join(["/api", kind, quote(name_of(resource), safe=""), *more])
