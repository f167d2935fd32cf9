"""The calls about dead letters. `client.dead_letters.NAME(…)` performs them."""

from typing import Any, Unpack

from duebook.client.fields import DeadLetterFilters, RunRef, query_of
from duebook.client.listing import Listing
from duebook.client.models import DeadLetter, Group, RedriveSummary, Run
from duebook.client.paths import path_of
from duebook.client.steps import Call, send
from duebook.client.wire import Request
from duebook.unset import UNSET, without_unset


def get(run: RunRef) -> Call[DeadLetter]:
    """The dead letter of the run; raises NotFound if it is none."""
    return send(Request("GET", path_of("dead-letter", run)), DeadLetter.model_validate)


def list_dead_letters(**filters: Unpack[DeadLetterFilters]) -> Listing[DeadLetter]:
    """The dead letters, newest first, page after page."""
    return Listing("/api/dead-letter", query_of(filters), DeadLetter, filters.get("limit"))


def groups(**filters: Unpack[DeadLetterFilters]) -> Listing[Group]:
    """The dead letters grouped by error, the most frequent first, page after page."""
    return Listing("/api/dead-letter/groups", query_of(filters), Group, filters.get("limit"))


def redrive(run: RunRef, *, reason: str, payload: Any = UNSET) -> Call[Run]:
    """Grant the run `max_retries` + 1 further attempts, with another payload if one is given.

    Raises Conflict if the run is no dead letter.
    """
    body = {"reason": reason, **without_unset(payload=payload)}
    return send(_post(path_of("dead-letter", run, "redrive"), body), Run.model_validate)


def discard(run: RunRef, *, reason: str) -> Call[Run]:
    """Take the run out of the dead letters for good; raises Conflict if it is none."""
    return send(_post(path_of("dead-letter", run, "discard"), {"reason": reason}), Run.model_validate)


def redrive_all(
    *, reason: str, rate: float | None = None, dry_run: bool = False, **filters: Unpack[DeadLetterFilters]
) -> Call[RedriveSummary]:
    """Redrive all that match, at most `limit`, and `rate` a second. A `dry_run` only counts them.

    A new operation is begun by each call, so this is not sent again where its effect is unknown.
    """
    body = {
        "filter": query_of(filters),
        "reason": reason,
        "rate": rate,
        "limit": filters.get("limit"),
        "dry_run": dry_run,
    }
    return send(_post("/api/dead-letter/redrive", body), RedriveSummary.model_validate)


def _post(path: str, body: dict[str, Any]) -> Request:
    return Request("POST", path, body=body, repeatable=False)
