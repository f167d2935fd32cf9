"""The options for the fields of a job, which `job create` and `job update` share."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from duebook.cli import parsing
from duebook.cli.options import Payload, parse_option, payload_field, timestamp, without_none
from duebook.cli.values import CatchUp, Fold, Gap, Outcome, Overlap

RecurrenceHelp = "none, daily, weekly, 'every 15m', 'cron 0 2 * * *' or 'rrule FREQ=…'."
OverlapOption = Annotated[
    Overlap | None, typer.Option(help="What becomes of a run that is due while another run of the job is active.")
]


@dataclass(frozen=True)
class JobFields:
    """What is None is not sent."""

    task: Annotated[str | None, typer.Option(help="The task to run, e.g. log (the default) or http.request.")] = None
    payload: Payload = None
    at: Annotated[
        str | None, typer.Option(help="When it is due: a time with an offset, or e.g. 'in 90s'. Default: now.")
    ] = None
    recurrence: Annotated[str | None, typer.Option(help=RecurrenceHelp)] = None
    timezone: Annotated[
        str | None, typer.Option(help="The time zone of the recurrence, e.g. Europe/Berlin. Default: UTC.")
    ] = None
    gap: Annotated[Gap | None, typer.Option(help="For times that the clocks skip in spring.")] = None
    fold: Annotated[Fold | None, typer.Option(help="For times that occur twice in autumn.")] = None
    ends_at: Annotated[str | None, typer.Option(help="The last time at which it may be due.")] = None
    max_runs: Annotated[int | None, typer.Option(help="How many runs the schedule has at most.")] = None
    jitter: Annotated[
        str | None, typer.Option(help="Each run is due up to this much after its nominal time, e.g. 30s.")
    ] = None
    catch_up: Annotated[
        CatchUp | None, typer.Option(help="Which occurrences run late that were missed while no scheduler ran.")
    ] = None
    queue: Annotated[str | None, typer.Option(help="The queue whose executors run it.")] = None
    priority: Annotated[int | None, typer.Option(help="0 to 9; higher priorities are dispatched first.")] = None
    max_retries: Annotated[int | None, typer.Option(help="The number of attempts after the first one.")] = None
    timeout: Annotated[str | None, typer.Option(help="The time limit of one attempt, e.g. 90s, 5m or 2h.")] = None
    start_within: Annotated[
        str | None, typer.Option(help="Skip a run that has not started within this time, e.g. 10m.")
    ] = None
    keep: Annotated[str | None, typer.Option(help="How long its runs stay in the database at least, e.g. 365d.")] = None
    pause_on_failure: Annotated[
        bool | None,
        typer.Option("--pause-on-failure/--no-pause-on-failure", help="Whether a dead letter pauses the job."),
    ] = None
    overlap: OverlapOption = None
    concurrency_key: Annotated[
        str | None, typer.Option(help="Runs with this key, of any job, share a limit of runs at once.")
    ] = None
    concurrency_limit: Annotated[int | None, typer.Option(help="That limit. Default: 1.")] = None
    rate_key: Annotated[
        str | None, typer.Option(help="Starts of runs with this key, of any job, are counted together.")
    ] = None
    rate_limit: Annotated[int | None, typer.Option(help="How many of them may start in a span of time.")] = None
    rate_per: Annotated[str | None, typer.Option(help="The length of that span, 1s to 1d. Default: 1s.")] = None
    notify: Annotated[
        list[str] | None, typer.Option("--notify", help="A mail address to notify of outcomes; may be repeated.")
    ] = None
    notify_on: Annotated[list[Outcome] | None, typer.Option(help="An outcome to notify of; may be repeated.")] = None
    then: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JOB", help="A job that an end of a run triggers, e.g. 'key:report on=succeeded'; may be repeated."
        ),
    ] = None
    key: Annotated[
        str | None, typer.Option(help="A key of its own; key:KEY then names the job wherever its id does.")
    ] = None
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None

    def body(self) -> dict[str, Any]:
        """The fields that are given, as the API takes them. An inner object has only what is given of it."""
        plain = without_none(
            task=self.task, timezone=self.timezone, max_runs=self.max_runs, queue=self.queue, priority=self.priority,
            max_retries=self.max_retries, pause_on_failure=self.pause_on_failure, overlap=self.overlap, key=self.key,
        )  # fmt: skip
        return plain | self._parsed() | self._nested() | payload_field(self.payload)

    def _parsed(self) -> dict[str, Any]:
        return without_none(
            scheduled_at=parse_option("--at", timestamp, self.at),
            recurrence=parse_option("--recurrence", parsing.recurrence, self.recurrence),
            ends_at=parse_option("--ends-at", timestamp, self.ends_at),
            jitter=parse_option("--jitter", parsing.iso_duration, self.jitter),
            timeout=parse_option("--timeout", parsing.iso_duration, self.timeout),
            start_within=parse_option("--start-within", parsing.iso_duration, self.start_within),
            keep=parse_option("--keep", parsing.iso_duration, self.keep),
        )

    def _nested(self) -> dict[str, Any]:
        nested = {
            "dst": without_none(gap=self.gap, fold=self.fold),
            "catch_up": without_none(policy=self.catch_up),
            "concurrency": without_none(key=self.concurrency_key, limit=self.concurrency_limit),
            "rate": without_none(
                key=self.rate_key,
                limit=self.rate_limit,
                per=parse_option("--rate-per", parsing.iso_duration, self.rate_per),
            ),
            "notify": without_none(to=self.notify or None, on=self.notify_on or None),
            "then": [parse_option("--then", parsing.follow_up, each) for each in self.then or []],
            "tags": self.tag or None,
        }
        return {name: value for name, value in nested.items() if value}
