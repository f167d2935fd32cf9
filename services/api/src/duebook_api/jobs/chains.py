"""`then`: who may chain jobs, and what no chain may be."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request

from duebook_api.http.path_ids import KEY_PREFIX
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_common.domain.definition import Definition
from duebook_common.runtime.scopes import Scope, allowed


def must_be_allowed_to_chain(request: Request, then: Iterable[Any]) -> None:
    """Raises Problem 403 if follow-ups are given and the key may not trigger runs."""
    if any(then) and not allowed(request.state.scopes, Scope.RUNS_WRITE):
        text = "`then` triggers runs, so it needs a key with the scope runs:write, which yours does not have"
        raise Problem(403, "scope_missing", text)


def then_of(value: Any) -> Any:
    """What a body says of `then`, before it is validated."""
    return value.get("then") if isinstance(value, Mapping) else None


def must_not_trigger_itself(definition: Definition, job_id: UUID | None = None, root: str = "") -> None:
    """Raises Problem 422 for a follow-up of the job by itself. Longer cycles end after so many links."""
    own = {f"{KEY_PREFIX}{definition.key}" if definition.key is not None else None, job_id and str(job_id)}
    for n, each in enumerate(definition.then):
        if (each.job if each.job.startswith(KEY_PREFIX) else each.job.lower()) in own:
            message = "a job cannot trigger itself; give it a recurrence, or let its task trigger a run"
            raise invalid(Fault(f"{root}/then/{n}/job", message))
