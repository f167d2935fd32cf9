-- One row per run: its folded state, and `awaited`: whether the end of the run must wake runs that wait for it.
-- `planned_wake_at` is the `wake_at` that the last event has set; `wake_at` may have been moved since.
-- A run that has neither ended nor been dead-lettered has a `wake_at`.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    version int NOT NULL,
    job_id uuid NOT NULL,
    job_name text NOT NULL,
    job_version int NOT NULL,
    definition_version int NOT NULL,
    task text NOT NULL,
    queue text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    nominal_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    trigger text COLLATE "C" NOT NULL,
    max_attempts int NOT NULL,
    backoff jsonb NOT NULL,
    notify jsonb NOT NULL,
    status text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    request_hash text,
    start_by timestamptz,
    dispatch int NOT NULL,
    dispatched_at timestamptz,
    deferrals int NOT NULL DEFAULT 0,
    attempt int NOT NULL,
    failures int NOT NULL,
    executor text,
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    result jsonb,
    reason text,
    cancel_requested boolean NOT NULL,
    payload jsonb,
    own_payload boolean NOT NULL,
    edits int NOT NULL,
    fingerprint text,
    wake_at timestamptz,
    concurrency_key text,
    concurrency_limit int,
    rate_key text COLLATE "C",
    rate_limit int,
    rate_per interval,
    pause_on_failure boolean NOT NULL DEFAULT false,
    backlog boolean NOT NULL DEFAULT false,
    cause uuid,
    resumed_at timestamptz,
    not_before timestamptz,
    held boolean NOT NULL DEFAULT false,
    planned_wake_at timestamptz,
    awaited boolean NOT NULL DEFAULT false,
    born timestamptz NOT NULL DEFAULT '-infinity',
    erased_at timestamptz,
    CONSTRAINT nothing_strands CHECK (
        status IN ('succeeded', 'cancelled', 'skipped', 'discarded', 'dead_lettered') OR wake_at IS NOT NULL
    )
) WITH (fillfactor = 70);

-- The due runs of a lane (queue and priority), and which lanes there are: the scheduler's poll.
CREATE INDEX runs_due ON runs (queue, priority, wake_at) WHERE wake_at IS NOT NULL;

-- The runs that were postponed: the scheduler mends those that would wake too late.
CREATE INDEX runs_postponed ON runs (wake_at) WHERE wake_at > planned_wake_at;

-- The runs that wake although their last event says that they need not: the scheduler mends them.
CREATE INDEX runs_misplaced ON runs (wake_at) WHERE wake_at IS NOT NULL AND planned_wake_at IS NULL;

-- PostgreSQL takes the indexes of runs under way for empty if no run was when it last looked, and then reads any of them as
-- a whole, with all dead rows. `IS NOT NULL`, of columns that never are, or a list of statuses keeps out statements that do not
-- ask for these.

-- The active runs of this job: overlap policies.
CREATE INDEX runs_active ON runs (job_id)
    WHERE job_id IS NOT NULL AND status IN ('waiting', 'dispatched', 'running', 'retrying');

-- The first waiting runs of this job, which the end of another run wakes.
CREATE INDEX runs_waiting ON runs (job_id, created_at, nominal_at) WHERE job_id IS NOT NULL AND status = 'waiting';

-- The first runs that wait for this concurrency key. Held runs are left out, because others may pass them. Those that
-- wait for another run of their job too have an index of their own, so that a hundred thousand of one kind are not read
-- to find that there is none of the other.
CREATE INDEX runs_of_key ON runs (concurrency_key, created_at, nominal_at)
    WHERE concurrency_key IS NOT NULL AND status = 'waiting' AND NOT held AND reason IS DISTINCT FROM 'overlap';

CREATE INDEX runs_of_key_and_job ON runs (concurrency_key, created_at, nominal_at)
    WHERE concurrency_key IS NOT NULL AND status = 'waiting' AND NOT held AND reason = 'overlap';

-- How many runs hold this concurrency key, however many wait for it.
CREATE INDEX runs_holding ON runs (concurrency_key)
    WHERE concurrency_key IS NOT NULL AND status NOT IN ('succeeded', 'cancelled', 'skipped', 'discarded', 'dead_lettered')
        AND status <> 'waiting';

-- The first runs that wait for the rate of this key. Backfills are the last.
CREATE INDEX runs_in_line ON runs (rate_key, (trigger = 'backfill'), created_at, nominal_at, run_id)
    WHERE rate_key IS NOT NULL AND status = 'waiting';

-- The same by queue, without those that wait for another run or a concurrency key too: admission reads them in order.
CREATE INDEX runs_in_line_alone ON runs (rate_key, queue, (trigger = 'backfill'), created_at, nominal_at, run_id)
    WHERE rate_key IS NOT NULL AND status = 'waiting' AND reason IS DISTINCT FROM 'overlap' AND concurrency_key IS NULL;

-- The runs in the line of this key that are due before their turn: they are postponed together.
CREATE INDEX runs_in_line_due ON runs (rate_key, wake_at) WHERE rate_key IS NOT NULL AND status = 'waiting';

-- How many runs with this key are sent and not started.
CREATE INDEX runs_of_rate_sent ON runs (rate_key, dispatched_at)
    WHERE rate_key IS NOT NULL AND status = 'dispatched';

-- The waiting runs of this queue: its resume wakes them.
CREATE INDEX runs_waiting_of_queue ON runs (queue, wake_at) WHERE queue IS NOT NULL AND status = 'waiting';

-- How many runs of this queue are sent and not started: the dispatch window.
CREATE INDEX runs_ahead ON runs (queue) WHERE queue IS NOT NULL AND status = 'dispatched';

-- How many dead letters failed alike, of how many jobs and when, from the index alone: mails about them, their groups.
-- The newest dead letters that failed alike.
CREATE INDEX runs_failed_alike ON runs (fingerprint, created_at, nominal_at, run_id) INCLUDE (job_id, finished_at)
    WHERE status = 'dead_lettered';

-- The causes among whose dead letters a text is searched for, from the index alone. An entry of an index has 2,700 bytes
-- at most, so that long errors have an index of their own, without the text.
CREATE INDEX runs_dead_texts ON runs (fingerprint) INCLUDE (created_at, finished_at, job_id, job_name, error)
    WHERE status = 'dead_lettered' AND coalesce(octet_length(error), 0) + octet_length(job_name) <= 2000;

CREATE INDEX runs_dead_long_texts ON runs (fingerprint)
    WHERE status = 'dead_lettered' AND coalesce(octet_length(error), 0) + octet_length(job_name) > 2000;

-- How many dead letters each queue has, and since when, from the index alone: the overview, the gauges.
CREATE INDEX runs_dead_by_queue ON runs (queue, finished_at) WHERE status = 'dead_lettered';

-- The newest runs.
CREATE INDEX runs_newest ON runs (created_at, nominal_at, run_id);

-- The newest runs of this job. A backfill makes a thousand with the same `created_at` at most.
CREATE INDEX runs_of_job ON runs (job_id, created_at);

-- The newest runs with this status. Left out are statuses that change at each step, or that most rows have.
CREATE INDEX runs_by_status ON runs (status, created_at, nominal_at, run_id)
    WHERE status NOT IN ('dispatched', 'running', 'succeeded');

-- The newest ended runs with this task. Runs that have not ended are found by `runs_due`.
CREATE INDEX runs_by_task ON runs (task, created_at, nominal_at, run_id) WHERE wake_at IS NULL;

-- The newest ended runs with this queue.
CREATE INDEX runs_by_queue ON runs (queue, created_at, nominal_at, run_id) WHERE wake_at IS NULL;

-- The ended runs that were due in this range of times.
CREATE INDEX runs_by_due_time ON runs (due_at, run_id) WHERE wake_at IS NULL;

-- The newest runs that this run, or bulk operation, has caused.
CREATE INDEX runs_by_cause ON runs (cause, created_at, nominal_at, run_id) WHERE cause IS NOT NULL;

-- The runs that ended in this range of times.
CREATE INDEX runs_by_end ON runs (finished_at, run_id) WHERE wake_at IS NULL
