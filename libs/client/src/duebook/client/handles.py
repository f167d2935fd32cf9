"""What `enqueue` returns: a job that was sent, and its result once there is one."""

from typing import Generic, TypeVar, cast

from duebook.client import enqueue
from duebook.client.enqueue import Enqueued
from duebook.client.methods import Performs, PerformsAsync
from duebook.client.models import Job, Run

T = TypeVar("T")


class Handle(Generic[T]):
    """A task that was enqueued by a `Client`."""

    def __init__(self, client: Performs, sent: Enqueued) -> None:
        self._client, self._sent = client, sent

    @property
    def job(self) -> Job:
        """The job, as the API answered its creation."""
        return self._sent.job

    def wait(self, timeout: float | None = None) -> Run:
        """The run once it has ended, however it ended; without a `timeout` (seconds) this waits for ever.

        Raises WaitTimeout, and NoRun if the job was deleted before. The run itself goes on after a timeout.
        """
        return self._client.perform(enqueue.run_of(self._sent, timeout))

    def result(self, timeout: float | None = None) -> T:
        """What the task has returned, as its annotated type; waits like `wait`.

        Raises RunFailed, RunCancelled or RunSkipped, each with `run`, and UnexpectedResult.
        """
        return cast("T", enqueue.result_of(self._sent, self.wait(timeout)))

    def cancel(self, reason: str | None = None) -> None:
        """Delete the job. A run that has not started is cancelled; a running one is asked to stop."""
        self._client.perform(enqueue.cancel(self._sent, reason))


class AsyncHandle(Generic[T]):
    """A task that was enqueued by an `AsyncClient`."""

    def __init__(self, client: PerformsAsync, sent: Enqueued) -> None:
        self._client, self._sent = client, sent

    @property
    def job(self) -> Job:
        """The job, as the API answered its creation."""
        return self._sent.job

    async def wait(self, timeout: float | None = None) -> Run:
        """The run once it has ended, however it ended; without a `timeout` (seconds) this waits for ever.

        Raises WaitTimeout, and NoRun if the job was deleted before. The run itself goes on after a timeout.
        """
        return await self._client.perform(enqueue.run_of(self._sent, timeout))

    async def result(self, timeout: float | None = None) -> T:
        """What the task has returned, as its annotated type; waits like `wait`.

        Raises RunFailed, RunCancelled or RunSkipped, each with `run`, and UnexpectedResult.
        """
        return cast("T", enqueue.result_of(self._sent, await self.wait(timeout)))

    async def cancel(self, reason: str | None = None) -> None:
        """Delete the job. A run that has not started is cancelled; a running one is asked to stop."""
        await self._client.perform(enqueue.cancel(self._sent, reason))
