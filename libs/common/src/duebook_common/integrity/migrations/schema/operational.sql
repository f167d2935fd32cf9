-- One row per running attempt: until when the scheduler takes its executor for alive.
CREATE TABLE leases (
    run_id uuid PRIMARY KEY,
    attempt int NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- One row per run whose task has said how far it is: the last thing that it said, in which attempt.
CREATE TABLE progress (
    run_id uuid PRIMARY KEY,
    attempt int NOT NULL,
    share double precision CHECK (share BETWEEN 0 AND 1),
    text text NOT NULL,
    reported_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- One row per run that has not succeeded, and whose task has kept a value for the next attempt.
CREATE TABLE task_checkpoints (
    run_id uuid PRIMARY KEY,
    attempt int NOT NULL,
    value jsonb NOT NULL,
    saved_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- One row per outcome whose mails are not all recorded yet. `wake_at` is when the notifier sends them if RabbitMQ has
-- not brought it the outcome by then.
CREATE TABLE mails_owed (
    run_id uuid NOT NULL,
    job_id uuid NOT NULL,
    outcome text NOT NULL,
    version int NOT NULL,
    tries int NOT NULL DEFAULT 0,
    wake_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, outcome, version)
);

-- The outcomes to mail now.
CREATE INDEX mails_owed_due ON mails_owed (wake_at);

-- One row per recipient with a recent mail: how many the recipient was granted, and when counting starts anew.
CREATE TABLE mail_budgets (
    recipient text PRIMARY KEY,
    used int NOT NULL,
    ends_at timestamptz NOT NULL
);

-- At most one row: whether the notifier that started last mails the outcomes of jobs that name no recipients.
CREATE TABLE notifier_settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    default_recipients boolean NOT NULL
);

-- One row per subscriber of the log: the position of the last event that it has dealt with.
CREATE TABLE checkpoints (
    subscriber text PRIMARY KEY,
    xid xid8 NOT NULL,
    position bigint NOT NULL,
    -- Of a verification: the hash of the newest line of a day, which signs all before it.
    line text
);

-- One row per work queue that RabbitMQ has or will have, and when it was in use last.
CREATE TABLE queues (
    name text COLLATE "C" PRIMARY KEY,
    used_at timestamptz NOT NULL
);

-- One row per task that an executor has registered.
CREATE TABLE tasks (
    name text PRIMARY KEY,
    payload_schema jsonb,
    defaults jsonb NOT NULL DEFAULT '{}',
    seen_at timestamptz NOT NULL
);

-- One row per running executor, which it renews: the queues that it serves and the tasks that it has. `running` counts
-- the attempts under way, and `doing` has the first of their runs.
CREATE TABLE executors (
    executor text PRIMARY KEY,
    queues text[] NOT NULL,
    tasks text[] NOT NULL,
    defaults jsonb NOT NULL DEFAULT '{}',
    host text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    slots int NOT NULL DEFAULT 0,
    running int NOT NULL DEFAULT 0,
    doing uuid[] NOT NULL DEFAULT '{}',
    short text[] NOT NULL DEFAULT '{}',
    draining boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- One row per running process of a service, which it renews. `settings` are those that are no secret.
CREATE TABLE services (
    instance_id uuid PRIMARY KEY,
    service text NOT NULL,
    host text NOT NULL,
    version text NOT NULL,
    schema text NOT NULL,
    tzdata text NOT NULL,
    settings jsonb NOT NULL,
    draining boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- One row per line that a task logged; `born` is that of its run. By `salt` the digest of a file of an archive tells
-- nothing of a line that was erased from it. The position is drawn from the same sequence as those of events, so that
-- the job log can merge both.
CREATE TABLE log_lines (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL DEFAULT nextval('events_position_seq'),
    job_id uuid NOT NULL,
    run_id uuid NOT NULL,
    attempt int NOT NULL,
    message text NOT NULL,
    level text COLLATE "C" NOT NULL DEFAULT 'info',
    fields jsonb NOT NULL DEFAULT '{}',
    logged_at timestamptz NOT NULL,
    born timestamptz NOT NULL DEFAULT '-infinity',
    salt uuid DEFAULT gen_random_uuid(),
    PRIMARY KEY (xid, position, born)
) PARTITION BY LIST (born);

-- The newest lines of this job.
CREATE INDEX log_lines_of_job ON log_lines (job_id, xid, position);

-- One row per schema that programs of an older one still work with, so that services go on during an upgrade. The
-- migration that makes such a schema says so here.
CREATE TABLE schema_programs (
    schema text,
    program text,
    PRIMARY KEY (schema, program)
);

-- One row per API key. A null in `expires_at`, `revoked_at` or `last_used_at` means never.
CREATE TABLE keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT '',
    revoked_at timestamptz,
    expires_at timestamptz,
    last_used_at timestamptz
) WITH (fillfactor = 85);

-- One row per browser that is signed in to the console. Without `key_id` its key is that of the environment.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    key_id text,
    key_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_to_forget ON sessions (expires_at)
