"""Queues with their numbers and pauses, and the commands that pause and resume them."""

from typing import Any

from duebook_api.http.paging import PageQuery, decode_cursor, page_of
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.schemas.bodies import is_queue
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.queue.decide import QueueCommand
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause, Pauses
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.queue_pauses import pauses_now

View = dict[str, Any]


async def find_queues(deps: Dependencies, q: PageQuery) -> View:
    """One page of the queues, and the freeze."""
    (after,) = decode_cursor(q, str) or ("",)
    numbers, pauses = await deps.queue_numbers.read(deps.pool, deps.clock), await current_pauses(deps)
    names = [name for name in numbers if name > after][: q.limit + 1]
    rows = [_view(name, numbers[name], pauses) for name in names]
    return page_of(rows, q, lambda row: row, lambda row: (row["name"],), freeze=freeze_of(pauses))


async def queue(deps: Dependencies, name: str) -> View:
    """The queue; raises Problem 404 or 422 if there is none of this name."""
    numbers = await _numbers_of(deps, name)
    return _view(name, numbers, await current_pauses(deps))


async def command_queue(deps: Dependencies, name: str, command: QueueCommand, actor: Actor) -> View:
    """Pause or resume the queue; raises Problem 404 or 422 if there is none of this name."""
    numbers = await _numbers_of(deps, name)
    await handle_queue(deps.pool, name, command, actor)
    deps.hints.wake()
    return _view(name, numbers, await current_pauses(deps))


async def command_installation(deps: Dependencies, command: QueueCommand, actor: Actor) -> View:
    """Freeze or thaw the installation."""
    pause = await handle_queue(deps.pool, INSTALLATION, command, actor)
    deps.hints.wake()
    return {"freeze": pause_view(pause) if pause is not None and pause.going_on else None}


async def current_pauses(deps: Dependencies) -> Pauses:
    async with acquire(deps.pool) as db:
        return await pauses_now(db)


async def _numbers_of(deps: Dependencies, name: str) -> View:
    if not is_queue(name):
        pattern = "a queue's name has 1 to 63 of a-z, 0-9, `_`, `.` and `-`, and begins with a letter or a digit"
        raise invalid(Fault("/name", pattern))
    numbers = await deps.queue_numbers.of(deps.pool, deps.clock, name)
    if numbers is None:
        detail = f"there is no queue {name!r}: a job or an executor must name it first; GET /api/queue lists all"
        raise Problem(404, "not_found", detail)
    return numbers


def _view(name: str, numbers: View, pauses: Pauses) -> View:
    own = next((pause for pause in pauses.of(name) if pause.name == name), None)
    return {
        "name": name,
        **numbers,
        "pause": None if own is None else pause_view(own),
        "frozen": freeze_of(pauses) is not None,
    }


def freeze_of(pauses: Pauses) -> View | None:
    pause = next(iter(pauses.of(INSTALLATION)), None)
    return None if pause is None else pause_view(pause)


def pause_view(pause: Pause) -> View:
    return {"paused_by": pause.paused_by, "reason": pause.reason, "since": pause.since}
