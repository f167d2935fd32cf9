"""What an active run waits for at this moment, and what can be done about a dead letter."""

from collections.abc import Iterator
from datetime import timedelta

from duebook_api.why.facts import Because, Circumstances, Key, QueuePosition
from duebook_api.why.opening_sentences import in_the_way, occurrence
from duebook_api.why.phrases import are, count, moment, quoted, span
from duebook_common.domain.run.state import Run, RunStatus

_SEEN = timedelta(minutes=11)  # executors say every five minutes which tasks they know


def standing(run: Run, c: Circumstances) -> list[Because]:
    """What holds now; nothing where the run has ended."""
    if run.status is RunStatus.DEAD_LETTERED:
        again = f"POST /api/dead-letter/{run.id}/redrive has it tried again"
        return [Because(f"It rests until somebody decides: {again}, and …/discard lets it rest for good.")]
    if not run.active:
        return []
    return [
        *(in_the_way(other, c.zone, then=False) for other in c.others),
        *(_of_key(run, c.key) if c.key is not None else ()),
        *(Because(f"{says}.") for says in (_of_line(run, c.line, c) if c.line is not None else ())),
        *(Because(f"{says}.") for says in _of_terms(run, c)),
    ]


def _of_key(run: Run, key: Key) -> Iterator[Because]:
    assert run.concurrency is not None
    places = (
        f"{key.held} of {count(run.concurrency.limit, 'place')} of the concurrency key {quoted(run.concurrency.key)}"
    )
    yield Because(f"{places} {are(key.held)} taken; {count(key.before, 'run')} {are(key.before)} before it in the row.")
    for run_ in key.holders:
        which = f"Run {run_.id} of the job {quoted(run_.job_name)}, {occurrence(run_, 'UTC')}"
        yield Because(f"{which}, holds a place; its status is {run_.status}.", None, None, run_.id)


def _of_line(run: Run, line: QueuePosition, c: Circumstances) -> Iterator[str]:
    queue, task = quoted(run.queue), quoted(run.task)
    ahead = f"{count(line.ahead, 'run')} {are(line.ahead)} ahead of it" if line.ahead else "no run is ahead of it"
    yield f"In the queue {queue} {ahead}, and {count(line.running, 'run')} of that queue {are(line.running)} running"
    if not line.running and line.last_start is None:
        yield f"No executor is known to serve the queue {queue}: its DUEBOOK_QUEUES must name it"
    elif not line.running and line.last_start is not None:
        yield f"An executor last started a run of the queue {queue} at {moment(line.last_start, c.zone)}"
    if line.task_seen_at is None:
        yield f"No executor has ever said that it knows the task {task}: its DUEBOOK_TASKS must name the module"
    elif c.now - line.task_seen_at > _SEEN:
        yield f"An executor that knows the task {task} was last seen at {moment(line.task_seen_at, c.zone)}"


def _of_terms(run: Run, c: Circumstances) -> Iterator[str]:
    if run.start_by is not None and run.attempt == 0:
        over = "is over" if c.now > run.start_by else f"ends in {span(run.start_by - c.now)}"
        yield f"Its start_within {over}, at {moment(run.start_by, c.zone)}; not started by then, it is skipped"
    if run.job_version < c.job.version:
        yield f"It goes by version {run.job_version} of the job's definition, whatever was changed since"
