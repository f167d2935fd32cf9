"""The client for synchronous code."""

import time
from collections.abc import Coroutine, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from duebook.client.rest import RestClient
from duebook.unset import UNSET

if TYPE_CHECKING:  # the models need pydantic, which a command that only reads JSON shall not import
    from duebook.client.enqueue import EnqueueFields
    from duebook.client.fields import Time
    from duebook.client.groups import DeadLetters, Jobs, Runs
    from duebook.client.handles import Handle
    from duebook.client.models import Event
    from duebook.client.waiting import Wait
    from duebook.tasks import TaskFunction

T = TypeVar("T")
Payload = TypeVar("Payload")


class Client(RestClient):
    """Calls the API; threads may share it.

    Without a `url` it takes `DUEBOOK_URL` and `DUEBOOK_API_KEY` (or `DUEBOOK_API_KEY_FILE`) from the environment or
    from `.duebook/env`, which `make up` writes. `timeout` (seconds) bounds each step of a request. A request that was
    refused with 429 or 503, or that got no answer, is repeated for `retry_for` seconds, if that can do no harm.

    Every method raises a subclass of `ClientError`.
    """

    @cached_property
    def jobs(self) -> "Jobs":
        """Create, read, change and control jobs."""
        from duebook.client.groups import Jobs  # noqa: PLC0415 - see above

        return Jobs(self)

    @cached_property
    def runs(self) -> "Runs":
        """Read, await, cancel and repeat runs."""
        from duebook.client.groups import Runs  # noqa: PLC0415 - see above

        return Runs(self)

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        """Read, redrive and discard runs that have failed for good."""
        from duebook.client.groups import DeadLetters  # noqa: PLC0415 - see above

        return DeadLetters(self)

    @overload
    def enqueue(
        self, task: "TaskFunction[..., Coroutine[Any, Any, T], Payload]", payload: "Payload" = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "Handle[T]": ...  # fmt: skip
    @overload
    def enqueue(
        self, task: "TaskFunction[..., T, Payload]", payload: "Payload" = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "Handle[T]": ...  # fmt: skip
    @overload
    def enqueue(
        self, task: str, payload: Any = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "Handle[Any]": ...  # fmt: skip
    def enqueue(
        self,
        task: Any,
        payload: Any = UNSET,
        *,
        at: Any = None,
        wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> "Handle[Any]":
        """Run the task once, now or `at` a time, and return a handle of its result.

        `task` is the function under its `@task`, or its name. Fields of a job, like `queue` and `key`, override the
        task's own. With `wait` (a timedelta, or seconds; 60 at most) the same request awaits the run of a task that is
        due now, and `result` of the handle needs no other.

        Raises Invalid for a payload that the task refuses, and Conflict if another job has the `key`.
        """
        from duebook.client.enqueue import enqueue  # noqa: PLC0415 - see above
        from duebook.client.handles import Handle  # noqa: PLC0415 - see above

        return Handle(self, self.perform(enqueue(task, payload, at, idempotency_key, fields, wait=wait)))

    def events(
        self, after: str | None = None, *, follow: bool = True, interval: float = 1.0, **filters: Any
    ) -> Iterator["Event"]:
        """The events after this position, oldest first, each once; None is the beginning, `latest` the present end.

        It follows the log for ever, or with `follow=False` up to its end; a new event is seen within `interval`
        seconds. An outage is waited for. Keep the `position` of the last event that you have processed, to continue
        after it. Filters are `type`, `job_id`, `run_id` and `actor`. Raises Gone if the log has no event at the
        position, or not all events after it.
        """
        from duebook.client.feed import Position, endless  # noqa: PLC0415 - see above

        position = Position(after, filters)
        while True:
            yield from self.perform(position.read(), endless(self._retries))
            if not position.behind:
                if not follow:
                    return
                time.sleep(interval)
