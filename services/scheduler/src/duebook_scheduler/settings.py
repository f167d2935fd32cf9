"""The scheduler's settings, read from the environment."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

from duebook_common.runtime.durations import Duration
from duebook_common.runtime.settings import RabbitmqUrl, RedisUrl, Settings


def _poll_cron(expression: str) -> str:
    fields = len(expression.split())
    if fields not in {5, 6}:
        raise ValueError(f"a cron expression has five fields, or six with seconds first; this one has {fields}")
    try:
        next(CronSim(expression, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"not a cron expression that ever fires: {error}") from error
    return expression


class SchedulerSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    redis_url: RedisUrl
    port: int = 8001
    poll_cron: Annotated[str, AfterValidator(_poll_cron)] = "* * * * * *"
    lease: Duration = timedelta(seconds=30)
    misfire: Duration = timedelta(minutes=1)
    dispatch_ahead: int = 10_000
    batch: int = 500

    def next_poll(self, now: datetime) -> datetime:
        """The first time after `now` that the cron expression names; hints and known due times may come sooner."""
        return next(CronSim(self.poll_cron, now))
