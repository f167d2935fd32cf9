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
) WITH (fillfactor = 50);

-- One row per period, operation and kind of stream: how many streams with an act of it have left with the period.
CREATE TABLE departed_acts (
    born timestamptz,
    bulk_id uuid,
    prefix text COLLATE "C",
    streams bigint NOT NULL,
    PRIMARY KEY (bulk_id, prefix, born)
)
