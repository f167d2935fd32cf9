"""Dead letters: list, show, redrive, discard."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.fields import JobId
from duebook_api.http.filters import (
    Condition,
    Listing,
    Statement,
    dead_letter_conditions,
    some_job_has,
    where,
    within_bytes,
)
from duebook_api.http.paging import (
    RUNS,
    NoQuery,
    PageQuery,
    Text,
    Time,
    decode_cursor,
    integer_between,
    page_of,
    query,
)
from duebook_api.http.path_ids import PathId
from duebook_api.http.replies import reply
from duebook_api.http.requests import must_fit, read_json, validated
from duebook_api.http.search import between, contains, listing, read_listing
from duebook_api.jobs.keys import Reference, resolve
from duebook_api.runs import redrive
from duebook_api.runs.no_dead_letter import no_dead_letter
from duebook_api.runs.routes import execute
from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import MustReasonBody, RedriveBody, RedriveManyBody
from duebook_api.schemas.listed import DEAD_LETTER_BYTES, DEAD_LETTERS, LISTED_DEAD_LETTERS
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.run.commands import DiscardRun
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire, snapshot
from duebook_common.store.predicates import HAS_LONG_TEXT, HAS_SHORT_TEXT

router = APIRouter(prefix="/api/dead-letter", tags=["dead letters"])


class DeadLetterQuery(PageQuery):
    job_id: JobId | None = None
    task: Text | None = None
    queue: Text | None = None
    fingerprint: Text | None = None
    q: Text | None = None
    tag: Text | None = None
    finished_from: Time | None = None
    finished_to: Time | None = None


def statement(q: DeadLetterQuery) -> Listing:
    """The page of dead letters, each with its payload."""
    conditions = dead_letter_conditions(q.job_id, q.task, q.queue, q.fingerprint)
    has_tag: Condition = ("(SELECT tags FROM jobs WHERE jobs.job_id = candidates.job_id) @> ARRAY[{}]", q.tag)
    found = listing("runs", RUNS, q, [[*conditions, some_job_has(q.tag)]], [*_searched(q), has_tag])
    return found._replace(page=within_bytes(found.page, RUNS, LISTED_DEAD_LETTERS, DEAD_LETTER_BYTES))


# The jobs are read once, and the dead letters from their index alone.
_IS_OF_TAG = "job_id IN (SELECT job_id FROM jobs WHERE tags @> ARRAY[{}] AND tags <> '{{}}')"


def _searched(q: DeadLetterQuery) -> list[Condition]:
    """The conditions without an index, but for that of the tag."""
    return [
        contains(q.q, "error", "job_name"),  # that of an error is met more often: then the name is not looked at
        *between("finished_at", q.finished_from, q.finished_to),
    ]


_ONE = f"{DEAD_LETTERS} WHERE run_id = $1 AND status = 'dead_lettered'"
_LINEAGE = """
SELECT job_id, stream, type, data - 'payload' AS data, meta->>'actor' AS actor, recorded_at FROM events
WHERE stream = ANY($1::text[]) AND type IN ('RunDeadLettered', 'RunRedriven')
ORDER BY stream, version
"""


@router.get(
    "",
    openapi_extra=operation(Scope.DEAD_LETTERS_READ, query=DeadLetterQuery),
    response_model=answers.Page[answers.DeadLetter],
)
async def list_dead_letters(request: Request) -> Response:
    """Newest first."""
    return reply(await find_dead_letters(dependencies(request), query(request, DeadLetterQuery)))


async def find_dead_letters(deps: Dependencies, q: DeadLetterQuery) -> views.View:
    """One page of the list of dead letters."""
    found = await read_listing(deps.pool, statement(q), q.limit)
    items = {item["id"]: item for item in await _views(deps, found.rows)}
    return page_of(
        found.rows,
        q,
        lambda row: items[row["run_id"]],
        RUNS.of,
        more=found.more,
        searched_to=found.searched_to,
    )


async def _views(deps: Dependencies, rows: list[Any]) -> list[views.View]:
    lineages: dict[str, list[views.View]] = {f"run-{row['run_id']}": [] for row in rows}
    async with acquire(deps.pool) as db:
        records: list[Any] = await db.fetch(_LINEAGE, list(lineages))
    for record in records:
        lineages[record["stream"]].append(views.dead_letter_event(record))
    now = deps.clock.now()
    return [views.dead_letter(row, lineages[f"run-{row['run_id']}"], now) for row in rows]


# The page of groups is counted first: from the index `runs_failed_alike` alone, or with a text from `runs_dead_texts`,
# unless it is filtered by job, task or queue. Both have the groups in order. Then each group of the page gets its
# newest run, and the times at which the log has seen it, also of runs that were redriven since.
_GROUPS = """
SELECT g.fingerprint, sample.task, sample.error, g.runs AS count, g.runs, g.jobs, g.oldest, g.newest,
       first.seen AS first_seen, last.seen AS last_seen
FROM (
    SELECT fingerprint, count(*) AS runs, count(DISTINCT job_id) AS jobs,
           min(finished_at) AS oldest, max(finished_at) AS newest, max(created_at) AS created_last
    FROM {matching} GROUP BY fingerprint HAVING {behind} ORDER BY runs DESC, fingerprint DESC LIMIT {limit}
) AS g
CROSS JOIN LATERAL (
    SELECT task, error FROM runs
    WHERE {which} AND runs.fingerprint = g.fingerprint AND created_at = g.created_last ORDER BY run_id LIMIT 1
) AS sample
CROSS JOIN LATERAL (
    SELECT recorded_at AS seen FROM events
    WHERE type = 'RunDeadLettered' AND data ->> 'fingerprint' = g.fingerprint ORDER BY recorded_at LIMIT 1
) AS first
CROSS JOIN LATERAL (
    SELECT recorded_at AS seen FROM events
    WHERE type = 'RunDeadLettered' AND data ->> 'fingerprint' = g.fingerprint ORDER BY recorded_at DESC LIMIT 1
) AS last
ORDER BY g.runs DESC, g.fingerprint DESC
"""
_SEARCHED_KIND = """
SELECT fingerprint, job_id, created_at, finished_at FROM runs WHERE {which} AND {kind} ORDER BY fingerprint DESC
"""
_SORT_IN_MEMORY = "SET LOCAL work_mem = '16MB'"  # for 200,000 dead letters; on disk a sort takes twice as long


@router.get(
    "/groups",
    openapi_extra=operation(Scope.DEAD_LETTERS_READ, query=DeadLetterQuery),
    response_model=answers.Page[answers.Group],
)
async def list_groups(request: Request) -> Response:
    """Dead letters grouped by error, the most frequent first."""
    return reply(await find_groups(dependencies(request), query(request, DeadLetterQuery)))


async def find_groups(deps: Dependencies, q: DeadLetterQuery) -> views.View:
    """One page of the groups."""
    sql, arguments = groups_statement(q)
    async with snapshot(deps.pool) as db:
        await db.execute(_SORT_IN_MEMORY)
        rows: list[Any] = await db.fetch(sql, *arguments)
    return page_of(rows, q, dict, lambda row: (row["count"], row["fingerprint"]))


def groups_statement(q: DeadLetterQuery) -> Statement:
    """The page of groups of all dead letters that match."""
    filters = dead_letter_conditions(q.job_id, q.task, q.queue, q.fingerprint)
    which, arguments = where(*filters, *_searched(q), (_IS_OF_TAG, q.tag))
    cursor = decode_cursor(q, integer_between(1, 2**62), str) or (None, None)
    behind, more = where(("(count(*), fingerprint) < ({}::bigint, {})", *cursor), first=len(arguments) + 1)
    matching = _searched_kinds(which) if q.q else f"runs WHERE {which}"
    return _GROUPS.format(matching=matching, which=which, behind=behind, limit=q.limit + 1), arguments + more


def _searched_kinds(which: str) -> str:
    """The dead letters, by the indexes of their texts; in the order of both, so that they are merged and not sorted."""
    kinds = (_SEARCHED_KIND.format(which=which, kind=kind) for kind in (HAS_SHORT_TEXT, HAS_LONG_TEXT))
    return f"(({') UNION ALL ('.join(kinds)})) AS matching"


@router.post(
    "/redrive",
    status_code=202,
    openapi_extra=operation(Scope.DEAD_LETTERS_WRITE, RedriveManyBody),
    response_model=answers.RedriveSummary,
    responses={200: {"model": answers.RedriveSummary, "description": "A dry run: what would be redriven"}},
)
async def redrive_dead_letters(request: Request) -> Response:
    """Redrive all that match the filter, at most `rate` a second; a dry run only counts them."""
    value, _ = await read_json(request)
    body = validated(RedriveManyBody, value)
    await resolve(dependencies(request), Reference(body.filter, "job_id", "/filter/job_id"))
    summary = await redrive.redrive_many(dependencies(request), body, actor(request))
    return reply(summary, 200 if body.dry_run else 202)


@router.get("/{run_id}", openapi_extra=operation(Scope.DEAD_LETTERS_READ), response_model=answers.DeadLetter)
async def show_dead_letter(request: Request, run_id: PathId) -> Response:
    """One dead letter, with its error, payload and earlier deaths."""
    query(request, NoQuery)
    return reply(await find_dead_letter(dependencies(request), run_id))


async def find_dead_letter(deps: Dependencies, run_id: UUID) -> views.View:
    """The dead letter; raises Problem 404 with what became of a run that was one, and 410 if the run is archived."""
    async with snapshot(deps.pool) as db:
        row: Any = await db.fetchrow(_ONE, run_id)
        if row is None:
            raise await no_dead_letter(db, run_id)
    return (await _views(deps, [row]))[0]


@router.post(
    "/{run_id}/redrive",
    status_code=202,
    openapi_extra=operation(Scope.DEAD_LETTERS_WRITE, RedriveBody),
    response_model=answers.Run,
)
async def redrive_dead_letter(request: Request, run_id: PathId) -> Response:
    """Grant the run further attempts, with an edited payload if one is sent."""
    value, _ = await read_json(request)
    body = validated(RedriveBody, value)
    must_fit(body.payload)
    run = await redrive.redrive(dependencies(request), run_id, body, actor(request))
    return reply(views.run(run), 202)


@router.post(
    "/{run_id}/discard", openapi_extra=operation(Scope.DEAD_LETTERS_WRITE, MustReasonBody), response_model=answers.Run
)
async def discard(request: Request, run_id: PathId) -> Response:
    """Take the run out of the dead letters for good, without another attempt."""
    deps = dependencies(request)
    value, _ = await read_json(request)
    body = validated(MustReasonBody, value)
    run = await execute(deps, run_id, DiscardRun(body.reason, deps.clock.now()), actor(request))
    return reply(views.run(run))
