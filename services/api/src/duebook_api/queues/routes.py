"""Routes of queues: list, show, pause and resume; and of the installation: freeze and thaw."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import NoQuery, PageQuery, query
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.queues import queue_list
from duebook_api.schemas import queues
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.queue.decide import PauseQueue, ResumeQueue
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api/queue", tags=["queues"])
installation_router = APIRouter(prefix="/api", tags=["queues"])


@router.get("", openapi_extra=operation(Scope.QUEUES_READ, query=PageQuery), response_model=queues.Queues)
async def list_queues(request: Request) -> Response:
    """The work queues by name: what waits in each, who serves it, and whether it is paused.

    The numbers are up to a second old, or up to a minute where it takes long to count.
    """
    return reply(await queue_list.find_queues(dependencies(request), query(request, PageQuery)))


@router.get("/{queue_name}", openapi_extra=operation(Scope.QUEUES_READ), response_model=queues.Queue)
async def show_queue(queue_name: str, request: Request) -> Response:
    """One queue."""
    query(request, NoQuery)
    return reply(await queue_list.queue(dependencies(request), queue_name))


@router.post(
    "/{queue_name}/pause",
    openapi_extra=operation(Scope.QUEUES_WRITE, ReasonBody, required=False),
    response_model=queues.Queue,
)
async def pause_queue(queue_name: str, request: Request) -> Response:
    """Pause a queue: from the answer on none of its runs is sent or started; running attempts may end.

    What falls due stays due: it is neither missed nor skipped because of the pause, and is worked off in order after
    the resume. Deadlines (`start_within`) hold. A queue that is paused already stays so; another reason replaces its
    reason.
    """
    body = validated(ReasonBody, await read_optional(request))
    command = PauseQueue(body.reason)
    return reply(await queue_list.command_queue(dependencies(request), queue_name, command, actor(request)))


@router.post(
    "/{queue_name}/resume",
    openapi_extra=operation(Scope.QUEUES_WRITE, ReasonBody, required=False),
    response_model=queues.Queue,
)
async def resume_queue(queue_name: str, request: Request) -> Response:
    """Resume a paused queue: all that waited is due at once. A queue that is not paused stays as it is."""
    body = validated(ReasonBody, await read_optional(request))
    command = ResumeQueue(body.reason)
    return reply(await queue_list.command_queue(dependencies(request), queue_name, command, actor(request)))


@installation_router.post(
    "/freeze", openapi_extra=operation(Scope.QUEUES_WRITE, ReasonBody, required=False), response_model=queues.Freeze
)
async def freeze(request: Request) -> Response:
    """Freeze the installation: like a pause of every queue, those included that do not exist yet."""
    body = validated(ReasonBody, await read_optional(request))
    return reply(await queue_list.command_installation(dependencies(request), PauseQueue(body.reason), actor(request)))


@installation_router.post(
    "/thaw", openapi_extra=operation(Scope.QUEUES_WRITE, ReasonBody, required=False), response_model=queues.Freeze
)
async def thaw(request: Request) -> Response:
    """End the freeze. Queues that were paused by themselves stay paused."""
    body = validated(ReasonBody, await read_optional(request))
    return reply(await queue_list.command_installation(dependencies(request), ResumeQueue(body.reason), actor(request)))
