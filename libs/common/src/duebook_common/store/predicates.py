"""Conditions on rows, as SQL. Those on `runs` include the condition of the partial index that serves them."""

# A run that has neither ended nor been dead-lettered, as `Run.active`. Index: runs_active.
ACTIVE = "status IN ('waiting', 'dispatched', 'running', 'retrying')"

# A waiting run that has a concurrency key and is not held: one that waits for a slot of the key, and one that first
# waits for a run of its own job. Indexes: runs_of_key, runs_of_key_and_job, if `concurrency_key` is compared too.
_HAS_KEY = "concurrency_key IS NOT NULL AND status = 'waiting' AND NOT held"
WAITS_FOR_KEY = f"{_HAS_KEY} AND reason IS DISTINCT FROM 'overlap'"
WAITS_FOR_KEY_AND_JOB = f"{_HAS_KEY} AND reason = 'overlap'"

# How many bytes of text a search among dead letters looks at in a run. Indexes: runs_dead_texts, which has the texts of
# the first kind of runs, and runs_dead_long_texts.
_TEXT_BYTES = "coalesce(octet_length(error), 0) + octet_length(job_name)"
HAS_SHORT_TEXT, HAS_LONG_TEXT = f"{_TEXT_BYTES} <= 2000", f"{_TEXT_BYTES} > 2000"

# A run that takes one of its key's slots: it has started, or may start at any moment, or will be retried. Index:
# runs_holding.
HOLDS_KEY = """concurrency_key IS NOT NULL
    AND status NOT IN ('succeeded', 'cancelled', 'skipped', 'discarded', 'dead_lettered') AND status <> 'waiting'"""

# A service or an executor that was heard of lately: it renews its row every ten seconds.
IS_HEARD = "seen_at > clock_timestamp() - interval '1 minute'"


def has_no_pause(queue: str) -> str:
    """SQL for a queue that is not paused, and not frozen with all others."""
    return f"""NOT EXISTS (
    SELECT FROM queue_pauses AS pause WHERE pause.until IS NULL AND pause.name IN ({queue}, '*')
)"""


# A waiting run that nothing of its own stops: a held run is woken by its resume, and one that was held before a retry
# not before the time of that retry.
IS_FREE = "NOT held AND (not_before IS NULL OR not_before <= clock_timestamp())"

# A waiting run that nothing stops but what it waits for.
MAY_START = f"{IS_FREE} AND {has_no_pause('runs.queue')}"

# An executor that runs, and takes work.
IS_LIVE = f"{IS_HEARD} AND NOT draining"

# An event that no service caused by itself, and that is no act of a bulk operation. Index: events_of_people.
IS_OF_PEOPLE = "left(meta ->> 'actor', 9) NOT IN ('executor ', 'scheduler', 'notifier ') AND NOT meta ? 'bulk'"

# The state of a service or an executor.
PRESENCE = f"CASE WHEN NOT {IS_HEARD} THEN 'lost' WHEN draining THEN 'draining' ELSE 'alive' END"


def containing(text: str) -> str:
    """The pattern of LIKE and ILIKE for texts that contain this one."""
    escaped = (f"\\{each}" if each in "\\%_" else each for each in text)
    return f"%{''.join(escaped)}%"


def one_of(array: str) -> str:
    """SQL for a membership in an array of ids, such as `$1`, for which PostgreSQL looks each of them up.

    A connection keeps the plan of a statement. By default PostgreSQL expects ten elements of an array that it does not
    know. While a table is small it plans to read all of it for ten rows, and does so when the table has grown. Of a
    LIMIT that it does not know it expects a tenth: one row, which it looks up unless the table has a few pages.
    """
    return f"IN (SELECT id FROM unnest({array}::uuid[]) AS id LIMIT cardinality({array}::uuid[]))"  # noqa: S608
