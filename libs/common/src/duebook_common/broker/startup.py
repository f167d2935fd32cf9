"""How a service opens its connection to RabbitMQ: it waits, unless RabbitMQ refuses the URL."""

from collections.abc import Awaitable, Callable
from traceback import walk_tb
from typing import TypeVar

from aiormq.exceptions import (
    AuthenticationError,
    IncompatibleProtocolError,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from pamqp.commands import Connection

from duebook_common.runtime.health import Health
from duebook_common.runtime.startup import Server, reason, tls_refusal, wait_for

T = TypeVar("T")

_REFUSALS = (AuthenticationError, ProbableAuthenticationError, IncompatibleProtocolError, ValueError)


async def connect_when_available(health: Health, url: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of the attempt to connect, repeated until RabbitMQ takes it. Raises CannotStart."""
    return await wait_for(health, Server("rabbitmq", url, refusal), attempt)


def refusal(error: Exception) -> str | None:
    """What is wrong with the URL, if the error says so."""
    cause = tls_refusal(error) or _vhost_refusal(error)
    if isinstance(error, _REFUSALS):
        cause = reason(error)
    return f"DUEBOOK_RABBITMQ_URL is invalid: {cause}; correct it" if cause else None


def _vhost_refusal(error: Exception) -> str | None:
    """What RabbitMQ says about a virtual host that it refuses. One that is down may come up.

    The library does not expect this answer: it is found only in the variables of the function that raised the error.
    """
    for frame, _ in walk_tb(error.__traceback__ if isinstance(error, InvalidFrameError) else None):
        answer = frame.f_locals.get("frame")
        if isinstance(answer, Connection.Close) and "vhost" in answer.reply_text and "is down" not in answer.reply_text:
            return answer.reply_text
    return None
