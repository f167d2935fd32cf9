"""The audit: what people and programs did, from the log."""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http import positions
from duebook_api.http.fields import JobId
from duebook_api.http.filters import Condition, where
from duebook_api.http.paging import (
    SEVERAL,
    PageQuery,
    Text,
    Time,
    decode_cursor,
    integer_between,
    page_of,
    query,
)
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, installation
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.runtime.scopes import Scope, allowed
from duebook_common.store.codec import complete_light
from duebook_common.store.database import Connection, snapshot
from duebook_common.store.predicates import IS_OF_PEOPLE

router = APIRouter(prefix="/api/audit", tags=["keys"])

SCANNED = 10_000  # events that one request looks at
HIDDEN = f"hidden: it needs a key with the scope {Scope.JOBS_READ}, too"
_XID, _POSITION = 2**64 - 1, 2**63 - 1

_NEWEST = f"""
SELECT xid, position, id, stream, version, type, job_id, meta, recorded_at, born FROM events
WHERE {IS_OF_PEOPLE} AND (xid, position) < ($1::xid8, $2) ORDER BY xid DESC, position DESC
"""  # noqa: S608
# What a client may make large is left out: payloads and metadata.
_DATA = "data - 'payload' #- '{{definition,payload}}' #- '{{definition,metadata}}'"
_MATCHING = f"""
SELECT found.*, keys.name AS key_name,
       (SELECT {_DATA} FROM events AS e
        WHERE e.stream = found.stream AND e.version = found.version AND e.born = found.born) AS data
FROM (
    SELECT * FROM ({_NEWEST} LIMIT $3) AS scanned WHERE {{}} ORDER BY xid DESC, position DESC LIMIT $4
) AS found
LEFT JOIN keys ON found.meta ->> 'actor' = 'key:' || keys.key_id
ORDER BY found.xid DESC, found.position DESC
"""  # noqa: S608
_LAST = f"SELECT xid, position FROM ({_NEWEST} OFFSET $3 LIMIT 1) AS last"  # noqa: S608


class AuditQuery(PageQuery):
    actor: Text | None = None
    type: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], SEVERAL, Field(max_length=50)] = ()
    job_id: JobId | None = None
    from_: Annotated[Time | None, Field(alias="from")] = None
    to: Time | None = None


@router.get("", openapi_extra=operation(Scope.KEYS, query=AuditQuery), response_model=answers.Page[installation.Act])
async def list_acts(request: Request) -> Response:
    """What people and programs did, newest first: every event that no service caused by itself.

    The acts of a bulk operation are left out; its request, its abort and its end are listed. With filters one request
    looks at 10,000 events: a page may have fewer items than its limit, or none, while its `next_cursor` continues.
    """
    return reply(await find_acts(dependencies(request), query(request, AuditQuery), request.state.scopes))


async def find_acts(deps: Dependencies, q: AuditQuery, held: Collection[str]) -> dict[str, Any]:
    """One page of the audit, for a key that holds these scopes: only some show the definitions of jobs."""
    before = decode_cursor(q, integer_between(0, _XID), integer_between(0, _POSITION)) or (_XID, _POSITION)
    async with snapshot(deps.pool) as db:
        rows = await _matching(db, q, before)
        searched_to = None
        if len(rows) <= q.limit and (last := await db.fetchrow(_LAST, *before, SCANNED - 1)):
            searched_to = last["xid"], last["position"]
    view = _view if allowed(held, Scope.JOBS_READ) else _without_definition
    return page_of(rows, q, view, lambda row: (row["xid"], row["position"]), searched_to=searched_to)


async def _matching(db: Connection, q: AuditQuery, before: tuple[int, int]) -> list[Any]:
    conditions: list[Condition] = [
        ("meta ->> 'actor' = {}", q.actor),
        ("type = ANY({})", list(q.type) or None),
        ("job_id = {}", q.job_id),
        ("recorded_at >= {}", q.from_),
        ("recorded_at < {}", q.to),
    ]
    condition, arguments = where(*conditions, first=5)
    return list(await db.fetch(_MATCHING.format(condition), *before, SCANNED, q.limit + 1, *arguments))


def _without_definition(row: Any) -> dict[str, Any]:
    view = _view(row)
    hidden = {"definition": HIDDEN} if "definition" in view["data"] else {}
    return {**view, "data": view["data"] | hidden}


def _view(row: Any) -> dict[str, Any]:
    kind, _, id_ = row["stream"].partition("-")
    return {
        "position": positions.text_at(row["xid"], row["position"], row["id"]),
        "at": row["recorded_at"],
        "actor": row["meta"].get("actor"),
        "key_name": row["key_name"],
        "type": row["type"],
        "stream": row["stream"],
        "job_id": row["job_id"],
        "run_id": id_ if kind in {"run", "mail"} else None,
        "reason": row["data"].get("reason"),
        "data": complete_light(row["type"], row["data"], row["job_id"]),
    }
