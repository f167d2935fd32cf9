"""Calls as generators, so that both clients share them: what a call needs of the world is yielded.

A call yields a `Request` and gets the JSON of its answer, a `Sleep`, or a `Now` and gets the seconds of a clock.
`effects` turns it into requests and sleeps alone, retries included, which is all that a client has to perform.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from duebook.client.errors import ApiError, ClientError, NotDuebook, Unreachable
from duebook.client.wire import Request, Response, read

T = TypeVar("T")
_REFUSED = {429, 503}
# Of a parameter `wait`: the call itself asks without it.
REFUSALS_TO_WAIT = frozenset({"too_many_waits", "too_many_waits_of_client"})
_GATEWAY = {502, 503, 504}  # of a proxy, which answers without JSON while the API is away
_FIRST, _LONGEST = 0.1, 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """The seconds of a clock that never goes back."""


Call = Generator[Request | Sleep | Now, Any, T]
# What a client answers: the response or the error of a request, None for a sleep.
Answer = Response | ClientError | None
Effects = Generator[Request | Sleep, Answer, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """For how many seconds a request is repeated, and the clock and the chance (in [0, 1)) that this takes."""

    seconds: float
    clock: Callable[[], float]
    chance: Callable[[], float]

    def delay(self, request: Request, error: ClientError, failures: int, spent: float) -> float | None:
        """The seconds until the request is repeated; None if the error is final.

        A delay that the server asks for is kept. If it ends too late, the error is final at once.
        """
        if not _is_transient(error, request):
            return None
        least = (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0
        delay = max(least, min(_LONGEST, _FIRST * 2.0 ** min(failures, 10)) * (0.5 + self.chance() / 2))
        return delay if spent + delay <= self.seconds else None


def _is_transient(error: ClientError, request: Request) -> bool:
    """A refusal had no effect. Where the effect is unknown, only a request that may act twice is repeated."""
    match error:
        case ApiError():
            return error.status in _REFUSED and error.code not in REFUSALS_TO_WAIT
        case NotDuebook():
            return error.status in _GATEWAY and request.repeatable
        case Unreachable():
            return request.repeatable
        case _:
            return False


def send(request: Request, parse: Callable[[Any], T]) -> Call[T]:
    """A call of one request."""
    return parse((yield request))


def effects(call: Call[T], retries: Retries) -> Effects[T]:
    """The call as requests and sleeps; its requests are repeated."""
    resume: Callable[[], Request | Sleep | Now] = lambda: next(call)  # noqa: E731
    while True:
        try:
            wanted = resume()
        except StopIteration as end:
            result: T = end.value
            return result
        resume = yield from _answered(call, wanted, retries)


def _answered(call: Call[Any], wanted: Request | Sleep | Now, retries: Retries) -> Effects[Callable[[], Any]]:
    """What goes on with the call: its answer, or the error in it."""
    try:
        answer = yield from _perform(wanted, retries)
    except ClientError as error:
        raised = error
        return lambda: call.throw(raised)
    return lambda: call.send(answer)


def _perform(wanted: Request | Sleep | Now, retries: Retries) -> Effects[Any]:
    if isinstance(wanted, Now):
        return retries.clock()
    if isinstance(wanted, Sleep):
        yield wanted
        return None
    return (yield from _repeated(wanted, retries))


def _read(answer: Answer) -> Any:
    if isinstance(answer, ClientError):
        raise answer
    assert answer is not None
    return read(answer)


def _repeated(request: Request, retries: Retries) -> Effects[Any]:
    started = retries.clock()
    for failures in count():
        try:
            return _read((yield request))
        except ClientError as error:
            delay = retries.delay(request, error, failures, retries.clock() - started)
            if delay is None:
                raise
        yield Sleep(delay)
    raise AssertionError
