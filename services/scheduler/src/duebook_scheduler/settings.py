"""The scheduler's settings, read from the environment."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ValidationInfo, field_validator

from duebook_common.archives.settings import ArchiveSettings
from duebook_common.domain.periods import MOST, PeriodLength, periods_kept
from duebook_common.runtime.bounds import Bounds, Idle, Lease, LookAhead, Misfire, Port
from duebook_common.runtime.settings import MaxActiveRuns, RabbitmqUrl, RedisUrl


def _poll_cron(expression: str) -> str:
    fields = len(expression.split())
    if fields not in {5, 6}:
        raise ValueError(f"a cron expression has five fields, or six with seconds first; this one has {fields}")
    try:
        next(CronSim(expression, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"not a cron expression that ever fires: {error}") from error
    return expression


class SchedulerSettings(ArchiveSettings):
    rabbitmq_url: RabbitmqUrl
    """RabbitMQ: `amqp://user:password@host:port/vhost`, or `amqps://`.

    Of a cluster: `…@host1:port,host2:port,host3:port/vhost`, and services connect to any node that serves.
    """
    redis_url: RedisUrl
    """Redis or Valkey: `redis://`, `rediss://` or `unix://`."""
    port: Port = 8001
    """The port on which the service's HTTP listens."""
    poll_cron: Annotated[str, AfterValidator(_poll_cron)] = "* * * * * *"
    """When the scheduler polls at the latest: a cron expression of five fields, or six with seconds first."""
    lease: Lease = timedelta(seconds=30)
    """How long an executor may be silent before its attempts count as lost. The same for executors and schedulers."""
    misfire: Misfire = timedelta(minutes=1)
    """How late an occurrence may be dispatched and still count as on time. Later, the catch-up policy decides."""
    look_ahead: LookAhead = timedelta(milliseconds=150)
    """How long before its due time an occurrence may be decided, so that its task begins on time. `PT0S`: not before.
    Jobs that are due together with thousands of others are decided up to 7.5 s before, unless it is `PT0S`.
    A pause, resume or change of a job that comes in between waits until the run has begun."""
    dispatch_ahead: Annotated[int, AfterValidator(Bounds(1, 1_000_000))] = 10_000
    """How many runs that have not started of one queue may be dispatched. The rest stays due, sorted by priority."""
    batch: Annotated[int, AfterValidator(Bounds(1, 10_000))] = 500
    """How many jobs, or runs, one transaction takes at most."""

    max_active_runs: MaxActiveRuns = 1_000
    """How many runs of a job may be active at once. Beyond it commands are refused, and occurrences are skipped."""

    queue_idle: Idle = timedelta(hours=1)
    """How long a work queue that nothing uses stays in RabbitMQ."""
    partitions: PeriodLength = PeriodLength.MONTH
    """How long the periods are in which the log is stored, and leaves for an archive: `month`, `day` or `hour` of UTC.
    Take shorter ones where a month does not fit on the disk. A change holds from the next period on. More than 400
    within the retention are refused."""

    @field_validator("partitions")
    @classmethod
    def _must_be_few(cls, length: PeriodLength, info: ValidationInfo) -> PeriodLength:
        retention = info.data.get("retention")
        if retention is not None and (count := periods_kept(retention, length)) > MOST:
            raise ValueError(
                f"makes {count:,} periods within DUEBOOK_RETENTION, and {MOST} are the most; take longer ones"
            )
        return length

    def next_poll(self, now: datetime) -> datetime:
        """The first time after `now` that the cron expression names; hints and known due times may come sooner."""
        return next(CronSim(self.poll_cron, now))
