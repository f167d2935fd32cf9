"""What a Redis command raises while the server is away, restarts, or refuses."""

import redis.asyncio as redis

# RuntimeError is what uvloop raises for a connection that has just been closed under the client.
REDIS_FAILED = (redis.RedisError, OSError, RuntimeError)
