-- The views that programs for reports read. Names and columns stay; columns may be added.
-- None shows a payload, a result, metadata or a line that a task has logged. A view is read with the rights of its owner,
-- so a role that may read the views needs no right on any table.

CREATE SCHEMA duebook_bi;

CREATE VIEW duebook_bi.jobs AS
SELECT job_id, name, key, status, reason, task, queue, priority, tags, version,
       coalesce(definition ->> 'recurrence', 'none') AS recurrence,
       coalesce(definition ->> 'timezone', 'UTC') AS timezone,
       CASE WHEN status = 'active' THEN coalesce(next_due_at, next_at) END AS next_due_at, created_at, updated_at
FROM jobs;

-- The end of a run that was cancelled, discarded or skipped need not be that of its last attempt.
CREATE VIEW duebook_bi.runs AS
SELECT run_id, job_id, job_name, job_version, task, queue, priority, trigger, cause, nominal_at, due_at, status, reason,
       attempt, failures, max_attempts, executor, error, fingerprint, created_at, started_at, finished_at,
       CASE WHEN status NOT IN ('cancelled', 'discarded', 'skipped') THEN finished_at - started_at END
           AS last_attempt_took
FROM runs;

-- By way of `runs`, so that conditions on a job or on times of runs find few runs first, and then their events.
CREATE VIEW duebook_bi.attempts AS
SELECT runs.run_id, runs.job_id, runs.job_name, runs.task, runs.queue, runs.created_at AS run_created_at,
       (started.data ->> 'attempt')::int AS attempt, started.data ->> 'executor' AS executor,
       coalesce(ended.outcome, 'running') AS outcome, ended.error,
       (started.data ->> 'at')::timestamptz AS started_at, ended.at AS ended_at,
       ended.at - (started.data ->> 'at')::timestamptz AS took
FROM runs
JOIN events AS started ON started.stream = 'run-' || runs.run_id AND started.born = runs.born
    AND started.type = 'AttemptStarted'
LEFT JOIN LATERAL (
    SELECT CASE type
               WHEN 'AttemptSucceeded' THEN 'succeeded' WHEN 'AttemptFailed' THEN 'failed'
               WHEN 'AttemptLost' THEN 'lost' WHEN 'AttemptReleased' THEN 'released' ELSE 'cancelled' END AS outcome,
           data ->> 'error' AS error, (data ->> 'at')::timestamptz AS at
    FROM events
    WHERE stream = started.stream AND born = started.born AND version > started.version
      AND type IN ('AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased', 'RunCancelled')
    ORDER BY version LIMIT 1
) AS ended ON true;

-- A backfill stands for its time only where the time's own run was skipped, or there is none.
CREATE VIEW duebook_bi.occurrences AS
SELECT DISTINCT ON (job_id, nominal_at)
       job_id, nominal_at, job_name, task, queue, status AS outcome, reason, run_id, trigger,
       due_at, started_at, finished_at
FROM runs WHERE trigger IN ('schedule', 'catch_up', 'backfill')
ORDER BY job_id, nominal_at, (trigger <> 'backfill' AND status <> 'skipped') DESC, trigger = 'backfill' DESC;

-- By way of `jobs`: their streams are few beside those of runs.
CREATE VIEW duebook_bi.skipped AS
SELECT jobs.job_id,
       (data ->> 'first')::timestamptz AS first_nominal_at, (data ->> 'last')::timestamptz AS last_nominal_at,
       (data ->> 'count')::int AS occurrences, data ->> 'reason' AS reason, recorded_at
FROM jobs JOIN events ON events.stream = 'job-' || jobs.job_id AND events.born = jobs.born
    AND events.type = 'OccurrencesSkipped';

CREATE VIEW duebook_bi.dead_letters AS
SELECT run_id, job_id, job_name, task, queue, nominal_at, attempt AS attempts, error, fingerprint,
       finished_at AS dead_lettered_at
FROM runs WHERE status = 'dead_lettered';

CREATE VIEW duebook_bi.daily_outcomes AS
SELECT (at AT TIME ZONE 'UTC')::date AS day, dimension AS by, nullif(key, '') AS name,
       coalesce(counts[1], 0) AS succeeded, coalesce(counts[2], 0) AS dead_lettered,
       coalesce(counts[3], 0) AS cancelled, coalesce(counts[4], 0) AS skipped,
       coalesce(counts[5], 0) AS discarded, coalesce(counts[6], 0) AS failed_attempts
FROM statistics WHERE step = interval '1 day' AND dimension IN ('all', 'queue', 'task')
