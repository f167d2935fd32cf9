"""The whole schema: the log, the read models and the operational tables, with the question that each index answers.

ARCHITECTURE.md, "Invariants", says what the CHECKs and triggers keep.
"""

from alembic import op

from duebook_common.integrity.bi_views import VIEWS

revision = "0001_baseline"
down_revision = None

_LOG = """
-- The log, append-only. (xid, position) orders all events; (stream, version) orders the events of one stream.
-- The key refuses a second event of the same version, and answers: the events of this stream, from this version on. The
-- streams of queues, of the installation and of bulk operations belong to no job.
-- `born` is the period in which the stream was opened: all its events lie in one partition. What is kept for ever has
-- '-infinity': the streams of recurring jobs, keys, queues, the installation and bulk operations. What is still open
-- when its period leaves moves to the period that is open then.
CREATE SEQUENCE events_position_seq;

CREATE TABLE events (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL DEFAULT nextval('events_position_seq'),
    recorded_at timestamptz NOT NULL,
    version int NOT NULL CHECK (version > 0),
    id uuid NOT NULL,
    job_id uuid,
    stream text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data jsonb NOT NULL,
    meta jsonb NOT NULL,
    born timestamptz NOT NULL DEFAULT '-infinity',
    salt uuid DEFAULT gen_random_uuid(),
    sealed bytea,
    PRIMARY KEY (stream, version, born)
) PARTITION BY LIST (born);

-- The events after this position: relay, event feed.
CREATE INDEX events_feed ON events (xid, position);

-- The newest events that the job log of all jobs shows.
CREATE INDEX events_logged ON events (xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
);

-- The newest of these with this type. Left out are the types that most attempts have: the index above finds them soon.
CREATE INDEX events_logged_by_type ON events (type, xid, position) WHERE type IN (
    'AttemptFailed', 'AttemptLost', 'AttemptReleased', 'RunCancelled', 'RunDeadLettered'
);

-- The newest events that the log of one job shows.
CREATE INDEX events_of_attempts ON events (job_id, xid, position) WHERE type IN (
    'AttemptStarted', 'AttemptSucceeded', 'AttemptFailed', 'AttemptLost', 'AttemptReleased',
    'RunCancelled', 'RunDeadLettered'
);

-- When runs with this fingerprint were dead-lettered first and last: the groups of dead letters.
CREATE INDEX events_of_fingerprints ON events ((data ->> 'fingerprint'), recorded_at) WHERE type = 'RunDeadLettered';

-- The dead letters redriven or discarded after this position: the sweeper.
CREATE INDEX events_of_sweeps ON events (xid, position) WHERE type IN ('RunRedriven', 'RunDiscarded');

-- The newest of what people and programs did, without the acts of bulk operations: the audit.
CREATE INDEX events_of_people ON events (xid, position) WHERE
    left(meta ->> 'actor', 9) NOT IN ('executor ', 'scheduler', 'notifier ') AND NOT meta ? 'bulk';

-- What this bulk operation did: the runs that it acted on.
CREATE INDEX events_of_bulk ON events ((meta ->> 'bulk'), stream) WHERE meta ? 'bulk';

-- The definitions with follow-ups: which ends of runs trigger others.
CREATE INDEX events_of_chains ON events (stream, version) WHERE
    type IN ('JobCreated', 'JobChanged') AND jsonb_array_length(data #> '{definition,then}') > 0;

-- The follow-ups that this run did not get.
CREATE INDEX events_of_refusals ON events ((data ->> 'run_id')) WHERE type = 'FollowUpRefused';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- In a period that is leaving, an event would be dropped without having been archived.
CREATE FUNCTION refuse_all_but_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.born <= OLD.born
        OR NOT EXISTS (SELECT FROM periods WHERE born = NEW.born AND status IN ('open', 'closed'))
    THEN
        RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

-- An event may only move, as it is, to a later period that stays, or lose its contents (`only_erasure`).
-- `add_partitions` makes the first of these triggers for each partition too, because it fires for the table that the
-- command names.
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE
    OR UPDATE OF xid, position, recorded_at, version, id, job_id, stream, type, meta ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER only_later BEFORE UPDATE OF born ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_later()
"""

_PERIODS = """
-- One row per period of the log: the streams opened in it have its start as `born`. One period is open; a closed one
-- may leave once it is old enough, and its streams with it. Nothing is appended to a period that is leaving: all its
-- events are of transactions before `sealed_at`.
CREATE TABLE periods (
    born timestamptz PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('open', 'closed', 'leaving', 'archived')),
    closed_at timestamptz,
    sealed_at xid8,
    CONSTRAINT closed_at_is_known CHECK ((status = 'open') = (closed_at IS NULL))
);

-- The period in which new streams are opened now.
CREATE UNIQUE INDEX periods_open ON periods (status) WHERE status = 'open';

-- What each append asks for. Periods that have left are never deleted: an hour each, they are 8,760 a year.
CREATE INDEX periods_leaving ON periods (born) WHERE status = 'leaving';

-- Rows that never change are frozen by the first vacuum, so that no later one has to write their pages again.
-- Each partition is made first and attached then, so that neither readers nor writers of the table wait.
CREATE FUNCTION add_partitions(period timestamptz, suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part text;
    unnamed record;
BEGIN
    FOREACH parent IN ARRAY ARRAY['events', 'log_lines'] LOOP
        part := parent || '_' || suffix;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.02,
            autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0)', part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', parent, part, period);
        -- Named like the indexes of the table, so that a plan says which one it uses.
        FOR unnamed IN
            SELECT own.relname AS name, whole.relname || '_' || suffix AS wanted
            FROM pg_index AS i JOIN pg_class AS own ON own.oid = i.indexrelid
            JOIN pg_inherits ON inhrelid = own.oid JOIN pg_class AS whole ON whole.oid = inhparent
            WHERE i.indrelid = part::regclass
        LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', unnamed.name, unnamed.wanted);
        END LOOP;
    END LOOP;
    EXECUTE format('CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE
        OR UPDATE OF xid, position, recorded_at, version, id, job_id, stream, type, meta ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', 'events_' || suffix);
END
$$;

-- Open the period that starts then, if it is later than the one that is open, and close that one. Returns whether it
-- did. A stream that is being opened meanwhile may still get the period that is closed.
CREATE FUNCTION open_period(start timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7245);
    IF EXISTS (SELECT FROM periods WHERE status = 'open' AND born >= start) THEN
        RETURN false;
    END IF;
    PERFORM add_partitions(start, to_char(start AT TIME ZONE 'UTC', 'YYYYMMDDHH24MI'));
    UPDATE periods SET status = 'closed', closed_at = clock_timestamp() WHERE status = 'open';
    INSERT INTO periods VALUES (start, 'open');
    RETURN true;
END
$$;

-- Drop what a leaving period has left. A repetition finds nothing.
CREATE FUNCTION drop_period(start timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    LOCK TABLE ONLY events, ONLY log_lines IN ACCESS EXCLUSIVE MODE;
    UPDATE periods SET status = 'archived' WHERE born = start AND status = 'leaving';
    IF FOUND THEN
        FOREACH parent IN ARRAY ARRAY['events', 'log_lines'] LOOP
            EXECUTE format('DROP TABLE %I', parent || to_char(start AT TIME ZONE 'UTC', '_YYYYMMDDHH24MI'));
        END LOOP;
    END IF;
END
$$;

SELECT add_partitions('-infinity', 'kept');

SELECT open_period(date_trunc('month', clock_timestamp(), 'UTC'))
"""

# For its data each event has a commitment: SHA-256 of a random salt and of the data. An erasure keeps the commitment as
# `sealed`, and removes the salt with the contents, so that no trial can find out what they were. A hash of the frame
# and the commitment stays the same.
_ERASURE = """
-- What the data of an event says after its contents were erased.
CREATE FUNCTION frame_of(data jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT data - '{payload,result,error,fingerprint,request,request_hash,recipient,message_id}'::text[]
        #- '{notify,to}' #- '{definition,payload}' #- '{definition,metadata}' #- '{definition,notify,to}'
$$;

CREATE FUNCTION commitment_of(salt uuid, data jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(uuid_send(salt) || convert_to(data::text, 'UTF8'))
$$;

CREATE FUNCTION refuse_all_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.salt IS NULL OR NEW.salt IS NOT NULL
        OR NEW.sealed IS DISTINCT FROM commitment_of(OLD.salt, OLD.data)
        OR NEW.data::text <> frame_of(OLD.data)::text
        OR (to_jsonb(NEW) - '{salt,sealed,data}'::text[])::text <> (to_jsonb(OLD) - '{salt,sealed,data}'::text[])::text
    THEN
        RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER only_erasure BEFORE UPDATE OF data, salt, sealed ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_erasure();

-- The events that were recorded in this range of times: the hash of a day.
CREATE INDEX events_recorded ON events USING brin (recorded_at);

-- One row per day (UTC) that is over: how many events it had, the hash of their set (`domain/set_hash.py`), and the
-- hash of its line, which covers the line of the day before.
CREATE TABLE day_lines (
    day date PRIMARY KEY,
    events bigint NOT NULL,
    state bytea NOT NULL,
    hash text NOT NULL,
    sealed_at timestamptz NOT NULL
);

-- One row per day and period: the events of that day which have left with the period. `covered_by` is the day whose
-- line covers this row.
CREATE TABLE departed_days (
    day date,
    born timestamptz,
    events bigint NOT NULL,
    state bytea NOT NULL,
    covered_by date,
    PRIMARY KEY (day, born)
);

-- At most one row: until when a scheduler is at work on the line of a day.
CREATE TABLE day_claims (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    until timestamptz NOT NULL
);

-- One row per erased job some of whose runs may still have contents. `wake_at` is when a scheduler erases them.
CREATE TABLE erasures (
    job_id uuid PRIMARY KEY,
    requested_by text NOT NULL,
    wake_at timestamptz NOT NULL
)
"""

_JOBS = """
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

-- The newest jobs, without deleted ones: the list of jobs.
CREATE INDEX jobs_newest ON jobs (created_at, job_id) WHERE status <> 'deleted';

-- The newest jobs with this status.
CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id);

-- The newest jobs with this name.
CREATE INDEX jobs_by_name ON jobs (name, created_at, job_id);

-- The newest jobs with this task.
CREATE INDEX jobs_by_task ON jobs (task, created_at, job_id);

-- The newest jobs with this queue.
CREATE INDEX jobs_by_queue ON jobs (queue, created_at, job_id);

-- The job with this key; a deleted one leaves it to others.
CREATE UNIQUE INDEX jobs_by_key ON jobs (key) WHERE key IS NOT NULL AND status <> 'deleted';

-- The jobs with this tag.
CREATE INDEX jobs_by_tag ON jobs USING gin (tags) WHERE tags <> '{}'
"""

_RUNS = """
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

-- The active runs of this job: overlap policies.
CREATE INDEX runs_active ON runs (job_id) WHERE wake_at IS NOT NULL AND status <> 'dead_lettered';

-- The first waiting runs of this job, which the end of another run wakes.
CREATE INDEX runs_waiting ON runs (job_id, created_at, nominal_at) WHERE status = 'waiting';

-- How many runs hold this concurrency key, and the first that wait for it.
CREATE INDEX runs_of_key ON runs (concurrency_key, created_at, nominal_at)
    WHERE concurrency_key IS NOT NULL AND wake_at IS NOT NULL;

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
CREATE INDEX runs_waiting_of_queue ON runs (queue, wake_at) WHERE status = 'waiting';

-- How many runs of this queue are sent and not started: the dispatch window.
CREATE INDEX runs_ahead ON runs (queue) WHERE status = 'dispatched';

-- How many dead letters failed alike, of how many jobs and when, from the index alone: mails about them, their groups.
-- The newest dead letters that failed alike.
CREATE INDEX runs_failed_alike ON runs (fingerprint, created_at, nominal_at, run_id) INCLUDE (job_id, finished_at)
    WHERE status = 'dead_lettered';

-- How many dead letters each queue has, and since when, from the index alone: the overview, the gauges.
CREATE INDEX runs_dead_by_queue ON runs (queue, finished_at) WHERE status = 'dead_lettered';

-- The newest runs.
CREATE INDEX runs_newest ON runs (created_at, nominal_at, run_id);

-- The newest runs of this job.
CREATE INDEX runs_of_job ON runs (job_id, created_at, nominal_at, run_id);

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
"""

_MAILS = """
-- One row per mail: a run's outcome for one recipient. `wake_at` is when the notifier tries again.
CREATE TABLE mails (
    run_id uuid NOT NULL,
    outcome text NOT NULL,
    recipient text NOT NULL,
    job_id uuid NOT NULL,
    version int NOT NULL,
    status text NOT NULL CHECK (status IN ('sent', 'held', 'in_digest', 'retrying', 'given_up')),
    message_id text NOT NULL,
    tries int NOT NULL,
    error text,
    wake_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, outcome, recipient),
    CONSTRAINT nothing_strands CHECK (status NOT IN ('retrying', 'held') OR wake_at IS NOT NULL)
);

-- The mails to try again now.
CREATE INDEX mails_due ON mails (wake_at) WHERE status = 'retrying';

-- The recipients whose digest is due.
CREATE INDEX mails_held ON mails (wake_at) WHERE status = 'held';

-- What the digest to this recipient tells.
CREATE INDEX mails_held_for ON mails (recipient, wake_at) WHERE status = 'held';

-- The newest mails.
CREATE INDEX mails_newest ON mails (updated_at, run_id, outcome, recipient);

-- The newest mails with this status. Left out is the one that most have.
CREATE INDEX mails_by_status ON mails (status, updated_at, run_id, outcome, recipient) WHERE status <> 'sent';

-- The newest mails about this job.
CREATE INDEX mails_by_job ON mails (job_id, updated_at, run_id, outcome, recipient);

-- The newest mails to this recipient.
CREATE INDEX mails_by_recipient ON mails (recipient, updated_at, run_id, outcome)
"""

_QUEUES = """
-- One row per pause of a queue, or (`*`) of the whole installation; without `until` it goes on.
-- The key answers: the last pause of this queue.
CREATE TABLE queue_pauses (
    name text COLLATE "C",
    since timestamptz,
    until timestamptz,
    version int NOT NULL,
    reason text,
    paused_by text NOT NULL,
    resume_reason text,
    resumed_by text,
    PRIMARY KEY (name, since),
    CONSTRAINT ends_after_it_began CHECK (until > since)
);

-- The pauses that go on, or ended since then: what they kept back is not missed.
CREATE INDEX queue_pauses_ended ON queue_pauses (coalesce(until, 'infinity'));

-- The pauses that go on: which runs may be sent and started.
CREATE UNIQUE INDEX queue_pauses_now ON queue_pauses (name) WHERE until IS NULL;

-- The names of what is paused, read once the lock of the pauses is shared, so that no pause begins before the caller's
-- transaction ends. Each query of a volatile function has a snapshot of its own.
CREATE FUNCTION paused_queues() RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7242);
    RETURN ARRAY(SELECT name FROM queue_pauses WHERE until IS NULL);
END
$$
"""

_RATES = """
-- One row per start of a run that has a rate: the starts of each key, numbered without gaps. Kept for a day.
-- The key answers: when was the start of this number, and what is the last number?
CREATE TABLE rate_starts (
    rate_key text COLLATE "C",
    number bigint,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (rate_key, number)
);

-- The starts that no rate counts any more.
CREATE INDEX rate_starts_by_time ON rate_starts (started_at);

-- For each start that is asked for: the number of the last start of its key, and how long the start has to wait, null
-- for not at all. It locks the keys until the transaction ends, after the lock of the pauses, so that no two deadlock.
-- The start number n is allowed once the start number n - limit is longer ago than the span; of several that are
-- refused each has to wait for another number. Each query of a volatile function has a snapshot of its own, so it sees
-- what was committed while it waited for the lock.
CREATE FUNCTION rate_waits(streams text[], keys text[], limits int[], spans interval[])
RETURNS TABLE (stream text, rate_key text, last_number bigint, wait interval) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    asked record;
    present timestamptz;
    granted int;
    refused int;
    before bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7242);
    PERFORM pg_advisory_xact_lock(7244, slice) FROM (
        SELECT DISTINCT hashtext(key) & 255 AS slice FROM unnest(keys) AS key ORDER BY slice
    ) AS slices;
    present := clock_timestamp();
    FOR asked IN
        SELECT a.* FROM unnest(streams, keys, limits, spans) WITH ORDINALITY AS a (stream, key, most, span, n)
        ORDER BY a.key, a.n
    LOOP
        IF rate_key IS DISTINCT FROM asked.key THEN
            granted := 0;
            refused := 0;
            last_number := coalesce((SELECT max(s.number) FROM rate_starts s WHERE s.rate_key = asked.key), 0);
        END IF;
        stream := asked.stream;
        rate_key := asked.key;
        wait := NULL;
        before := last_number + granted + 1 - asked.most;
        IF before > last_number OR EXISTS (
            SELECT FROM rate_starts s
            WHERE s.rate_key = asked.key AND s.number = before AND s.started_at + asked.span >= present
        ) THEN
            before := before + refused;
            refused := refused + 1;
            wait := coalesce((
                SELECT greatest(s.started_at + asked.span - present, interval '0') FROM rate_starts s
                WHERE s.rate_key = asked.key AND s.number = before
            ), asked.span);
        ELSE
            granted := granted + 1;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$
"""

_BULK = """
-- One row per bulk operation: its folded state.
CREATE TABLE bulk_operations (
    bulk_id uuid PRIMARY KEY,
    version int NOT NULL,
    action text COLLATE "C" NOT NULL,
    filter jsonb NOT NULL,
    reason text NOT NULL,
    rate double precision,
    most int,
    matched int NOT NULL,
    request_hash text,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    status text COLLATE "C" NOT NULL,
    done int NOT NULL,
    refused jsonb NOT NULL,
    ended_at timestamptz,
    aborted_by text,
    abort_reason text
);

-- The newest operations.
CREATE INDEX bulk_operations_newest ON bulk_operations (requested_at, bulk_id);

-- The operations that go on, and how many of them are of one key.
CREATE INDEX bulk_operations_running ON bulk_operations (requested_at, bulk_id) WHERE status = 'running';

-- One row per bulk operation: how far it has come, written in the transaction of what was done. The sort key is that
-- of the last target that was read.
CREATE TABLE bulk_progress (
    bulk_id uuid PRIMARY KEY,
    phase int NOT NULL,
    created_at timestamptz,
    nominal_at timestamptz,
    target_id uuid,
    again uuid[] NOT NULL,
    done int NOT NULL,
    refused jsonb NOT NULL,
    next_at timestamptz
) WITH (fillfactor = 50)
"""

_STATISTICS = """
-- One row per step of time and key: counts by outcome, and histograms (`domain/statistics.py`). The key is a queue, a
-- task or a job, or empty: for the dimension `all`, and for what came after a step had its most keys.
-- The key answers: the rows of a dimension in a range of times.
CREATE TABLE statistics (
    step interval NOT NULL,
    dimension text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    key text COLLATE "C" NOT NULL,
    counts bigint[] NOT NULL,
    lateness bigint[] NOT NULL,
    duration bigint[] NOT NULL,
    PRIMARY KEY (step, dimension, at, key)
) WITH (fillfactor = 70);

CREATE FUNCTION add_counts(bigint[], bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n), '{}')
    FROM unnest($1, $2) WITH ORDINALITY AS counts (a, b, n)
$$
"""

_ARCHIVES = """
-- One row per archive: its folded state. What the archive holds has left the database, or is leaving it. `link` is the
-- place of its manifest in the chain, and `erasures` the version of the last erasure that its files obey. `sweep_due`:
-- files of an earlier manifest may still lie there.
CREATE TABLE archives (
    number int PRIMARY KEY,
    link int NOT NULL,
    period text COLLATE "C" NOT NULL UNIQUE,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    digest text NOT NULL,
    previous text,
    address text NOT NULL,
    events bigint NOT NULL,
    bytes bigint NOT NULL,
    last_xid xid8,
    last_position bigint,
    erasures int NOT NULL DEFAULT 0,
    archived_at timestamptz NOT NULL,
    sweep_due boolean NOT NULL DEFAULT false
);

-- One row per archived run, or job with all its runs, whose contents are to leave an archive. `version` is that of the
-- event, in the stream of the archive.
CREATE TABLE archive_erasures (
    archive int,
    id uuid,
    version int NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (archive, id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0);

-- What was erased after this version: what has yet to leave the archive.
CREATE INDEX archive_erasures_newest ON archive_erasures (archive, version);

-- One row per job and archive that has mails about missed occurrences of it: these have no run.
CREATE TABLE archived_mails (
    job_id uuid,
    archive int,
    PRIMARY KEY (job_id, archive)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0);

-- One row per run that left the table of runs for an archive: what the ledger says of it, for ever. `position` and
-- `version`, and what its decision set, are what the history of its job is checked by. A null in `due_at` means the
-- nominal time, and `erased_at` is set where its contents were erased before it left. The key answers: what became of
-- this run?
CREATE TABLE ledger_lines (
    nominal_at timestamptz NOT NULL,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    next_at timestamptz,
    next_due_at timestamptz,
    resumed_at timestamptz,
    position bigint NOT NULL,
    archive int NOT NULL,
    definition_version int NOT NULL,
    job_version int NOT NULL,
    version smallint NOT NULL,
    attempt smallint NOT NULL,
    failures smallint NOT NULL,
    run_id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    status text COLLATE "C" NOT NULL,
    trigger text COLLATE "C" NOT NULL,
    reason text,
    erased_at timestamptz
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0);

-- The archived runs of this job, in the order of their nominal times.
CREATE INDEX ledger_lines_of_job ON ledger_lines (job_id, nominal_at);

-- One row per job that left the table of jobs for an archive: its id is not given again. `erased_at` is set where its
-- contents were erased before it left.
CREATE TABLE archived_jobs (
    job_id uuid PRIMARY KEY,
    name text NOT NULL,
    task text NOT NULL,
    queue text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    request_hash text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    archive int NOT NULL,
    erased_at timestamptz
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0)
"""

_OPERATIONAL = """
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
    position bigint NOT NULL
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
"""

# By default a table is vacuumed once a fifth of its rows is dead, or new: of a hundred million that is far too late.
_CHANGED = """
autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 1000
"""
_TABLES_CHANGED = (
    *("jobs", "runs", "mails", "mails_owed", "mail_budgets", "statistics", "rate_starts", "bulk_progress"),
    *("leases", "progress", "task_checkpoints", "checkpoints", "executors", "services"),
)


def upgrade() -> None:
    parts = (
        *(_LOG, _ERASURE, _JOBS, _RUNS, _MAILS, _STATISTICS, _QUEUES, _RATES, _BULK, _ARCHIVES, _OPERATIONAL),
        *(_PERIODS, VIEWS),
    )
    for part in parts:
        for statement in part.split(";\n\n"):  # the driver prepares one statement at a time
            op.execute(statement)
    for table in _TABLES_CHANGED:
        op.execute(f"ALTER TABLE {table} SET ({_CHANGED})")
