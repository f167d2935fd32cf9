"""The client for synchronous code."""

import time
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from duebook.client.rest import RestClient

if TYPE_CHECKING:  # the models need pydantic, which a command that only reads JSON shall not import
    from duebook.client.groups import DeadLetters, Jobs, Runs
    from duebook.client.models import Event


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

    def events(
        self, after: str | None = None, *, follow: bool = True, interval: float = 1.0, **filters: Any
    ) -> Iterator["Event"]:
        """The events after this position, oldest first, each once; None is the beginning, `latest` the present end.

        It follows the log for ever, or with `follow=False` up to its end; a new event is seen within `interval`
        seconds. An outage is waited for. Keep the `position` of the last event that you have processed, to continue
        after it. Filters are `type`, `job_id`, `run_id` and `actor`. Raises Gone if the log lost the position.
        """
        from duebook.client.feed import Position, endless  # noqa: PLC0415 - see above

        position = Position(after, filters)
        while True:
            yield from self.perform(position.read(), endless(self._retries))
            if not position.behind:
                if not follow:
                    return
                time.sleep(interval)
