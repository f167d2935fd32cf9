"""The log, its read models, and the operational tables beside them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LOG = """
CREATE TABLE heads (
    stream text COLLATE "C" PRIMARY KEY,
    version int NOT NULL CHECK (version > 0),
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE events (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    stream text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version > 0),
    id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    job_id uuid NOT NULL,
    data jsonb NOT NULL,
    meta jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (stream, version)
);

CREATE INDEX events_feed ON events (xid, position);

CREATE INDEX events_of_attempts ON events (job_id, xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER heads_stay BEFORE DELETE OR TRUNCATE ON heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""

_READ_MODELS = """
CREATE TABLE jobs (
    job_id uuid PRIMARY KEY,
    stream_version int NOT NULL,
    version int NOT NULL,
    definition_at int NOT NULL,
    name text NOT NULL,
    task text NOT NULL,
    queue text COLLATE "C" NOT NULL,
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
    CONSTRAINT nothing_strands CHECK (status <> 'active' OR wake_at IS NOT NULL)
) WITH (fillfactor = 85);

CREATE INDEX jobs_due ON jobs (queue, priority, wake_at) WHERE wake_at IS NOT NULL;

CREATE INDEX jobs_newest ON jobs (created_at, job_id);

CREATE INDEX jobs_live ON jobs (created_at, job_id) WHERE status IN ('active', 'paused');

CREATE INDEX jobs_by_name ON jobs (name, created_at, job_id);

CREATE INDEX jobs_by_tag ON jobs USING gin (tags) WHERE tags <> '{}';

CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    version int NOT NULL,
    job_id uuid NOT NULL,
    job_name text NOT NULL,
    job_version int NOT NULL,
    definition_at int NOT NULL,
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
    CONSTRAINT nothing_strands CHECK (
        status IN ('succeeded', 'cancelled', 'skipped', 'discarded', 'dead_lettered') OR wake_at IS NOT NULL
    )
) WITH (fillfactor = 70);

CREATE INDEX runs_newest ON runs (created_at, run_id);

CREATE INDEX runs_of_job ON runs (job_id, created_at, run_id);

CREATE INDEX runs_due ON runs (queue, priority, wake_at) WHERE wake_at IS NOT NULL;

CREATE INDEX runs_active ON runs (job_id) WHERE wake_at IS NOT NULL AND status <> 'dead_lettered';

CREATE INDEX runs_ahead ON runs (queue) WHERE status = 'dispatched';

CREATE INDEX runs_by_status ON runs (status, created_at, run_id)
    WHERE status NOT IN ('dispatched', 'running', 'succeeded');

CREATE TABLE mails (
    run_id uuid NOT NULL,
    outcome text NOT NULL,
    recipient text NOT NULL,
    job_id uuid NOT NULL,
    version int NOT NULL,
    status text NOT NULL CHECK (status IN ('sent', 'retrying', 'given_up')),
    message_id text NOT NULL,
    tries int NOT NULL,
    error text,
    wake_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, outcome, recipient),
    CONSTRAINT nothing_strands CHECK (status <> 'retrying' OR wake_at IS NOT NULL)
);

CREATE INDEX mails_due ON mails (wake_at) WHERE wake_at IS NOT NULL
"""

_OPERATIONAL = """
CREATE TABLE leases (
    run_id uuid PRIMARY KEY,
    attempt int NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE checkpoints (
    subscriber text PRIMARY KEY,
    xid xid8 NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE tasks (
    name text PRIMARY KEY,
    payload_schema jsonb,
    seen_at timestamptz NOT NULL
);

CREATE TABLE log_lines (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL DEFAULT nextval('events_position_seq'),
    job_id uuid NOT NULL,
    run_id uuid NOT NULL,
    attempt int NOT NULL,
    message text NOT NULL,
    logged_at timestamptz NOT NULL,
    PRIMARY KEY (xid, position)
);

CREATE INDEX log_lines_of_job ON log_lines (job_id, xid, position);

CREATE TABLE keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
)
"""


def upgrade() -> None:
    for statements in (_LOG, _READ_MODELS, _OPERATIONAL):
        for statement in statements.split(";\n\n"):
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are not thrown away; restore a backup instead")
