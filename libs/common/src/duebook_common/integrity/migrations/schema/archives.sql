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
