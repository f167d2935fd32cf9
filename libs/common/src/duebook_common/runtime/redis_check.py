"""A look at Redis when a service starts. Redis only saves time, so no service waits for it."""

import redis.asyncio as redis
import structlog

from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.startup import CannotStart, reason, tls_refusal

log = structlog.stdlib.get_logger("redis")


async def check_redis(url: str) -> None:
    """Raises CannotStart if Redis refuses the URL; if it does not answer, the log says what is missing without it."""
    try:
        async with redis_client(url) as client:
            await client.ping()
    except Exception as error:
        if text := refusal(error):
            raise CannotStart(text) from error
        log.warning("Redis does not answer; without it hints are late and locks are missing", reason=reason(error))


def refusal(error: Exception) -> str | None:
    """What is wrong with the URL, if the error says so."""
    if isinstance(error, redis.AuthenticationError | redis.ResponseError | ValueError) or (cause := tls_refusal(error)):
        cause = tls_refusal(error) or reason(error)
        return f"DUEBOOK_REDIS_URL is invalid: {cause}; correct it"
    return None
