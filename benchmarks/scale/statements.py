"""The SQL that copies samples into many runs, with their events, log lines and mails."""

WANTED = "bench_runs"

# What each run is to be, and the samples by status.
TABLES = (
    f"""CREATE UNLOGGED TABLE {WANTED} (
        n int PRIMARY KEY, run_id uuid, job_id uuid, nominal_at timestamptz, next_at timestamptz, status text, cause int
    )""",
    "CREATE UNLOGGED TABLE bench_samples (status text, run_id uuid)",
)

_OF_BATCH = f"{WANTED} AS w JOIN bench_samples AS s ON s.status = w.status"

# The messages of the dead letters rest in RabbitMQ, so that their rows need not be looked at again.
COPY_RUNS = f"""
INSERT INTO runs SELECT r.* FROM {_OF_BATCH}
JOIN runs AS sample ON sample.run_id = s.run_id
JOIN jobs AS j ON j.job_id = w.job_id
CROSS JOIN LATERAL jsonb_populate_record(sample, jsonb_build_object(
    'run_id', w.run_id, 'job_id', w.job_id, 'job_name', j.name, 'task', j.task, 'queue', j.queue,
    'priority', j.priority, 'nominal_at', w.nominal_at, 'due_at', w.nominal_at,
    'created_at', w.nominal_at + interval '20 ms',
    'trigger', 'schedule',
    'executor', CASE WHEN sample.executor IS NOT NULL THEN 'executor-' || w.n % 20 END,
    'started_at', CASE WHEN sample.started_at IS NOT NULL THEN w.nominal_at + interval '30 ms' END,
    'finished_at', CASE WHEN sample.finished_at IS NOT NULL
                   THEN w.nominal_at + interval '1 s' + w.n % 60 * interval '1 s' END,
    'error', CASE WHEN sample.error IS NOT NULL THEN 'timeout of the warehouse in case ' || w.cause END,
    'fingerprint', CASE WHEN sample.fingerprint IS NOT NULL THEN md5(w.cause::text) END,
    'wake_at', CASE WHEN sample.wake_at IS NOT NULL AND w.status <> 'dead_lettered' THEN now() + interval '10 days' END,
    'planned_wake_at', CASE WHEN sample.wake_at IS NOT NULL THEN now() + interval '10 days' END
)) AS r
WHERE w.n >= $1 AND w.n < $2
"""

COPY_EVENTS = f"""
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'run-' || w.run_id, e.version, gen_random_uuid(), e.type, w.job_id,
       e.data || jsonb_build_object('at', e.at) || CASE WHEN e.version = 1 THEN jsonb_build_object(
           'job_name', j.name, 'task', j.task, 'queue', j.queue, 'priority', j.priority,
           'nominal_at', w.nominal_at, 'trigger', 'schedule', 'next_at', w.next_at
       ) ELSE '{{}}' END || CASE WHEN e.data ? 'error' THEN jsonb_build_object(
           'error', 'timeout of the warehouse in case ' || w.cause
       ) ELSE '{{}}' END || CASE WHEN e.data ? 'fingerprint' THEN jsonb_build_object(
           'fingerprint', md5(w.cause::text)
       ) ELSE '{{}}' END || CASE WHEN e.data ? 'executor' THEN jsonb_build_object(
           'executor', 'executor-' || w.n % 20
       ) ELSE '{{}}' END,
       e.meta, e.at
FROM {_OF_BATCH}
JOIN jobs AS j ON j.job_id = w.job_id
CROSS JOIN LATERAL (
    SELECT *, w.nominal_at + CASE version WHEN 1 THEN interval '20 ms' WHEN 2 THEN interval '30 ms'
                             ELSE interval '1 s' + w.n % 60 * interval '1 s' END AS at
    FROM events WHERE stream = 'run-' || s.run_id
) AS e
WHERE w.n >= $1 AND w.n < $2 ORDER BY w.n, e.version
"""

COPY_LINES = f"""
INSERT INTO log_lines (job_id, run_id, attempt, message, logged_at)
SELECT job_id, run_id, 1, 'sent ' || n || ' rows', nominal_at + interval '500 ms' FROM {WANTED}
WHERE n >= $1 AND n < $2 AND n % 4 = 0 AND status = 'succeeded'
"""

COPY_MAILS = f"""
INSERT INTO mails
SELECT run_id, 'succeeded-3', 'team-' || n % 50 || '@example.com', job_id, 1,
       CASE WHEN n % 1000 = 0 THEN 'given_up' ELSE 'sent' END, 'id', 1, NULL, NULL, nominal_at + interval '2 s'
FROM {WANTED} WHERE n >= $1 AND n < $2 AND n % 10 = 0 AND status = 'succeeded'
"""

OPERATIONAL = (
    f"""
    UPDATE jobs AS j SET runs = 100, next_at = last.at, wake_at = CASE WHEN j.status = 'active' THEN last.at END
    FROM (SELECT job_id, max(next_at) AS at FROM {WANTED} GROUP BY job_id) AS last WHERE last.job_id = j.job_id
    """,
    "UPDATE jobs SET status = 'paused', wake_at = NULL, reason = 'a test' WHERE hashtext(job_id::text) % 50 = 0",
    "INSERT INTO queues SELECT 'queue-' || n, now() FROM generate_series(0, 99) AS n ON CONFLICT DO NOTHING",
    "INSERT INTO tasks (name, seen_at) SELECT 'task-' || n, now() FROM generate_series(0, 19) AS n",
    """
    INSERT INTO executors (executor, queues, tasks, host, version, slots, running, seen_at)
    SELECT 'executor-' || n, ARRAY(SELECT 'queue-' || q FROM generate_series(0, 99) AS q WHERE q % 20 = n),
           ARRAY(SELECT 'task-' || t FROM generate_series(0, 19) AS t), 'host-' || n, '0.1.0', 100, 25,
           now() + interval '100 days' FROM generate_series(0, 19) AS n
    """,
    """
    INSERT INTO keys (key_id, name, hash, scopes)
    SELECT 'key-' || n, 'client ' || n, sha256(n::text::bytea), '{*}' FROM generate_series(1, 50) AS n
    """,
    """
    INSERT INTO checkpoints
    SELECT name, e.xid, e.position FROM unnest('{relay,sweeper}'::text[]) AS name,
           (SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1) AS e
    ON CONFLICT (subscriber) DO UPDATE SET xid = excluded.xid, position = excluded.position
    """,
)

AFTER = (f"DROP TABLE {WANTED}", "DROP TABLE bench_samples", "VACUUM ANALYZE")
