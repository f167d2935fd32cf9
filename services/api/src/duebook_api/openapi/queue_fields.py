"""What the fields of queues and their pauses mean, with an example each."""

from duebook_api.openapi.described import COMPOSED, Described

_AT = "2100-01-04T02:00:00Z"
_PAUSE: dict[str, Described] = {
    "paused_by": ("The key or the process that paused it.", "key:1f2e3d4c5b6a7988"),
    "reason": ("Why, in words; null without a reason.", "the mail provider is down"),
    "since": ("Since when it is paused.", _AT),
}

QUEUES: dict[str, Described] = {
    "Queue.name": ("The name of the queue.", "default"),
    "Queue.due": (
        "Runs that are due and not sent. Jobs with a due occurrence that is not decided yet count as one each.",
        0,
    ),
    "Queue.waiting": ("Runs that wait: for another run, a limit, their task or the resume.", 0),
    "Queue.dispatched": ("Runs that were sent and have not started.", 2),
    "Queue.running": ("Runs that an executor executes.", 1),
    "Queue.retrying": ("Runs that wait for their next attempt.", 0),
    "Queue.dead_lettered": ("Dead letters.", 0),
    "Queue.oldest_due_at": ("When the oldest of those that have not started was due; null without any.", _AT),
    "Queue.executors": ("How many executors serve it now.", 2),
    "Queue.pause": ("Its own pause, if one goes on.", COMPOSED),
    "Queue.frozen": ("Whether the whole installation is frozen.", False),
    "Queues.freeze": ("The freeze of the whole installation, if one goes on.", COMPOSED),
    "Freeze.freeze": ("The freeze, if one goes on.", COMPOSED),
    "PausedQueue.queue": ("The name of the queue; `*` for the whole installation.", "default"),
    **{f"{schema}.{name}": words for schema in ("Pause", "PausedQueue") for name, words in _PAUSE.items()},
}
