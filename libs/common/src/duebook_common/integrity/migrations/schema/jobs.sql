-- One row per job: its folded state. `wake_at` is when the scheduler looks at the job next; an active job has one.
CREATE TABLE jobs (
    job_id uuid PRIMARY KEY,
    stream_version int NOT NULL,
    version int NOT NULL,
    definition_version int NOT NULL,
    name text NOT NULL,
    task text NOT NULL,
    queue text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    priority smallint NOT NULL,
    tags text[] NOT NULL,
    definition jsonb NOT NULL,
    status text COLLATE "C" NOT NULL,
    next_at timestamptz,
    wake_at timestamptz,
    reason text,
    request_hash text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    runs int NOT NULL DEFAULT 0,
    next_due_at timestamptz,
    backlog_since timestamptz,
    held boolean NOT NULL DEFAULT false,
    born timestamptz NOT NULL DEFAULT '-infinity',
    erased_at timestamptz,
    CONSTRAINT nothing_strands CHECK (status <> 'active' OR wake_at IS NOT NULL)
) WITH (fillfactor = 85);

-- The due jobs of a lane (queue and priority), and which lanes there are: the scheduler's poll.
CREATE INDEX jobs_due ON jobs (queue, priority, wake_at) WHERE wake_at IS NOT NULL;

-- The jobs that were postponed: the scheduler mends those that would wake too late.
CREATE INDEX jobs_postponed ON jobs (wake_at) WHERE wake_at > coalesce(next_due_at, next_at);

-- The jobs that wake without being active: the scheduler mends them.
CREATE INDEX jobs_misplaced ON jobs (wake_at) WHERE wake_at IS NOT NULL AND status <> 'active';

-- The lists of jobs are sorted by `created_at`, then by the id, which only the rows have: one request makes at most a
-- thousand jobs, at one instant. So an index holds the instant once, with all rows of it. Of runs it would not do:
-- all that are decided ahead for one instant have it as their `created_at`, however many they are.

-- The newest jobs, without deleted ones: the list of jobs.
CREATE INDEX jobs_newest ON jobs (created_at) WHERE status <> 'deleted';

-- The newest jobs with this status.
CREATE INDEX jobs_by_status ON jobs (status, created_at);

-- The newest jobs with this name.
CREATE INDEX jobs_by_name ON jobs (name, created_at);

-- The newest jobs with this task.
CREATE INDEX jobs_by_task ON jobs (task, created_at);

-- The newest jobs with this queue.
CREATE INDEX jobs_by_queue ON jobs (queue, created_at);

-- The job with this key; a deleted one leaves it to others.
CREATE UNIQUE INDEX jobs_by_key ON jobs (key) WHERE key IS NOT NULL AND status <> 'deleted';

-- The jobs with this tag.
CREATE INDEX jobs_by_tag ON jobs USING gin (tags) WHERE tags <> '{}'
